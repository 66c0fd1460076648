import { errors, PosternError } from "@postern/shared/errors";
import { type Fingerprint, fingerprintOf } from "@postern/shared/fingerprint";
import { describe, expect, it } from "vitest";
import { decideTrust, type Trust, type TrustQuestion } from "../../src/trust/decide-trust.js";

const right = fingerprintOf(Buffer.from("the server"));
const wrong = fingerprintOf(Buffer.from("someone in between"));

const pinIt: Trust = { kind: "pin", fingerprint: right };
const ask: Trust = { kind: "ask", fingerprint: right };
const trusted: Trust = { kind: "trusted" };

/** Every combination of what is kept and what is given, against a server that shows `right`. */
const rules: readonly [
  pin: Fingerprint | undefined,
  fingerprintOption: Fingerprint | undefined,
  trustOnFirstUse: boolean,
  interactive: boolean,
  verdict: Trust | keyof typeof errors,
][] = [
  [undefined, undefined, false, false, "server_unknown"],
  [undefined, undefined, false, true, ask],
  [undefined, undefined, true, false, pinIt],
  [undefined, undefined, true, true, pinIt],
  [undefined, right, false, false, pinIt],
  [undefined, right, false, true, pinIt],
  [undefined, right, true, false, pinIt],
  [undefined, right, true, true, pinIt],
  [undefined, wrong, false, false, "server_fingerprint_mismatch"],
  [undefined, wrong, false, true, "server_fingerprint_mismatch"],
  [undefined, wrong, true, false, "server_fingerprint_mismatch"],
  [undefined, wrong, true, true, "server_fingerprint_mismatch"],
  ...[false, true].flatMap((trustOnFirstUse) =>
    [false, true].flatMap((interactive): (typeof rules)[number][] => [
      [right, undefined, trustOnFirstUse, interactive, trusted],
      [right, right, trustOnFirstUse, interactive, trusted],
      [right, wrong, trustOnFirstUse, interactive, "server_fingerprint_mismatch"],
      [wrong, undefined, trustOnFirstUse, interactive, "server_identity_changed"],
      [wrong, right, trustOnFirstUse, interactive, "server_identity_changed"],
      [wrong, wrong, trustOnFirstUse, interactive, "server_identity_changed"],
    ]),
  ),
];

function verdictOn(question: TrustQuestion): Trust | string {
  try {
    return decideTrust(question);
  } catch (error) {
    return error instanceof PosternError ? error.code : "another error";
  }
}

describe("attack 57: trust in a server", () => {
  const named = rules.map(([pin, fingerprintOption, trustOnFirstUse, interactive, verdict]) => ({
    pin,
    fingerprintOption,
    trustOnFirstUse,
    interactive,
    verdict,
    kept: pin === undefined ? "no pin" : pin === right ? "its pin" : "another pin",
    given: fingerprintOption === undefined ? "nothing" : fingerprintOption === right ? "its fingerprint" : "another",
  }));

  it("is decided for every combination", () => {
    expect(named).toHaveLength(3 * 3 * 2 * 2);
  });

  it.each(named)("with $kept, given $given, first use $trustOnFirstUse, terminal $interactive", (rule) => {
    const { pin, fingerprintOption, trustOnFirstUse, interactive, verdict } = rule;
    const question = { pin, shown: right, fingerprintOption, trustOnFirstUse, interactive };
    expect(verdictOn(question)).toEqual(verdict);
  });

  it("is refused with exit 4, whichever the reason", () => {
    for (const code of ["server_identity_changed", "server_fingerprint_mismatch", "server_unknown"] as const) {
      expect(errors[code].exit).toBe(4);
    }
  });

  it("tells the person both fingerprints of a change", () => {
    const question = { pin: right, shown: wrong, trustOnFirstUse: true, interactive: true };
    expect(() => decideTrust(question)).toThrow(expect.objectContaining({ detail: `${right} before, ${wrong} now` }));
  });
});
