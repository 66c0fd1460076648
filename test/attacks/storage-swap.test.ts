import { beforeEach, describe, expect, it } from "vitest";
import { recordKey, recordRange } from "../../packages/server/src/records/keys.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import type { Storage } from "../../packages/server/src/storage/storage.js";
import { newLmdbStore, startInProcess, type TestServer, temporaryDirectory } from "../support/in-process.js";
import { guessPassword, logIn, type Person, provePassword, registered } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

/** Below the barrier the records of callers stand under this byte. */
const below = (key: Buffer) => Buffer.concat([Buffer.of(0x01), key]);

let server: TestServer;
let alice: Person;
let mallory: Person;

/** Mallory has an account of her own, and can write the store's file. */
beforeEach(async () => {
  server = await startInProcess(await newLmdbStore(await temporaryDirectory()));
  alice = await registered(server, "alice");
  mallory = await registered(server, "mallory");
});

const accountKey = (name: string) => below(recordKey("account", server.barrier.nameIndex(name)));

async function swap(storage: Storage, one: Buffer, other: Buffer): Promise<void> {
  await storage.transact(async (tx) => {
    const [first, second] = [await tx.get(one), await tx.get(other)];
    if (first === undefined || second === undefined) throw new Error("there is nothing to swap");
    await tx.put(one, second);
    await tx.put(other, first);
  });
}

async function copy(storage: Storage, from: Buffer, to: Buffer): Promise<void> {
  await storage.transact(async (tx) => tx.put(to, (await tx.get(from)) ?? Buffer.alloc(0)));
}

/** How far somebody gets who says that they are `name` and has all that Mallory has. */
async function entersAs(name: string): Promise<string> {
  const impostor = Object.assign(Object.create(mallory), { name }) as Person;
  const client = await WireClient.open(server);
  const outcome = await logIn(client, impostor, mallory.code(server.clock, 1)).then(
    () => "ok",
    (thrown: Error) => thrown.message,
  );
  client.reset();
  return outcome;
}

/** What the log says of requests that failed: only that the store is damaged. */
const logged = () => new Set(server.log.errors.map((entry) => (entry as { facts: { code?: string } }).facts.code));

describe("attack 39: sealed values that stand at another key", () => {
  it("two accounts swapped let nobody in, neither by the one name nor by the other", async () => {
    await swap(server.storage, accountKey("alice"), accountKey("mallory"));
    for (const name of ["alice", "mallory"]) expect(await entersAs(name)).toBe("login.start failed: internal");
    const client = await WireClient.open(server);
    expect(codeOf(await guessPassword(client, "alice"))).toBe("internal");
    expect([...logged()]).toEqual(["store_damaged"]);
    await swap(server.storage, accountKey("alice"), accountKey("mallory"));
    expect(await entersAs("mallory")).toBe("ok");
  });

  it("an account copied over another one does not let its owner in as that one, and does not free the name", async () => {
    await copy(server.storage, accountKey("mallory"), accountKey("alice"));
    expect(await entersAs("alice")).toBe("login.start failed: internal");
    const client = await WireClient.open(server);
    expect(await client.outcome("register.start", { name: "alice" })).toBe("internal");
    expect([...logged()]).toEqual(["store_damaged"]);
    expect(await entersAs("mallory")).toBe("ok");
  });

  it("an account copied to a name that nobody has makes no account of it", async () => {
    await copy(server.storage, accountKey("mallory"), accountKey("root"));
    expect(await entersAs("root")).toBe("login.start failed: internal");
  });

  it("the sessions of two people swapped are nobody's", async () => {
    const secrets: string[] = [];
    for (const person of [alice, mallory]) {
      const client = await WireClient.open(server);
      secrets.push((await logIn(client, person, person.code(server.clock, 0))).secret);
    }
    const { from, to } = recordRange("session");
    const [one, other] = await server.storage.read((tx) => tx.scan({ from: below(from), to: below(to) }));
    if (one === undefined || other === undefined) throw new Error("there are no two sessions");
    await swap(server.storage, one.key, other.key);
    for (const secret of secrets) {
      const client = await WireClient.open(server);
      expect(await client.resumed(secret)).toBe("session_invalid");
    }
  });

  it("entries of the audit log swapped, or the head put in the place of one, are found", async () => {
    const { from, to } = recordRange("auditEntry");
    const entries = await server.storage.read((tx) => tx.scan({ from: below(from), to: below(to) }));
    const [one, other] = entries.slice(-2).map(({ key }) => key);
    if (one === undefined || other === undefined) throw new Error("there are no two entries");
    await swap(server.storage, one, other);
    await expectAuditFound();
    await swap(server.storage, one, other);
    expect(await verifyTrail(server.barrier)).toMatchObject({ ok: true });
    const { from: headFrom, to: headTo } = recordRange("auditHead");
    const [head] = await server.storage.read((tx) => tx.scan({ from: below(headFrom), to: below(headTo) }));
    await swap(server.storage, one, head?.key ?? one);
    await expectAuditFound();
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const code = alice.code(server.clock, 0);
    expect(await client.outcome("login.code", { code })).toBe("internal");
    await swap(server.storage, one, head?.key ?? one);
    await client.closed;
    expect(await verifyTrail(server.barrier)).toMatchObject({ ok: true });
  });
});

/** By the verdict, or already by what cannot be opened. */
async function expectAuditFound(): Promise<void> {
  const verdict = await verifyTrail(server.barrier).catch((thrown: { code?: string }) => ({ ok: thrown.code }));
  expect([false, "store_damaged"]).toContain(verdict.ok);
}
