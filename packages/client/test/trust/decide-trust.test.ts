import { errors, PosternError } from "@postern/shared/errors";
import { type Fingerprint, fingerprintOf } from "@postern/shared/fingerprint";
import { describe, expect, it } from "vitest";
import { decideTrust, identityChanged, type Trust, type TrustQuestion } from "../../src/trust/decide-trust.js";

const right = fingerprintOf(Buffer.from("the server"));
const wrong = fingerprintOf(Buffer.from("someone in between"));

const pinIt: Trust = { kind: "pin", fingerprint: right };
const ask: Trust = { kind: "ask", fingerprint: right };
const trusted: Trust = { kind: "trusted" };
const succession: Trust = { kind: "succession", pin: wrong };

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
      [wrong, undefined, trustOnFirstUse, interactive, succession],
      [wrong, right, trustOnFirstUse, interactive, succession],
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

  const refusals = [
    "server_identity_changed",
    "server_identity_succeeded",
    "server_fingerprint_mismatch",
    "token_identity_mismatch",
    "server_unknown",
  ] as const;
  it("is refused with exit 4, whichever the reason", () => {
    for (const code of refusals) {
      expect(errors[code].exit).toBe(4);
    }
  });

  it("tells the person both fingerprints of a change", () => {
    expect(identityChanged(right, wrong)).toMatchObject({ detail: `${right} before, ${wrong} now` });
  });

  /** What a token says, with and without a pin and an option. */
  const byToken: readonly [
    pin: Fingerprint | undefined,
    fingerprintOption: Fingerprint | undefined,
    fingerprintOfToken: Fingerprint,
    verdict: Trust | keyof typeof errors,
  ][] = [
    [undefined, undefined, right, pinIt],
    [undefined, right, right, pinIt],
    [right, undefined, right, trusted],
    [wrong, undefined, right, succession],
    [undefined, undefined, wrong, "token_identity_mismatch"],
    [undefined, right, wrong, "token_identity_mismatch"],
    [right, undefined, wrong, "token_identity_mismatch"],
    [right, right, wrong, "token_identity_mismatch"],
    [undefined, wrong, right, "server_fingerprint_mismatch"],
    [right, wrong, right, "server_fingerprint_mismatch"],
    [wrong, undefined, wrong, "server_identity_changed"],
    [wrong, right, wrong, "server_identity_changed"],
  ];
  it.each(byToken)("with pin %s, option %s and token %s, whoever sits there", (...rule) => {
    const [pin, fingerprintOption, fingerprintOfToken, verdict] = rule;
    const known = { pin, shown: right, fingerprintOption, fingerprintOfToken };
    for (const trustOnFirstUse of [false, true]) {
      for (const interactive of [false, true]) {
        expect(verdictOn({ ...known, trustOnFirstUse, interactive })).toEqual(verdict);
      }
    }
  });
});
