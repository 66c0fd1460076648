import { isDeepStrictEqual } from "node:util";
import { parseConfig } from "../../../../packages/server/dist/cli/config/file.js";
import { must } from "../judge.mjs";

const keys = ["data", "init", "listen", "address-limits", "metrics", "registration", "drain", "log-level"];

/** What was taken, as `config show` writes it. */
const written = (settings) =>
  [...settings]
    .filter(([, { value }]) => value !== undefined)
    .map(([key, { value }]) => `${key} = ${JSON.stringify(value).replaceAll("\u007f", "\\u007f")}\n`)
    .join("");

const valuesOf = (settings) =>
  [...settings].filter(([, { value }]) => value !== undefined).map(([key, { value }]) => [key, value]);

const configFile = {
  name: "config-file",
  codes: ["config_invalid"],
  dictionary: [
    ...keys.map((key) => `${key} = `),
    '"',
    '"""',
    "'''",
    "[",
    "]",
    ", ",
    "true",
    "false",
    "#",
    "\n",
    "\\u0041",
  ],
  seeds: [
    'listen = "0.0.0.0:7465"\ninit = true\n',
    'address-limits = [\n  "10.0.0.0/8", # office\n  "::1/128",\n]\nregistration = "closed"\n',
    '# nothing\n\n"log-level" = \'debug\'\ndata = """\n/var\\\n  /lib"""\n',
    "[listen]\nx = 1979-05-27T07:32:00Z\n",
    "metrics = [1, [2], {a = 3}]\n",
  ],
  maxLength: 512,
  run(input) {
    const text = input.toString("utf8");
    const settings = parseConfig(text, "p.toml");
    const lines = text.split("\n").length;
    for (const { line } of settings.values()) must(line >= 1 && line <= lines, "a line is one of the file's");
    must(isDeepStrictEqual(valuesOf(parseConfig(written(settings), "p.toml")), valuesOf(settings)), "it is read back");
  },
};

export const targets = [configFile];
