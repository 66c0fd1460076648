import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AuditEntry,
  type ChainHead,
  type ChainVerdict,
  ChainVerifier,
  chainBegin,
  chainOrigin,
  commitment,
  entryHash,
  entryText,
  parseEntry,
} from "../../src/records/audit-chain.js";

const NODE = "nod_00000000000000000000000000000001";

function chainOf(length: number): { texts: string[]; head: ChainHead } {
  const texts: string[] = [];
  let prev = chainOrigin(NODE);
  for (let index = 0; index < length; index++) {
    const entry: AuditEntry = { index, prev, time: 1000 + index, event: "login", outcome: "granted", commitments: {} };
    const text = entryText(entry);
    texts.push(text);
    prev = entryHash(text);
  }
  return { texts, head: { length, hash: prev } };
}

function verify(texts: readonly (string | undefined)[], head: ChainHead, saved?: ChainHead): ChainVerdict {
  const verifier = new ChainVerifier(chainBegin(NODE), saved);
  for (const text of texts) {
    const verdict = verifier.next(text);
    if (verdict !== undefined) return verdict;
  }
  return verifier.end(head);
}

/** The chain as someone who has all the keys writes it anew from an entry on. */
function rewrittenFrom(texts: readonly string[], at: number): { texts: string[]; head: ChainHead } {
  const forged = texts.slice(0, at);
  let prev = at === 0 ? chainOrigin(NODE) : entryHash(texts[at - 1] ?? "");
  for (const text of texts.slice(at)) {
    const entry = parseEntry(text);
    if (entry === undefined) throw new Error("the chain of the test is none");
    const next = entryText({ ...entry, prev, event: "forged" });
    forged.push(next);
    prev = entryHash(next);
  }
  return { texts: forged, head: { length: forged.length, hash: prev } };
}

const edited = (text: string) => text.replace('"granted"', '"refused"');
const index = fc.integer({ min: 0, max: 19 });

describe("attack 45: the audit chain names the first bad entry", () => {
  const { texts, head } = chainOf(20);

  it("holds when nothing was touched, also when it is empty", () => {
    expect(verify(texts, head)).toEqual({ ok: true, first: 0, length: 20 });
    expect(verify([], { length: 0, hash: chainOrigin(NODE) })).toEqual({ ok: true, first: 0, length: 0 });
  });

  it("when an entry was edited", () => {
    fc.assert(
      fc.property(index, (at) => {
        const changed = texts.map((text, i) => (i === at ? edited(text) : text));
        expect(verify(changed, head)).toMatchObject({ ok: false, firstBad: at });
      }),
    );
  });

  it("when an entry's link was edited", () => {
    fc.assert(
      fc.property(index, (at) => {
        const entry = parseEntry(texts[at] ?? "");
        const changed = texts.map((text, i) =>
          i === at && entry !== undefined ? entryText({ ...entry, prev: "0".repeat(64) }) : text,
        );
        expect(verify(changed, head)).toMatchObject({ ok: false, firstBad: at });
      }),
    );
  });

  it("when an entry is missing", () => {
    fc.assert(
      fc.property(index, (at) => {
        const changed = texts.map((text, i) => (i === at ? undefined : text));
        expect(verify(changed, head)).toMatchObject({ ok: false, firstBad: at });
      }),
    );
  });

  it("when two entries changed places", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 18 }), (at) => {
        const changed = [...texts];
        [changed[at], changed[at + 1]] = [texts[at + 1] ?? "", texts[at] ?? ""];
        expect(verify(changed, head)).toMatchObject({ ok: false, firstBad: at });
      }),
    );
  });

  it("when the end was cut off", () => {
    expect(verify(texts.slice(0, 15), head)).toMatchObject({ ok: false, firstBad: 15 });
  });

  it("when the end was cut off and the chain continued", () => {
    const prev = entryHash(texts[14] ?? "");
    const forged: AuditEntry = { index: 15, prev, time: 1, event: "login", outcome: "granted", commitments: {} };
    expect(verify([...texts.slice(0, 15), entryText(forged)], head)).toMatchObject({ ok: false, firstBad: 16 });
  });

  it("when it is another node's chain", () => {
    const verifier = new ChainVerifier(chainBegin("nod_00000000000000000000000000000002"));
    expect(verifier.next(texts[0])).toMatchObject({ ok: false, firstBad: 0 });
  });

  it("when an entry is not in its only form", () => {
    for (const text of ["", "{}", "[]", `${texts[3]} `, (texts[3] ?? "").replace('"time"', '"extra":1,"time"')]) {
      const changed = texts.map((original, i) => (i === 3 ? text : original));
      expect(verify(changed, head)).toMatchObject({ ok: false, firstBad: 3 });
    }
  });
});

describe("promise 8: a chain that is held against a checkpoint", () => {
  const { texts, head } = chainOf(20);
  const savedAt = (length: number): ChainHead => ({ length, hash: chainOf(length).head.hash });

  it("holds at every length that it has had", () => {
    for (let length = 0; length <= 20; length++)
      expect(verify(texts, head, savedAt(length))).toMatchObject({ ok: true });
  });

  it("was cut off, and its head with it", () => {
    const shorter = chainOf(12);
    expect(verify(shorter.texts, shorter.head)).toMatchObject({ ok: true });
    expect(verify(shorter.texts, shorter.head, savedAt(15))).toMatchObject({ ok: false, firstBad: 12 });
    expect(verify([], chainOf(0).head, savedAt(1))).toMatchObject({ ok: false, firstBad: 0 });
  });

  it("was rewritten as a whole, and continued", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 14 }), (at) => {
        const forged = rewrittenFrom(texts, at);
        expect(verify(forged.texts, forged.head)).toMatchObject({ ok: true });
        expect(verify(forged.texts, forged.head, savedAt(15))).toMatchObject({ ok: false, firstBad: 14 });
        expect(verify(forged.texts, forged.head, savedAt(at))).toMatchObject({ ok: true });
      }),
    );
  });

  it("tells nothing of entries that retention has removed, and says so", () => {
    const start = { first: 10, prev: chainOf(10).head.hash };
    const from = (saved: ChainHead) => {
      const verifier = new ChainVerifier(start, saved);
      for (const text of texts.slice(10)) {
        const verdict = verifier.next(text);
        if (verdict !== undefined) return verdict;
      }
      return verifier.end(head);
    };
    expect(from(savedAt(10))).toEqual({ ok: true, first: 10, length: 20 });
    expect(from({ length: 10, hash: "0".repeat(64) })).toMatchObject({ ok: false, firstBad: 9 });
    expect(() => from(savedAt(9))).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

describe("an entry's text", () => {
  it("has the device behind the session, and nothing of what is absent", () => {
    const entry: AuditEntry = {
      ...{ index: 0, prev: chainOrigin(NODE), time: 1, event: "login", outcome: "granted" },
      ...{ account: "acc_1", session: "ses_1", device: "dev_1", commitments: {} },
    };
    const text = entryText(entry);
    expect(text).toContain('"account":"acc_1","session":"ses_1","device":"dev_1","commitments":{}');
    expect(parseEntry(text)).toEqual(entry);
    const { device: _, ...without } = entry;
    expect(entryText(without)).toBe(text.replace(',"device":"dev_1"', ""));
    expect(parseEntry(text.replace('"session":"ses_1","device":"dev_1"', '"device":"dev_1","session":"ses_1"'))).toBe(
      undefined,
    );
  });

  it("that was stored before there were devices is the same today", () => {
    const text = `{"index":0,"prev":"${chainOrigin(NODE)}","time":1,"event":"login","outcome":"granted","reason":"x","account":"acc_1","session":"ses_1","commitments":{}}`;
    expect(parseEntry(text)).toMatchObject({ account: "acc_1", session: "ses_1" });
    expect(entryText(parseEntry(text) ?? ({} as AuditEntry))).toBe(text);
  });
});

describe("a commitment", () => {
  it("depends on the salt, the field and the value", () => {
    const salt = Buffer.alloc(32, 1);
    const one = commitment("name", "alice", salt);
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(commitment("name", "alice", Buffer.alloc(32, 2))).not.toBe(one);
    expect(commitment("address", "alice", salt)).not.toBe(one);
    expect(commitment("name", "alicf", salt)).not.toBe(one);
  });
});
