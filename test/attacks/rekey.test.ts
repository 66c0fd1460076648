import { describe, expect, it } from "vitest";
import { rekey } from "../../packages/server/src/services/rekey.js";
import {
  contextOf,
  newLmdbStore,
  newStore,
  reopened,
  SECOND,
  startInProcess,
  type TestStore,
  temporaryDirectory,
} from "../support/in-process.js";
import { guessPassword, registered, tryCode } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

const RECORDS = 3000;

/** Records that nobody reads, under the stranger counters of names that nobody has. */
async function fillUp({ barrier }: TestStore, count = RECORDS): Promise<void> {
  await barrier.transact(async (tx) => {
    for (let i = 0; i < count; i++) {
      const key = Buffer.alloc(33, 0x7f);
      key.writeUInt32BE(i, 1);
      await tx.put(key, Buffer.alloc(700, i));
    }
  });
}

const events = async (server: { audit(): Promise<{ event: string; reason?: string | undefined }[]> }) =>
  (await server.audit()).filter(({ event }) => event.startsWith("rekey")).map(({ event, reason }) => [event, reason]);

describe("a rekey while a server runs", () => {
  it("lets every login be answered rightly meanwhile, and leaves one term", async () => {
    const store = await newLmdbStore(await temporaryDirectory());
    await fillUp(store);
    const server = await startInProcess(store);
    const people = await Promise.all(["alice", "bob", "carol", "dave"].map((name) => registered(server, name)));
    const operator = await reopened(store);

    let rekeying = true;
    const seen: number[] = [];
    const done = rekey(await contextOf(operator), { onProgress: (count) => void seen.push(count) }).finally(() => {
      rekeying = false;
    });
    let answers = 0;
    for (let round = 0; rekeying; round++) {
      for (const person of people) {
        const [recovery = ""] = person.recoveryCodes.slice(round);
        const guess = await guessPassword(await WireClient.open(server), person.name);
        expect(codeOf(guess)).toBe("login_failed");
        expect(await tryCode(server, person, recovery)).toBe("ok");
        answers++;
      }
      if (round === 2) break;
    }
    const { term, resealed, dropped, left, begun } = await done;
    expect(answers).toBeGreaterThan(0);
    expect({ term, dropped, left, begun }).toEqual({ term: 2, dropped: [1], left: [], begun: "new_term" });
    expect(resealed).toBeGreaterThan(RECORDS);
    expect(seen.length).toBeGreaterThan(10);
    expect([...(await store.barrier.countTerms()).keys()]).toEqual([2]);
    expect((await server.verifyAudit()).ok).toBe(true);
    server.clock.advance(3600 * SECOND);
    for (const person of people) expect(await tryCode(server, person, person.code(server.clock))).toBe("ok");
    expect(await events(server)).toEqual([
      ["rekey.begin", "new_term"],
      ["rekey.end", `records_${resealed}`],
    ]);
  });
});

describe("a rekey that was cut", () => {
  it("goes on where it was, and adds no other term", async () => {
    const store = await newStore();
    await fillUp(store, 1000);
    const server = await startInProcess(store);
    const context = await contextOf(store);
    const power = new Error("the power is gone");
    const cut = rekey(context, {
      onProgress: (count) => {
        if (count > 500) throw power;
      },
    });
    await expect(cut).rejects.toBe(power);
    expect((await store.barrier.countTerms()).size).toBe(2);
    const { begun, term, resealed, dropped } = await rekey(await contextOf(await reopened(store)));
    expect({ begun, term, dropped }).toEqual({ begun: "resumed", term: 2, dropped: [1] });
    expect(resealed).toBeLessThan(600);
    expect((await rekey(context)).term).toBe(3);
    expect((await events(server)).map(([, reason]) => reason?.replace(/\d+/, "N"))).toEqual([
      "new_term",
      "resumed",
      "records_N",
      "new_term",
      "records_N",
    ]);
  });

  it("before the old term was dropped, comes to its end", async () => {
    const store = await newStore();
    await store.barrier.addTerm();
    await store.barrier.reseal({});
    const { begun, resealed, dropped, left } = await rekey(await contextOf(store));
    expect({ begun, dropped, left }).toEqual({ begun: "resumed", dropped: [1], left: [] });
    expect(resealed).toBe(0);
  });

  it("and two at once come to one end", async () => {
    const store = await newStore();
    await fillUp(store, 1000);
    const contexts = [await contextOf(store), await contextOf(await reopened(store))];
    await Promise.all(contexts.map((context) => rekey(context)));
    await rekey(await contextOf(store));
    expect((await store.barrier.terms()).older).toEqual([]);
    expect((await store.barrier.countTerms()).size).toBe(1);
  });
});

describe("a rekey with another root key", () => {
  it("begins alone, and is told as such", async () => {
    const store = await newStore();
    const server = await startInProcess(store);
    const order: string[] = [];
    const alone = async <T>(work: () => Promise<T>): Promise<T> => {
      order.push("alone");
      return work();
    };
    const password = Buffer.from("correct horse battery");
    const { begun, dropped } = await rekey(await contextOf(store), { newRoot: { alone, password } });
    expect({ begun, dropped, order }).toEqual({ begun: "new_root_key", dropped: [1], order: ["alone"] });
    expect((await events(server))[0]).toEqual(["rekey.begin", "new_root_key"]);
    await reopened(store);
  });
});
