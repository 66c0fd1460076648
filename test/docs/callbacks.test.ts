import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { secretText, signatureOf } from "../../packages/server/src/services/challenges/webhook.js";
import { temporaryDirectory } from "../support/in-process.js";
import { page } from "./pages.js";

const { text } = page("docs/operations.md");

/** The program of that language in the section on callbacks. */
function programIn(language: string): string {
  const section = text.slice(text.indexOf("\n## Callbacks\n"), text.indexOf("\n## A lost password\n"));
  return section.split(`\`\`\`${language}\n`)[1]?.split("```")[0] ?? "";
}

const secret = randomBytes(32);
const body = '{"type":"challenge.answered","data":{"subject":"Zoë"}}';
const id = "chl_98d1dd218dfc64ab6b2e768ae1eed249";
const timestamp = 1_795_241_730;
const good = {
  secret: secretText(secret),
  headers: {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatureOf(secret, { id, timestamp, body }),
  },
  body,
  now: timestamp + 10,
};
type Message = typeof good;

/** What a receiver must tell apart. */
const cases: readonly [string, Message, boolean][] = [
  ["a message of ours", good, true],
  ["one of two signatures", withHeader("webhook-signature", `v1,AAAA ${good.headers["webhook-signature"]}`), true],
  ["another body", { ...good, body: `${body} ` }, false],
  ["another id", withHeader("webhook-id", "chl_0"), false],
  ["another time", withHeader("webhook-timestamp", String(timestamp + 1)), false],
  ["another secret", { ...good, secret: secretText(randomBytes(32)) }, false],
  ["no signature", withHeader("webhook-signature", ""), false],
  ["an old one", { ...good, now: timestamp + 301 }, false],
];

function withHeader(name: keyof Message["headers"], value: string): Message {
  return { ...good, headers: { ...good.headers, [name]: value } };
}

describe("the receivers of docs/operations.md take what is ours, and nothing else", () => {
  it.each(cases)("in Node: %s", async (_name, message, taken) => {
    const path = join(await temporaryDirectory(), "receiver.mjs");
    writeFileSync(path, programIn("js"));
    const { verified } = await import(pathToFileURL(path).href);
    expect(verified(message.secret, message.headers, Buffer.from(message.body), message.now)).toBe(taken);
  });

  const python = spawnSync("python3", ["--version"]).status === 0;
  if (!python) console.info("python3 is not installed: the example in Python is not run");

  it.runIf(python)("in Python: all of them", async () => {
    const path = join(await temporaryDirectory(), "receiver.py");
    const run = [
      "import json, sys",
      "for m in json.load(sys.stdin):",
      '    print(verified(m["secret"], m["headers"], m["body"].encode(), m["now"]))',
    ];
    writeFileSync(path, `${programIn("python")}\n${run.join("\n")}\n`);
    const input = JSON.stringify(cases.map(([, message]) => message));
    const said = execFileSync("python3", [path], { input, encoding: "utf8" }).trim().split("\n");
    expect(said).toEqual(cases.map(([, , taken]) => (taken ? "True" : "False")));
  });
});
