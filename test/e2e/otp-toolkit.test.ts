import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseOtpauthUri } from "@postern/shared/otp/uri";
import { describe, expect, it } from "vitest";
import { exportUri } from "../support/authenticator-export.js";
import { onlyLine } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { newMachine } from "./caretaker.js";

const base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/** Writes each module that is asked for to the file of POSTERN_LOADED. */
const noteModules = `
import { register } from "node:module";
register("data:text/javascript," + encodeURIComponent(\`
  import { appendFileSync } from "node:fs";
  export async function load(url, context, next) {
    appendFileSync(process.env.POSTERN_LOADED, url + "\\\\n");
    return next(url, context);
  }
\`));
`;

/** Of what a file of a bundle was made: its paths stand in front of the modules. */
function modulesIn(url: string): string[] {
  if (!url.includes("/bundle/")) return [];
  return [...readFileSync(new URL(url), "utf8").matchAll(/^\/\/ (\S+\.[cm]?js)$/gm)].map(([, path = ""]) => path);
}

describe("the offline toolkit, as a program", () => {
  it("makes a secret, and codes of it that it verifies, from files and pipes alone", async () => {
    const machine = newMachine();
    const made = await machine.run("postern", ["otp", "secret", "--bytes", "32", "--encoding", "hex"]);
    machine.write("secret", made.stdout);
    const flags = ["--secret-file", "secret", "--encoding", "hex", "--digits", "10"];
    const { stdout: code } = await machine.run("postern", ["otp", "code", ...flags, "--watch", "--count", "1"]);
    expect(code).toMatch(/^\d{10}\n$/);
    const verified = await machine.run("postern", ["otp", "verify", ...flags, "--code", code.trim()]);
    expect(verified).toEqual({ code: 0, stdout: "Right.\n", stderr: "" });
  });

  it("turns an export into URIs, and one of these into a picture on stdout", async () => {
    const machine = newMachine();
    const text = exportUri({ entries: [{ secret: Buffer.from("12345678901234567890"), name: "Lab:bob", type: 1 }] });
    const imported = await machine.run("postern", ["otp", "import", "--file", "-"], { stdin: { text } });
    expect(imported.stdout).toBe(`otpauth://hotp/Lab:bob?issuer=Lab&secret=${base32}&counter=0\n`);
    const drawing = ["otp", "qr", "--uri-file", "-", "--svg", "-"];
    const { stdout } = await machine.run("postern", drawing, { stdin: { text: imported.stdout } });
    expect(stdout).toMatch(/^<svg .*<\/svg>\n$/);
    const cut = await machine.run("postern", ["otp", "import", "--file", "-", "--json"], {
      stdin: { text: text.slice(0, -30) },
    });
    expect([cut.code, onlyLine(cut.stdout)]).toEqual([
      2,
      { error: expect.objectContaining({ code: "export_invalid" }) },
    ]);
  });

  it("asks for an export unseen, and shows what is in it", async () => {
    const terminal = new Terminal(newMachine(), "postern", ["otp", "import"]);
    const entries = Array.from({ length: 10 }, (_, index) => ({ secret: Buffer.alloc(20, index), name: `a${index}` }));
    await terminal.answer("? otpauth URI or export", exportUri({ entries }));
    await terminal.shows("otpauth://totp/a9?secret=");
    expect((await terminal.left()).code).toBe(0);
    expect(terminal.history()).not.toContain("otpauth-migration");
  });

  it("shows codes as they come until Ctrl-C, which leaves none of them on the screen", async () => {
    const machine = newMachine();
    machine.write("secret", base32);
    const terminal = new Terminal(machine, "postern", ["otp", "code", "--secret-file", "secret", "--watch"]);
    const line = await terminal.shows(/^\d{3} \d{3} +\d{1,2} s$/);
    terminal.press("ctrl-c");
    expect(await terminal.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
    expect(terminal.history()).not.toContain(line.slice(0, 7));
    expect(terminal.history()).toContain("cancelled");
  });

  it("starts for a code without the weight of network, prompts, schemas and passwords", async () => {
    const machine = newMachine();
    machine.write("secret", base32);
    const loaded = join(machine.home, "loaded");
    writeFileSync(join(machine.home, "note.mjs"), noteModules);
    const env = { NODE_OPTIONS: `--import=${join(machine.home, "note.mjs")}`, POSTERN_LOADED: loaded };
    const { code } = await machine.run("postern", ["otp", "code", "--secret-file", "secret"], { env });
    expect(code).toBe(0);
    const files = readFileSync(loaded, "utf8").trim().split("\n");
    const modules = files.flatMap((url) => [url, ...modulesIn(url)]);
    expect(modules.filter((path) => path.endsWith("packages/client/dist/cli/otp/code.js"))).toHaveLength(1);
    const heavy =
      /node:(tls|https?|http2|dgram)$|\/(zod|inquirer|sodium-native|qrcode-terminal|@zxcvbn-ts)\/|\/dist\/(flows|connection|qr)\//;
    expect(modules.filter((path) => heavy.test(path))).toEqual([]);
  });

  it("prints URIs that a server here would take, by default", async () => {
    const { stdout } = await newMachine().run("postern", ["otp", "uri", "--secret-file", "-", "--account", "bob"], {
      stdin: { text: base32 },
    });
    expect(parseOtpauthUri(stdout.trim())).toMatchObject({ type: "totp", account: "bob", digits: 6, period: 30 });
  });
});
