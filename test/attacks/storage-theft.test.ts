import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hashRecoveryCode, parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import { deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Barrier } from "../../packages/server/src/barrier/barrier.js";
import { loginArgs, password, registerByScript } from "../e2e/account.js";
import { withStore } from "../support/crash-inspect.js";
import { systemClock, targetOf } from "../support/crash-load.js";
import { byteNeedles, foundIn, type Needle, pieceNeedles, textNeedles } from "../support/crash-needles.js";
import { guessPassword, Person, provePassword, register, startLogin } from "../support/person.js";
import { adminPassword, Machine } from "../support/programs.js";
import { type Target, WireClient } from "../support/wire-client.js";

const machine = new Machine();
const CLIENT = { client: "canary-client", version: "7.7.7", features: [] };

/** Addresses of this machine that stand for those of people; where there is only one, it is that. */
const addresses = process.platform === "linux" ? ["127.31.47.9", "127.88.1.250"] : ["127.0.0.1"];
const names = ["persephone", "Ödön-Zoltán", "владимир", "ｆｕｌｌｗｉｄｔｈ"];

/** What nobody should find without the admin password. */
const secrets: Needle[] = [];
/** Who they are, and from where they came. */
const personal: Needle[] = [];
let serverOutput = "";

beforeAll(async () => {
  const server = await machine.startServer(["--log-level", "debug", "--log-format", "json", "--address-limits", "off"]);
  const target = targetOf(server);
  for (const [index, name] of names.entries()) await comeAndGo(target, name, addresses[index % addresses.length] ?? "");
  const scripted = await registerByScript(machine, server, "scripted-person");
  const fresh = scripted.authenticator.next();
  expect(await machine.run("postern", loginArgs(machine, server, "scripted-person", fresh))).toMatchObject({ code: 0 });
  const wrong = loginArgs(machine, server, "scripted-person", fresh);
  expect(await machine.run("postern", wrong)).toMatchObject({ code: 1 });
  const person = new Person("scripted-person", password, "real");
  secrets.push(...(await secretsOfPassword(target, person)));
  secrets.push(...textNeedles("a recovery code", scripted.recoveryCodes[0] ?? ""));
  secrets.push(...textNeedles("the admin password", adminPassword));
  for (const name of [...names, "scripted-person"]) {
    for (const form of [name, name.toLowerCase(), name.normalize("NFKC"), name.normalize("NFD")]) {
      personal.push(...textNeedles(`the name ${name}`, form));
    }
  }
  for (const address of addresses) personal.push(...textNeedles("an address", address));
  const { stdout, stderr } = await server.process.stop();
  serverOutput = stdout + stderr;
});

afterAll(() => machine.close());

/** A whole story of one person, failures included, over connections from one address. */
async function comeAndGo(target: Target, name: string, address: string): Promise<void> {
  const clock = systemClock();
  const person = new Person(name, `a password of ${name}`);
  const open = async () => {
    const client = await WireClient.connect(target, address);
    await client.ok("hello", CLIENT);
    return client;
  };
  const client = await open();
  await register(client, person, { clock, offset: 0 });
  await guessPassword(client, name);
  await guessPassword(client, "somebody-unknown");
  await provePassword(client, person);
  await client.call("login.code", { code: person.wrongCode(clock) });
  const { secret } = await client.ok("login.code", { code: person.code(clock, 1) });
  const { token } = await client.ok("session.token", { audience: "an-audience" });
  await client.ok("session.logout", {});
  await provePassword(client, person);
  const [used = "", ...left] = person.recoveryCodes;
  const again = await client.ok("login.code", { code: used });
  await client.close();
  (await open()).reset();
  secrets.push(
    ...byteNeedles("an authenticator's secret", person.secret),
    ...(await secretsOfPassword(target, person)),
  );
  for (const session of [secret, again.secret]) {
    secrets.push(...textNeedles("a session's secret", session));
    secrets.push(...byteNeedles("a session's secret bytes", Buffer.from(session.slice(-64), "hex")));
  }
  secrets.push(...textNeedles("a token", token), ...textNeedles("a token's signature", token.split(".")[2] ?? ""));
  for (const code of [used, ...left]) {
    secrets.push(...textNeedles("a recovery code", code), ...textNeedles("its letters", code.replaceAll("-", "")));
    const parsed = parseRecoveryCode(code);
    if (parsed !== undefined) secrets.push(...byteNeedles("a recovery code's hash", hashRecoveryCode(parsed)));
  }
}

/** The password, what it is stretched to, and its verifier. */
async function secretsOfPassword(target: Target, person: Person): Promise<Needle[]> {
  const client = await WireClient.open(target);
  const challenge = await startLogin(client, person.name);
  client.reset();
  const { identity, salt } = challenge;
  const stretched = await person.stretched(challenge);
  const verifier = deriveVerifier({ identity, salt: parseSalt(salt), password: stretched });
  return [
    ...textNeedles("a password", person.password),
    ...textNeedles("a stretched password", stretched),
    ...byteNeedles("a stretched password's bytes", Buffer.from(stretched, "hex")),
    ...byteNeedles("a verifier", Buffer.from(verifier, "hex")),
    ...pieceNeedles("a verifier's bytes", Buffer.from(verifier, "hex")),
  ];
}

/** What the records themselves say. */
const plaintexts = (barrier: Barrier) => barrier.read((tx) => tx.scan({}));

/** What tells when something happened, or what. */
function telltales(): Needle[] {
  const today = new Date().toISOString();
  const events = [
    "register",
    "login.password",
    "session.logout",
    "granted",
    "refused",
    "wrong_password",
    "store.create",
  ];
  const words = ["otpauth", "authenticator", "an-audience", CLIENT.client, "Postern", "PRIVATE KEY"];
  const day = today.slice(0, 10);
  const dates = [day, day.slice(0, 7), day.replaceAll("-", ""), String(Date.now()).slice(0, 6)];
  return [...events, ...words, ...dates].flatMap((word) => textNeedles(word, word));
}

describe("promise 10: whoever steals the data directory", () => {
  it("finds in its files neither secret nor name nor address, no date, no event, and nothing of any record", async () => {
    const files = readdirSync(machine.data);
    expect(files.sort()).toEqual(["store.mdb", "store.mdb-lock"]);
    const stolen = Buffer.concat(files.map((file) => readFileSync(join(machine.data, file))));
    const entries = await withStore(machine.data, plaintexts, { password: Buffer.from(adminPassword) });
    const needles = [...secrets, ...personal, ...telltales()];
    const pieces = entries.flatMap(({ key, value }) => pieceNeedles(`the record at ${key.toString("hex")}`, value));
    expect(foundIn(stolen, [...needles, ...pieces])).toEqual([]);

    const unsealed = foundIn(Buffer.concat(entries.map(({ value }) => value)), needles);
    const kept = [
      "an authenticator's secret",
      "a verifier",
      "a recovery code's hash",
      "an address",
      "the name persephone",
    ];
    expect(unsealed).toEqual(expect.arrayContaining([...kept, "login.password", "granted", CLIENT.client]));
    expect(unsealed.filter((what) => /password|session's secret|token/.test(what) && !what.includes("."))).toEqual([
      "wrong_password",
    ]);
  });
});

describe("promise 14: what the programs write down", () => {
  it("the server's log, at its most talkative, has no secret, no name and no address of a person", () => {
    expect(serverOutput.split("\n").filter((line) => line.startsWith("{")).length).toBeGreaterThan(10);
    const ownAddress = "127.0.0.1";
    const needles = [...secrets, ...personal].filter(
      ({ what }) => addresses[0] !== ownAddress || what !== "an address",
    );
    expect(foundIn(Buffer.from(serverOutput), needles)).toEqual([]);
  });

  it("the client's files have no password in any form, no authenticator secret, no code", () => {
    const files = [machine.config, machine.state].flatMap((folder) =>
      readdirSync(folder).map((name) => join(folder, name)),
    );
    expect(files.length).toBeGreaterThanOrEqual(2);
    const text = Buffer.concat(files.map((file) => readFileSync(file)));
    expect(text.includes("scripted-person")).toBe(true);
    expect(foundIn(text, secrets)).toEqual([]);
  });
});
