import { displayWidth, escapeForTerminal } from "@postern/shared/escape";
import { MAX_NAME_BYTES, parseName } from "@postern/shared/names/name";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const name = {
  name: "name",
  codes: ["name_invalid"],
  dictionary: [
    "\uff21",
    "\u00c5",
    "A\u030a",
    "\u0391\u03a3",
    "\u05d0\u05b7",
    "\u0627\u0644",
    "\u0e01\u0e33",
    "\uac00",
    "\u1100\u1161",
    "\u30ab\u3099",
    "@",
    ".",
    "-",
  ],
  seeds: [
    "alice",
    "Alice.B_c-d@example.org",
    "\uff21\uff4c\uff49\uff43\uff45",
    "\u0416\u0443\u043a",
    "\u5f20\u4f1f",
    "\u05d3\u05d5\u05d3",
    "\u0633\u0644\u0645\u0649",
    "\uff8e\uff9f",
    "\u09ac\u09be\u0982\u09b2\u09be",
    "Nu\u0308rnberg",
    "\u1e9e",
    "a".repeat(64),
  ],
  maxLength: 400,
  run(input) {
    const identity = parseName(textOf(input));
    must(parseName(identity) === identity, "an identity is the name of itself");
    must(parseName(identity.normalize("NFD")) === identity, "the same text decomposed is the same name");
    must(Buffer.byteLength(identity) <= MAX_NAME_BYTES, "it has 64 bytes at most");
    must(!/[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u.test(identity), "it has nothing that cannot be seen");
    must(escapeForTerminal(identity) === identity, "it needs no escapes");
  },
};

/** What an escaped text stands for: the escapes are the only backslashes in it. */
function unescaped(shown) {
  return shown.replaceAll(/\\(?:\\|x([0-9a-f]{2})|u\{([0-9a-f]+)\})/g, (_escape, byte, point) => {
    const hex = byte ?? point;
    return hex === undefined ? "\\" : String.fromCodePoint(Number.parseInt(hex, 16));
  });
}

const escaping = {
  name: "escape",
  codes: [],
  dictionary: [
    "\u001b]52;c;",
    "\u001b[2J",
    "\u009b",
    "\\x1b",
    "\\u{202e}",
    "\\",
    "\u0301\u0301\u0301\u0301\u0301",
    "\u{1f468}\u200d\u{1f469}",
    "\u{1f1e9}\u{1f1ea}",
  ],
  seeds: [
    "plain",
    "\u001b]0;title\u0007",
    "a\\b\r\n\u2028\u202e",
    "\u6f22\u5b57\uff21",
    "e\u0301\u0302\u0303\u0304\u0305",
    "\u1112\u1161\u11ab",
  ],
  maxLength: 1024,
  run(input) {
    const text = textOf(input);
    const shown = escapeForTerminal(text);
    must(
      !/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(shown),
      "no control or hidden character is shown",
    );
    must(unescaped(shown) === text, "nothing is lost, and no two texts look the same");
    for (const max of [1, 2, 7, 80]) {
      const fitted = escapeForTerminal(text, { max });
      must(displayWidth(fitted) <= max, "it fits");
      must(
        fitted === shown || (fitted.endsWith("\u2026") && shown.startsWith(fitted.slice(0, -1))),
        "it is the beginning",
      );
    }
  },
};

export const targets = [name, escaping];
