import { inspect } from "node:util";
import { parseName } from "@postern/shared/names/name";
import { decodeSecret, encodeSecret } from "@postern/shared/otp/secret";
import { deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import { describe, expect, it } from "vitest";
import { recordKey } from "../../packages/server/src/records/keys.js";
import { startInProcess, type TestServer } from "../support/in-process.js";
import { guessPassword, Person, provePassword, register, registered, startLogin } from "../support/person.js";
import { type Reply, requestLine, WireClient } from "../support/wire-client.js";

const PASSWORD = "canary-password-7f3a in a coal mine";
const NAME = "canarina";

interface Story {
  readonly server: TestServer;
  /** By what they are. */
  readonly secrets: Record<string, string>;
  /** Every error that a peer was sent, as text. */
  readonly errors: string[];
}

/** A person's whole story, with what goes wrong in one; the password is really stretched. */
async function story(): Promise<Story> {
  const server = await startInProcess();
  const errors: string[] = [];
  const note = (reply: Reply | undefined) => {
    if (reply?.error !== undefined) errors.push(reply.text);
    return reply;
  };
  const canary = new Person(NAME, PASSWORD, "real");
  const client = await WireClient.open(server);
  await register(client, canary, server);
  const challenge = await startLogin(client, NAME);
  note(await client.call("login.proof", { M1: "0".repeat(64), mac: "0".repeat(64) }));
  await provePassword(client, canary);
  const codes = [canary.wrongCode(server.clock), canary.code(server.clock), canary.code(server.clock, 1)];
  note(await client.call("login.code", { code: codes[0] }));
  note(await client.call("login.code", { code: `${canary.recoveryCodes[0]}x` }));
  const { secret } = await client.ok("login.code", { code: codes[1] ?? "" });
  const { token } = await client.ok("session.token", {});
  await client.ok("session.logout", {});
  note(await client.call("session.resume", client.holding(secret)));
  await provePassword(client, canary);
  const [, second = ""] = canary.recoveryCodes;
  const again = await client.ok("login.code", { code: second });

  // What people and broken programs send where it does not belong.
  for (const line of [
    PASSWORD,
    requestLine("hello", { password: PASSWORD, code: codes[2] }),
    requestLine(PASSWORD, {}),
    requestLine("login.start", { name: PASSWORD, A: "0" }),
    requestLine("session.resume", { secret: `${secret}0` }),
  ]) {
    const stray = await WireClient.open(server);
    note(await stray.exchange(line));
    await stray.close();
  }
  // A damaged record, so that something is logged with its cause.
  const key = recordKey("account", server.barrier.nameIndex(parseName(NAME)));
  await server.barrier.transact(async (tx) => {
    const record = await tx.get(key);
    await tx.put(key, record?.subarray(0, -3) ?? Buffer.alloc(0));
  });
  note(await guessPassword(await WireClient.open(server), NAME));
  await server.close();

  const { identity, salt } = challenge;
  const stretched = await canary.stretched(challenge);
  const secrets: Record<string, string> = {
    password: PASSWORD,
    "stretched password": stretched,
    verifier: deriveVerifier({ identity, salt: parseSalt(salt), password: stretched }),
    "authenticator secret in base32": encodeSecret(canary.secret),
    "authenticator secret in hex": canary.secret.toString("hex"),
    "session secret": secret.slice(-64),
    "second session secret": again.secret.slice(-64),
    token: token.split(".")[2] ?? "",
  };
  for (const [index, code] of codes.entries()) secrets[`code ${index}`] = code;
  for (const [index, code] of canary.recoveryCodes.entries()) {
    secrets[`recovery code ${index}`] = code;
    secrets[`recovery code ${index} without dashes`] = code.replaceAll("-", "");
  }
  return { server, secrets, errors };
}

/** Whether a secret stands in a text, as a whole: six digits are part of many a number. */
function holds(text: string, secret: string): boolean {
  if (!/^[0-9]{6}$/.test(secret)) return text.toLowerCase().includes(secret.toLowerCase());
  return new RegExp(`(?<![0-9a-f])${secret}(?![0-9a-f])`).test(text);
}

function found(text: string, secrets: Record<string, string>): string[] {
  return Object.keys(secrets).filter((what) => holds(text, secrets[what] ?? ""));
}

describe("attack 47, promise 14: canaries", () => {
  it("no secret reaches the log, an error on the wire, an audit record or the store's bytes", async () => {
    const { server, secrets, errors } = await story();
    const logged = server.log.entries.map((entry) => inspect(entry, { depth: 20, showHidden: true })).join("\n");
    expect(server.log.errors.length).toBeGreaterThan(0);
    expect(server.log.entries.length).toBeGreaterThan(8);
    expect(found(logged, { ...secrets, name: NAME, address: "127.0.0.1" })).toEqual([]);

    expect(errors.length).toBeGreaterThanOrEqual(9);
    expect(found(errors.join("\n"), { ...secrets, name: NAME })).toEqual([]);

    const audited = JSON.stringify(await server.audit());
    expect(audited).toContain(NAME);
    expect(found(audited, secrets)).toEqual([]);

    const stored = await server.storage.read((tx) => tx.scan({ from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) }));
    const bytes = Buffer.concat(stored.flatMap(({ key, value }) => [key, value]));
    const { "code 0": _zero, "code 1": _one, "code 2": _two, ...long } = secrets;
    for (const text of [bytes.toString("latin1"), bytes.toString("hex")]) {
      expect(found(text, { ...long, name: NAME, event: "login.password" })).toEqual([]);
    }
    expect(bytes.includes(decodeSecret(secrets["authenticator secret in base32"] ?? ""))).toBe(false);
  });

  it("an error says what the table says, and nothing that was sent", async () => {
    const server = await startInProcess();
    await registered(server, "alice");
    const client = await WireClient.open(server);
    const reply = await client.call("register.start", { name: "<script>canary</script>" });
    expect(reply?.error?.data.code).toBe("name_invalid");
    expect(reply?.text).not.toContain("canary");
  });
});
