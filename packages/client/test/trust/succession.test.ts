import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { type Fingerprint, fingerprintOf } from "@postern/shared/fingerprint";
import { SUCCESSORS_MAX, type SuccessorStatement, signSuccessor } from "@postern/shared/successor";
import { describe, expect, it } from "vitest";
import { leadsTo } from "../../src/trust/succession.js";

interface Identity {
  readonly key: KeyObject;
  readonly spki: Buffer;
  readonly fingerprint: Fingerprint;
}

function newIdentity(): Identity {
  const { privateKey: key, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  return { key, spki, fingerprint: fingerprintOf(spki) };
}

const vouch = (from: Identity, to: Identity, sequence: number): SuccessorStatement =>
  signSuccessor(from.key, { from: from.spki, to: to.spki, sequence, time: 1_795_241_730 });

/** `one` was followed by `two`, `two` by `three`; `mallory` is nobody's successor. */
const [one, two, three, mallory] = [newIdentity(), newIdentity(), newIdentity(), newIdentity()];
const [first, second] = [vouch(one, two, 1), vouch(two, three, 2)];

describe("attack 59: a chain of successor statements", () => {
  const leading: [string, Identity, Identity, SuccessorStatement[]][] = [
    ["one step", two, three, [second]],
    ["one step, with older ones behind it", two, three, [second, first]],
    ["two steps, for a client that missed one", one, three, [second, first]],
    ["one step, whatever stands behind the pin", two, three, [second, vouch(mallory, mallory, 9)]],
  ];
  it.each(leading)("leads to what is shown: %s", (_name, pin, shown, statements) => {
    expect(leadsTo(shown.fingerprint, { pin: pin.fingerprint, statements })).toBe(true);
  });

  const forged = { ...vouch(mallory, three, 1), from: one.spki };
  const refused: [string, Identity, Identity, SuccessorStatement[]][] = [
    ["nothing", one, two, []],
    ["the oldest first", one, three, [first, second]],
    ["a gap", one, three, [second]],
    ["another pin than any of it", mallory, three, [second, first]],
    ["another identity than it ends with", one, mallory, [second, first]],
    ["a link signed by somebody else", one, three, [{ ...second, signature: first.signature }, first]],
    ["a forged statement of the pinned key", one, three, [forged]],
    ["the attacker's own key vouching for itself", one, mallory, [vouch(mallory, mallory, 1)]],
    [
      "the attacker's key vouched for by itself, before a true chain",
      one,
      mallory,
      [vouch(mallory, mallory, 2), first],
    ],
    ["a jump in the sequence", one, three, [vouch(two, three, 3), first]],
    ["the same sequence twice", one, three, [vouch(two, three, 1), first]],
    ["a way back", three, one, [second, first]],
  ];
  it.each(refused)("does not, with %s", (_name, pin, shown, statements) => {
    expect(leadsTo(shown.fingerprint, { pin: pin.fingerprint, statements })).toBe(false);
  });

  it("is followed for as many steps as a server tells, and no further", () => {
    const identities = Array.from({ length: SUCCESSORS_MAX + 2 }, newIdentity);
    const statements = identities
      .slice(1)
      .map((to, index) => vouch(identities[index] as Identity, to, index + 1))
      .toReversed();
    const shown = (identities.at(-1) as Identity).fingerprint;
    const from = (index: number) => leadsTo(shown, { pin: (identities[index] as Identity).fingerprint, statements });
    expect([from(0), from(1)]).toEqual([false, true]);
  });
});
