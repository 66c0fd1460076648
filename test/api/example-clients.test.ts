import { execFile, spawnSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { transformSync } from "@swc/core";
import { expect, it } from "vitest";
import { currentIdentity } from "../../packages/server/src/services/server-identity.js";
import { root } from "../docs/pages.js";
import { apiKey, call } from "../support/api.js";
import { Clock, newStore, startInProcess, type TestStore, temporaryDirectory } from "../support/in-process.js";

const run = promisify(execFile);

const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) console.warn("no python3 is installed: docs/examples/postern_client.py is not run");

/** The clients compute codes by the real clock. */
class RunningClock extends Clock {
  override readonly now = (): number => Date.now();
}

const printed = `one-time code: valid
code by time: valid
the same again: replayed
code by counter: invalid
two in a row: valid
the next one: valid
a second one: credential_exists
`;

const inNode = ["node", "client.mjs"];
const inPython = ["python3", join(root, "docs/examples/postern_client.py")];
const programs = hasPython ? [inNode, inPython] : [inNode];

const certificateOf = async ({ barrier, clock }: TestStore) => {
  const { identity } = await currentIdentity(barrier, { now: clock.now, random: randomBytes }, ["localhost"]);
  return new X509Certificate(identity.certificateDer).toString();
};

it("the example clients get through what they show, trust one certificate alone, and leave nothing behind", async () => {
  const folder = await temporaryDirectory();
  const store = await newStore({ clock: new RunningClock() });
  const server = await startInProcess(store, { http: true });
  const { text: key } = await apiKey(server.context, ["otp", "totp", "hotp"]);
  const files = {
    "ca.pem": await certificateOf(store),
    "other.pem": await certificateOf(await newStore()),
    "shop.key": `${key}\n`,
    "client.mjs": javascriptOf("docs/examples/postern-client.ts"),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const origin = `https://127.0.0.1:${server.running.http?.port}`;
  for (const [program = "", ...args] of programs) {
    const started = (ca: string) => run(program, [...args, origin, ca, "shop.key"], { cwd: folder });
    expect((await started("ca.pem")).stdout, program).toBe(printed);
    await expect(started("other.pem")).rejects.toMatchObject({
      stdout: "",
      stderr: expect.stringMatching(/certificate/i),
    });
  }
  for (const kind of ["otp", "totp", "hotp"]) {
    expect((await call(server, `/v1/${kind}`, { key })).body, kind).toEqual({ items: [], damaged: [] });
  }
});

function javascriptOf(path: string): string {
  const options = { jsc: { parser: { syntax: "typescript" }, target: "es2022" } } as const;
  return transformSync(readFileSync(join(root, path), "utf8"), options).code;
}
