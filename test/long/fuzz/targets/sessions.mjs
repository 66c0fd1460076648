import { formatSessionSecret, parseSessionSecret } from "@postern/shared/session-secret";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const sound = `pss_${"1a".repeat(16)}${"2b".repeat(16)}_${"3c".repeat(32)}`;

const sessionSecret = {
  name: "session-secret",
  codes: [],
  dictionary: ["pss_", "_", "1a".repeat(16), "2b".repeat(16), "3c".repeat(32), "__proto__"],
  seeds: [
    sound,
    `${sound.slice(0, -1)}0`,
    sound.toUpperCase(),
    `pss_${"0".repeat(64)}_${"0".repeat(64)}`,
    `${sound}\n`,
  ],
  maxLength: 400,
  run(input) {
    const text = textOf(input);
    const parsed = parseSessionSecret(text);
    if (parsed === undefined) return;
    must(formatSessionSecret(parsed) === text, "a secret has one spelling");
    must(parsed.secret.length === 32, "a secret has 32 bytes");
  },
};

export const targets = [sessionSecret];
