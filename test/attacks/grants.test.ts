import { PosternError } from "@postern/shared/errors";
import { parseName } from "@postern/shared/names/name";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import type { Barrier } from "../../packages/server/src/barrier/barrier.js";
import { type Account, findAccount, putAccount } from "../../packages/server/src/records/account.js";
import { prefixes, recordKey } from "../../packages/server/src/records/keys.js";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import type { Storage } from "../../packages/server/src/storage/storage.js";
import { newStore, startInProcess, type TestServer, type TestStore } from "../support/in-process.js";
import { guessPassword, logIn, Person, provePassword, register, registered, tryCode } from "../support/person.js";
import { codeOf, type Reply, WireClient } from "../support/wire-client.js";

/** What a test breaks and heals. */
interface Switch {
  broken: boolean;
}

/** A barrier of which no audit entry can be stored while the switch says so. */
function withoutAudit(barrier: Barrier, audit: Switch): Barrier {
  const transact: Barrier["transact"] = (fn) =>
    barrier.transact((tx) =>
      fn({
        get: (key) => tx.get(key),
        scan: (range) => tx.scan(range),
        keys: (range) => tx.keys(range),
        delete: (key) => tx.delete(key),
        afterCommit: (act) => tx.afterCommit(act),
        put: (key, value) => {
          const refused = audit.broken && key[0] === prefixes.auditEntry;
          return refused ? Promise.reject(new PosternError("store_failed")) : tx.put(key, value);
        },
      }),
    );
  return new Proxy(barrier, {
    get: (target, key) => {
      if (key === "transact") return transact;
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A storage whose commits fail while the switch says so: what was written in them is gone. */
function withoutCommits(storage: Storage, commits: Switch): Storage {
  return {
    read: (fn) => storage.read(fn),
    close: () => storage.close(),
    transact: (fn) =>
      storage.transact(async (tx) => {
        const value = await fn(tx);
        if (commits.broken) throw new PosternError("store_failed", { detail: "no space left on the device" });
        return value;
      }),
  };
}

async function sessionCount({ barrier }: TestStore, { account }: Person): Promise<number> {
  return (await barrier.read((tx) => sessionsOf(tx, account as `acc_${string}`))).length;
}

const failures: [string, (broken: Switch) => Promise<TestServer>][] = [
  [
    "the audit log cannot be written",
    async (broken) => {
      const store = await newStore();
      return startInProcess({ ...store, barrier: withoutAudit(store.barrier, broken) });
    },
  ],
  [
    "the commit fails",
    async (broken) => startInProcess(await newStore({ storage: withoutCommits(createMemoryStorage(), broken) })),
  ],
];

describe.each(failures)("attack 44, promise 7: %s", (_name, start) => {
  /** The one thing that the peer is told, after which the connection is closed. */
  async function expectFailure(client: WireClient, reply: Reply | undefined): Promise<void> {
    expect(codeOf(reply)).toBe("internal");
    expect(reply?.text).not.toMatch(/pss_|[0-9a-f]{32}|[a-z0-9]{5}-[a-z0-9]{5}|no space/);
    expect(await client.reply()).toBeUndefined();
  }

  it.each(["totp", "recovery"] as const)(
    "no session is granted for a %s code, and the code is not used up",
    async (factor) => {
      const store: Switch = { broken: false };
      const server = await start(store);
      const alice = await registered(server);
      const code = factor === "totp" ? alice.code(server.clock) : (alice.recoveryCodes[0] ?? "");
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      store.broken = true;
      await expectFailure(client, await client.call("login.code", { code }));
      expect(await sessionCount(server, alice)).toBe(0);
      store.broken = false;
      expect(await tryCode(server, alice, code)).toBe("ok");
      expect(await server.verifyAudit()).toMatchObject({ ok: true });
    },
  );

  it("no account is made", async () => {
    const store: Switch = { broken: false };
    const server = await start(store);
    const client = await WireClient.open(server);
    store.broken = true;
    await expect(register(client, new Person("alice"), server)).rejects.toThrow("internal");
    store.broken = false;
    await registered(server, "alice");
  });

  it("no guess is judged: a wrong password and a wrong code get no verdict, and a name_taken is not told", async () => {
    const store: Switch = { broken: false };
    const server = await start(store);
    const alice = await registered(server);
    const [password, code, name] = await Promise.all(Array.from({ length: 3 }, () => WireClient.open(server)));
    if (password === undefined || code === undefined || name === undefined) throw new Error("there are three");
    await provePassword(code, alice);
    store.broken = true;
    await expectFailure(password, await guessPassword(password, "alice"));
    await expectFailure(code, await code.call("login.code", { code: alice.wrongCode(server.clock) }));
    await expectFailure(name, await name.call("register.start", { name: "alice" }));
    store.broken = false;
  });

  it("no token is minted, and a logout that could not be stored is not told as done", async () => {
    const store: Switch = { broken: false };
    const server = await start(store);
    const alice = await registered(server);
    const [one, two] = [await WireClient.open(server), await WireClient.open(server)];
    const { secret } = await logIn(one, alice, alice.code(server.clock));
    await two.resume(secret);
    store.broken = true;
    await expectFailure(one, await one.call("session.token", {}));
    await expectFailure(two, await two.call("session.logout", {}));
    store.broken = false;
    await (await WireClient.open(server)).resume(secret);
  });
});

describe("promise 7: every grant has its record", () => {
  it("each session, account and token stands in the audit chain, with its ids", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const { session } = await logIn(client, alice, alice.code(server.clock));
    await client.ok("session.token", {});
    await client.ok("session.logout", {});
    const { account } = alice;
    const personal = { name: "alice", address: "127.0.0.1", client: "test 0" };
    const told = (await server.audit()).filter((row) => row.account === account);
    expect(told).toMatchObject([
      { event: "register", outcome: "done", personal },
      { event: "login", outcome: "granted", session, personal },
      { event: "session.token", outcome: "granted", session, personal },
      { event: "session.logout", outcome: "done", session, personal },
    ]);
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });

  it("attack 46: controls and escapes in what a client says of itself stay inside of their one record", async () => {
    const server = await startInProcess();
    const client = await WireClient.connect(server);
    const said = "a\r\nevent: login\u001b[2J\u2028\u202e\u0000";
    await client.ok("hello", { client: said, version: "0", features: [] });
    const before = (await server.audit()).length;
    await client.call("login.start", { name: "nobody", A: "2".repeat(512) });
    await client.call("login.proof", { M1: "0".repeat(64), mac: "0".repeat(64) });
    const rows = (await server.audit()).slice(before);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ event: "login.password", personal: { client: `${said} 0` } });
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });
});

describe("promise 6: damaged or missing data never lowers the number of factors", () => {
  const damages: [string, (account: Account) => object][] = [
    ["no factors", (account) => ({ ...account, factors: [] })],
    ["no list of factors", ({ factors: _, ...account }) => account],
    ["a factor without its secret", (account) => withFactor(account, ({ secret: _, ...factor }) => factor)],
    [
      "a factor without its used step",
      (account) => withFactor(account, (factor) => ({ ...factor, lastStep: undefined })),
    ],
    ["a factor of another kind", (account) => withFactor(account, (factor) => ({ ...factor, kind: "none" }))],
    ["a factor of fewer digits", (account) => withFactor(account, (factor) => ({ ...factor, digits: 0 }))],
    ["no verifier", ({ verifier: _, ...account }) => account],
    ["a verifier cut short", (account) => ({ ...account, verifier: account.verifier.subarray(1) })],
    ["no code budget", ({ codeBudget: _, ...account }) => account],
    ["no recovery hashes", ({ recovery: _, ...account }) => account],
    ["a recovery hash cut short", (account) => ({ ...account, recovery: [Buffer.alloc(0)] })],
    ["no identity", ({ identity: _, ...account }) => account],
    ["a field more", (account) => ({ ...account, admin: true })],
  ];

  function withFactor(account: Account, change: (factor: Account["factors"][number]) => object): object {
    return { ...account, factors: account.factors.map(change) };
  }

  /** By another hand: the records' own code writes nothing that does not have a record's form. */
  const packr = new Packr({ useRecords: false, mapsAsObjects: true });

  /** The head and the padded details of any account, in the form in which accounts are stored. */
  function packed(account: object): Buffer {
    const names = ["id", "verifier", "stretch", "passwordVersion"];
    const of = (part: (name: string) => boolean) => Object.entries(account).filter(([name]) => part(name));
    const details = packr.pack(Object.fromEntries(of((name) => !names.includes(name))));
    const padded = Buffer.alloc(2048);
    padded.writeUInt32BE(details.length);
    details.copy(padded, 4);
    const head = Object.fromEntries(of((name) => names.includes(name)));
    return Buffer.from(packr.pack([2, { ...head, details: padded }]));
  }

  it("a record by that hand is one as long as nothing is missing in it", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await server.barrier.transact(async (tx) => {
      const nameIndex = server.barrier.nameIndex(parseName("alice"));
      await tx.put(recordKey("account", nameIndex), packed((await findAccount(tx, nameIndex)) ?? {}));
    });
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    expect(await sessionCount(server, alice)).toBe(1);
  });

  it.each(damages)("a record with %s lets nobody in", async (_name, damage) => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const nameIndex = server.barrier.nameIndex(parseName("alice"));
    await server.barrier.transact(async (tx) => {
      const account = await findAccount(tx, nameIndex);
      if (account === undefined) throw new Error("there is no account to damage");
      await tx.put(recordKey("account", nameIndex), packed(damage(account)));
    });
    const code = { code: alice.code(server.clock) };
    expect(codeOf(await client.call("login.code", code))).toBe("internal");
    const other = await WireClient.open(server);
    await expect(provePassword(other, alice)).rejects.toThrow("internal");
    expect(await sessionCount(server, alice)).toBe(0);
  });

  it("a record that is gone is a name that nobody has, and what was proved before is worth nothing", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const [halfway, inside] = [await WireClient.open(server), await WireClient.open(server)];
    await logIn(inside, alice, alice.code(server.clock));
    await provePassword(halfway, alice);
    const nameIndex = server.barrier.nameIndex(parseName("alice"));
    await server.barrier.transact((tx) => tx.delete(recordKey("account", nameIndex)));
    const code = { code: alice.code(server.clock, 1) } as const;
    expect(await halfway.outcome("login.code", code)).toBe("login_failed");
    expect(await inside.outcome("session.token", {})).toBe("session_invalid");
    expect(codeOf(await guessPassword(await WireClient.open(server), "alice"))).toBe("login_failed");
  });

  it("a password that was replaced while a code was awaited is not proved any more", async () => {
    const server = await startInProcess();
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const [aliceIndex, bobIndex] = [alice, bob].map(({ name }) => server.barrier.nameIndex(parseName(name)));
    if (aliceIndex === undefined || bobIndex === undefined) throw new Error("both have an index");
    await server.barrier.transact(async (tx) => {
      const [own, other] = [await findAccount(tx, aliceIndex), await findAccount(tx, bobIndex)];
      if (own === undefined || other === undefined) throw new Error("both have an account");
      await putAccount(tx, aliceIndex, { ...own, verifier: other.verifier, passwordVersion: own.passwordVersion + 1 });
    });
    const code = { code: alice.code(server.clock) } as const;
    expect(await client.outcome("login.code", code)).toBe("login_failed");
    expect(await sessionCount(server, alice)).toBe(0);
  });
});
