import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AuditEntry,
  type ChainHead,
  type ChainVerdict,
  ChainVerifier,
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

function verify(texts: readonly (string | undefined)[], head: ChainHead): ChainVerdict {
  const verifier = new ChainVerifier(NODE);
  for (const text of texts) {
    const verdict = verifier.next(text);
    if (verdict !== undefined) return verdict;
  }
  return verifier.end(head);
}

const edited = (text: string) => text.replace('"granted"', '"refused"');
const index = fc.integer({ min: 0, max: 19 });

describe("attack 45: the audit chain names the first bad entry", () => {
  const { texts, head } = chainOf(20);

  it("holds when nothing was touched, also when it is empty", () => {
    expect(verify(texts, head)).toEqual({ ok: true, length: 20 });
    expect(verify([], { length: 0, hash: chainOrigin(NODE) })).toEqual({ ok: true, length: 0 });
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
    const verifier = new ChainVerifier("nod_00000000000000000000000000000002");
    expect(verifier.next(texts[0])).toMatchObject({ ok: false, firstBad: 0 });
  });

  it("when an entry is not in its only form", () => {
    for (const text of ["", "{}", "[]", `${texts[3]} `, (texts[3] ?? "").replace('"time"', '"extra":1,"time"')]) {
      const changed = texts.map((original, i) => (i === 3 ? text : original));
      expect(verify(changed, head)).toMatchObject({ ok: false, firstBad: 3 });
    }
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
