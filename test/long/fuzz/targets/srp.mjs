import { PosternError } from "@postern/shared/errors";
import { group2048 } from "@postern/shared/srp/group";
import { parseProof, parsePublicValue, parseSalt, parseVerifier, toVerifier } from "@postern/shared/srp/parse";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const N = group2048.primeBytes.toString("hex");
const near = (difference) => (BigInt(`0x${N}`) + difference).toString(16);

const parsers = [
  { parse: parsePublicValue, code: "ephemeral_invalid", element: true },
  { parse: parseVerifier, code: "verifier_invalid", element: true },
  { parse: parseProof, code: "bad_request", element: false },
  { parse: parseSalt, code: "server_failed", element: false },
];

function isElement(hex) {
  const value = BigInt(`0x${hex}`);
  return value > 1n && value < BigInt(`0x${N}`) - 1n;
}

/** Whether a parser takes a text, which it then does in one spelling alone. */
function takes({ parse, code, element }, text) {
  try {
    must(parse(text).toString("hex") === text, "one value has one spelling");
    must(!element || isElement(text), "an element is between 1 and N-1");
    return true;
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === code) return false;
    throw thrown;
  }
}

/** What each parser of hex makes of the text, and that of kept verifiers of the bytes; each has a refusal of its own. */
const srpValues = {
  name: "srp-values",
  codes: ["verifier_invalid"],
  dictionary: ["-", "0x", "00", "ff", "F", "0".repeat(64), "0".repeat(512), N, near(-1n)],
  seeds: [
    "5a".repeat(256),
    "5a".repeat(32),
    "0".repeat(512),
    `${"0".repeat(511)}1`,
    `${"0".repeat(511)}2`,
    N,
    near(-1n),
    near(-2n),
    near(1n),
    "5A".repeat(32),
    `-${"5a".repeat(255)}5`,
    Buffer.alloc(256, 0x5a),
  ],
  maxLength: 1100,
  run(input) {
    const text = textOf(input);
    const taken = parsers.filter((parser) => takes(parser, text)).map(({ code }) => code);
    if (taken.length > 0) return taken.join();
    must(isElement(toVerifier(input).toString("hex")), "a kept verifier is an element");
  },
};

export const targets = [srpValues];
