import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeSecret, encodeSecret } from "@postern/shared/otp/secret";
import { describe, expect, it } from "vitest";
import { startServer } from "../../packages/server/src/server.js";
import { CapturedLog, newStore, reopened, startInProcess, type TestServer } from "../support/in-process.js";
import {
  guessPassword,
  logIn,
  Person,
  provePassword,
  register,
  registered,
  startLogin,
  tryCode,
} from "../support/person.js";
import { codeOf, connectRaw, gone, WireClient } from "../support/wire-client.js";

async function stillServes(server: TestServer, name: string): Promise<void> {
  const person = await registered(server, name);
  expect(await tryCode(server, person, person.code(server.clock))).toBe("ok");
}

/** What broke the TLS, SRP and TOTP system in a terminal, each as a case of its own. */
describe("what broke the first predecessor does not break Postern", () => {
  it.each(["login.code", "register.start", "session.whoami", "hello", "login.start", "exit", "HAMK"])(
    "a message other than the proof in place of M (%s) does not fall through to the code step",
    async (method) => {
      const server = await startInProcess();
      const alice = await registered(server);
      const client = await WireClient.open(server);
      await startLogin(client, "alice");
      const params = method === "login.code" ? { code: alice.code(server.clock) } : {};
      expect(["out_of_order", "bad_request"]).toContain(codeOf(await client.call(method, params)));
      expect(await client.reply()).toBeUndefined();
      expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    },
  );

  it("one TCP connect and close does not end the server", async () => {
    const server = await startInProcess();
    for (let times = 0; times < 5; times++) {
      const raw = await connectRaw(server);
      raw.destroy();
      await gone(raw);
    }
    await stillServes(server, "alice");
  });

  it.each(["login\n", "GET / HTTP/1.0\r\n\r\n", '{"jsonrpc":"2.0"}\n'])(
    "plain text on the port does not: %j",
    async (text) => {
      const server = await startInProcess();
      const raw = await connectRaw(server);
      raw.end(text);
      await gone(raw);
      await stillServes(server, "alice");
    },
  );

  it("an idle client, in any step, does not block the others", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await connectRaw(server);
    await WireClient.connect(server);
    await startLogin(await WireClient.open(server), "alice");
    await provePassword(await WireClient.open(server), alice);
    await stillServes(server, "bob");
  });

  it("the same code is not accepted again", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const code = alice.code(server.clock);
    expect(await tryCode(server, alice, code)).toBe("ok");
    expect(await tryCode(server, alice, code)).toBe("code_refused");
  });

  it("guesses are limited, of passwords and of codes", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const codes: string[] = [];
    for (let tries = 0; tries < 6; tries++) codes.push(await tryCode(server, alice, alice.wrongCode(server.clock)));
    expect(codes.at(-1)).toBe("throttled");
    const passwords: string[] = [];
    const client = await WireClient.open(server);
    for (let tries = 0; tries < 6; tries++) passwords.push(codeOf(await guessPassword(client, "alice")));
    expect(passwords.at(-1)).toBe("throttled");
  });

  it("what is stored has a fresh nonce each time, and does not open when a bit of it was changed", async () => {
    const { barrier, storage } = await newStore();
    const key = Buffer.from([0x7f, 1]);
    const raw = () => storage.read((tx) => tx.get(Buffer.concat([Buffer.of(1), key])));
    await barrier.transact((tx) => tx.put(key, Buffer.from("the same plaintext")));
    const first = await raw();
    await barrier.transact((tx) => tx.put(key, Buffer.from("the same plaintext")));
    const second = await raw();
    if (first === undefined || second === undefined) throw new Error("it is not where it was expected");
    expect(second).not.toEqual(first);
    for (let at = 0; at < second.length; at++) {
      const flipped = Buffer.from(second);
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
      await storage.transact((tx) => tx.put(Buffer.concat([Buffer.of(1), key]), flipped));
      await expect(barrier.read((tx) => tx.get(key))).rejects.toThrow();
    }
  });

  it("an unknown user is not visible on the wire", async () => {
    const server = await startInProcess();
    await registered(server, "alice");
    const conversation = async (name: string) => {
      const client = await WireClient.open(server);
      const { B, salt, identity, ...challenge } = await startLogin(client, name);
      const failed = await guessPassword(await WireClient.open(server), name);
      return { challenge: { stretch: challenge.stretch, B: B.length, salt: salt.length }, failed: failed?.text };
    };
    expect(await conversation("nobod")).toEqual(await conversation("alice"));
  });

  it.each([`x'; touch /tmp/pwned; '`, 'x"$(id)"', "`id`", "x;id", "$HOME", "x|id", "x&id", "x\\", "../../x"])(
    "a name with a quote or anything else that a shell reads (%j) is refused",
    async (name) => {
      const server = await startInProcess();
      const client = await WireClient.open(server);
      expect(await client.outcome("register.start", { name })).toBe("name_invalid");
      await register(client, new Person("o-brien"), server);
    },
  );

  it("the client runs no other program: nothing that a name says can reach a shell", async () => {
    const root = fileURLToPath(new URL("../../packages", import.meta.url));
    const found: string[] = [];
    for (const name of ["client", "shared"]) {
      const folder = join(root, name, "src");
      const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith(".ts"));
      expect(files.length).toBeGreaterThan(0);
      for (const file of files) {
        const text = await readFile(join(folder, file), "utf8");
        if (/child_process|\beval\(|new Function\(/.test(text)) found.push(`${name}/${file}`);
      }
    }
    expect(found).toEqual([]);
  });

  it("numeric-looking names, null and their like are names as typed, each its own account", async () => {
    const server = await startInProcess();
    const names = [
      "null",
      "undefined",
      "true",
      "nan",
      "0",
      "00",
      "007",
      "7",
      "1e5",
      "100000",
      "0x10",
      "16",
      "1.0",
      "1",
    ];
    const people: Person[] = [];
    for (const name of names) people.push(await registered(server, name));
    expect(new Set(people.map(({ account }) => account)).size).toBe(names.length);
    for (const person of people) {
      const client = await WireClient.open(server);
      const { name, account } = await logIn(client, person, person.code(server.clock));
      expect({ name, account }).toEqual({ name: person.name, account: person.account });
    }
  });

  it("a name equal to another person's secret, account or salt is free like any other", async () => {
    const server = await startInProcess();
    const alice = await registered(server, "alice");
    const { salt } = await startLogin(await WireClient.open(server), "alice");
    const names = [encodeSecret(alice.secret).toLowerCase(), alice.account, salt, salt.slice(0, 32)];
    for (const name of names) {
      const person = await registered(server, name);
      expect(person.account).not.toBe(alice.account);
    }
    expect(decodeSecret(names[0] ?? "")).toEqual(alice.secret);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });

  it.each(["a,b", "a:b", "a|b", "a;b", "a\nb", "a\r\nb", "a\u0000b", 'a"b', "{a}", "a\tb", "a\u001fb"])(
    "a name with a protocol's separator (%j) is told what is wrong, and the connection goes on",
    async (name) => {
      const server = await startInProcess();
      const client = await WireClient.open(server);
      expect(await client.outcome("register.start", { name })).toBe("name_invalid");
      expect(await client.outcome("login.start", { name, A: "2".repeat(512) })).toBe("name_invalid");
      await register(client, new Person("alice"), server);
    },
  );

  it("a restart on the same address works at once, also with connections left open and cut", async () => {
    const store = await newStore();
    const first = await startInProcess(store);
    const { port } = first;
    const alice = await registered(first);
    const client = await WireClient.open(first);
    await provePassword(client, alice);
    const raw = await connectRaw(first);
    (await WireClient.open(first)).reset();
    await first.close();
    await Promise.all([client.closed, gone(raw)]);
    const second = await startInProcess(await reopened(store), { port });
    expect(second.port).toBe(port);
    expect(await tryCode(second, alice, alice.code(second.clock))).toBe("ok");
  });

  it("an address that is really taken is said to be, and the server that has it serves on", async () => {
    const server = await startInProcess();
    const { barrier } = await newStore();
    const second = startServer({
      barrier,
      listen: { host: "127.0.0.1", port: server.port, key: `127.0.0.1:${server.port}` },
      http: undefined,
      registration: "open",
      publicUrl: undefined,
      log: new CapturedLog(),
    });
    await expect(second).rejects.toMatchObject({ code: "address_in_use" });
    await stillServes(server, "alice");
  });

  it("the same name twice says that it is taken; a wrong password and an unknown user read the same", async () => {
    const server = await startInProcess();
    await registered(server, "alice");
    const client = await WireClient.open(server);
    expect(await client.outcome("register.start", { name: "alice" })).toBe("name_taken");
    const wrong = await guessPassword(client, "alice");
    const unknown = await guessPassword(client, "nobody");
    expect(unknown?.error).toEqual(wrong?.error);
  });
});
