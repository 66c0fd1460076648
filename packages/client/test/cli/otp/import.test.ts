import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Entry, exportUri } from "../../../../../test/support/authenticator-export.js";
import { otpCodeCommand } from "../../../src/cli/otp/code.js";
import { otpImportCommand } from "../../../src/cli/otp/import.js";
import { Bench, type BenchOptions, base32, given, newFolder } from "./bench.js";

const EXAMPLE = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC";
const exampleUri = "otpauth://totp/Example:alice%40google.com?issuer=Example&secret=JBSWY3DPEHPK3PXP";
const bobUri = `otpauth://hotp/Lab:bob?issuer=Lab&secret=${base32}&digits=8&counter=7`;

const named = (name: string): Entry => ({ secret: Buffer.from("12345678901234567890"), name, issuer: "Lab", type: 2 });
const uriOf = (name: string) => `otpauth://totp/Lab:${name}?issuer=Lab&secret=${base32}`;
const part = (index: number, name: string, id = 77) => exportUri({ entries: [named(name)], size: 3, index, id });

async function imported(bench: Bench): Promise<Bench> {
  await otpImportCommand(bench.output, { ...given, file: "-" }, bench.host);
  return bench;
}

const benchOf = (lines: readonly string[], options: BenchOptions = {}) =>
  new Bench({ stdin: `${lines.join("\n")}\n`, ...options });

describe("`otp import`", () => {
  it("prints exports and URIs alike as otpauth URIs, in their order; empty lines and CRLF are nothing", async () => {
    const bench = benchOf([`${EXAMPLE}\r`, "", `  ${bobUri} `]);
    expect((await imported(bench)).lines).toEqual([exampleUri, bobUri]);
  });

  it("says under --json what each is", async () => {
    expect((await imported(benchOf([EXAMPLE, bobUri], { json: true }))).results).toEqual([
      {
        uri: exampleUri,
        type: "totp",
        issuer: "Example",
        account: "alice@google.com",
        secret: "JBSWY3DPEHPK3PXP",
        algorithm: "SHA1",
        digits: 6,
        period: 30,
      },
      {
        uri: bobUri,
        type: "hotp",
        issuer: "Lab",
        account: "bob",
        secret: base32,
        algorithm: "SHA1",
        digits: 8,
        counter: 7,
      },
    ]);
  });

  it("reads a file, and asks unseen for one where none was given", async () => {
    const file = join(newFolder(), "export");
    writeFileSync(file, EXAMPLE, { mode: 0o644 });
    const bench = new Bench();
    await otpImportCommand(bench.output, { ...given, file }, bench.host);
    expect(bench.lines).toEqual([exampleUri]);
    expect(bench.said).toContain("can be read by others");
    const asked = new Bench({ answers: [EXAMPLE] });
    await otpImportCommand(asked.output, given, asked.host);
    expect([asked.lines, asked.asked]).toEqual([[exampleUri], ["otpauth URI or export"]]);
  });

  it("prints what the other commands take: the code of an imported secret", async () => {
    const [uri = ""] = (await imported(benchOf([exportUri({ entries: [named("bob")] })]))).lines;
    const bench = new Bench({ stdin: uri });
    await otpCodeCommand(bench.output, { ...given, uriFile: "-" }, bench.host);
    expect(bench.lines).toEqual(["287082"]);
  });

  it("prints what the other commands take: the longest names that there are", async () => {
    const name = "\u{1f511}".repeat(32);
    const entry = { ...named(name), issuer: name, secret: Buffer.alloc(128, 1) };
    const [uri = ""] = (await imported(benchOf([exportUri({ entries: [entry] })]))).lines;
    expect(uri.length).toBeGreaterThan(1024);
    const bench = new Bench({ stdin: uri });
    await otpCodeCommand(bench.output, { ...given, uriFile: "-" }, bench.host);
    expect(bench.lines).toEqual([expect.stringMatching(/^\d{6}$/)]);
  });

  it("leaves out what only another program knows, and takes its digits and periods as they are", async () => {
    const foreign = `otpauth://totp/Bank:me?secret=GE&issuer=Bank&digits=10&period=86400&image=x&codeDisplay=%7B%7D`;
    expect((await imported(benchOf([foreign]))).lines).toEqual([
      "otpauth://totp/Bank:me?issuer=Bank&secret=GE&digits=10&period=86400",
    ]);
  });

  it("attack 61: shows a terminal no control sequence, however names are written", async () => {
    const sly = "otpauth://totp/a?secret=GE&issuer=%E2%80%AE%F0%9F%94%91";
    const bench = await imported(benchOf([sly, exportUri({ entries: [named("\u202e\u200bx")] })]));
    expect(bench.stdout.text).toMatch(/^[ -~\n]+$/);
  });

  it("takes the parts of an export in any order, and one that is there twice once", async () => {
    const bench = await imported(benchOf([part(2, "c"), part(0, "a"), part(2, "c"), part(1, "b"), EXAMPLE, EXAMPLE]));
    expect(bench.lines).toEqual([uriOf("c"), uriOf("a"), uriOf("b"), exampleUri]);
  });

  it("says which parts are missing, behind what is there", async () => {
    const bench = benchOf([part(1, "b"), part(0, "x", -5), part(2, "y", -5), EXAMPLE]);
    await expect(imported(bench)).rejects.toMatchObject({
      code: "export_incomplete",
      exit: 1,
      detail: "of 3 parts, 1, 3 are missing; of 3 parts, 2 is missing",
    });
    expect(bench.lines).toEqual([uriOf("b"), uriOf("x"), uriOf("y"), exampleUri]);
  });

  it.each([
    ["what is neither", ["hello"], "otp_invalid", "line 3"],
    ["a bare secret", [base32], "otp_invalid", "line 3"],
    ["a URI with two secrets", [`${bobUri}&secret=GE`], "otp_invalid", "line 3"],
    ["a URI with a hidden second secret", [`${bobUri}&%73ecret=GE`], "otp_invalid", "line 3"],
    ["an export that is cut", [EXAMPLE.slice(0, -8)], "export_invalid", "line 3: its data is damaged or cut short"],
    [
      "an entry that is none",
      [exportUri({ entries: [named("a"), { ...named("b"), algorithm: 4 }] })],
      "export_invalid",
      "line 3: entry 2: its hash is none that codes use",
    ],
    [
      "two parts in one place",
      [part(0, "a"), part(0, "b")],
      "export_invalid",
      "line 4: it contradicts another part of the same export",
    ],
    [
      "parts of different sizes",
      [part(0, "a"), exportUri({ entries: [named("b")], size: 2, index: 1, id: 77 })],
      "export_invalid",
      "line 4: it contradicts another part of the same export",
    ],
  ] as const)("refuses %s with its line, and prints nothing", async (_, lines, code, detail) => {
    const bench = benchOf([EXAMPLE, "", ...lines]);
    await expect(imported(bench)).rejects.toMatchObject({ code, exit: 2, detail });
    expect(bench.lines).toEqual([]);
  });

  it("refuses nothing at all, and more than 64 KiB", async () => {
    await expect(imported(new Bench({ stdin: "" }))).rejects.toMatchObject({ code: "input_needed" });
    await expect(imported(benchOf(["", " "]))).rejects.toMatchObject({ code: "otp_invalid" });
    const many = Array<string>(1000).fill(bobUri);
    await expect(imported(benchOf(many))).rejects.toMatchObject({ code: "secret_file_invalid" });
    const file = join(newFolder(), "many");
    writeFileSync(file, many.join("\n"), { mode: 0o600 });
    const bench = new Bench();
    const importing = otpImportCommand(bench.output, { ...given, file }, bench.host);
    await expect(importing).rejects.toMatchObject({ code: "secret_file_invalid" });
  });

  it("never says what was in a line that it refuses", async () => {
    const secretive = `otpauth://totp/a?secret=${base32}&digits=99`;
    const failure = (await imported(benchOf([secretive])).catch((error: unknown) => error)) as Error;
    expect(`${failure.message} ${failure.stack}`).not.toContain(base32);
  });
});
