import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeSecretAs } from "@postern/shared/otp/secret-encodings";
import { describe, expect, it } from "vitest";
import { decodePng, rasterizeSvg } from "../../../../../test/support/pictures.js";
import { readers } from "../../../../../test/support/qr-readers.js";
import { otpQrCommand, otpUriCommand, type QrOptions } from "../../../src/cli/otp/provision.js";
import { otpSecretCommand, type SecretOptions } from "../../../src/cli/otp/secret.js";
import { drawQr } from "../../../src/terminal/qr.js";
import { Bench, type BenchOptions, base32, given, newFolder, secretFile } from "./bench.js";

const uri = `otpauth://totp/Postern:bob?issuer=Postern&secret=${base32}`;

async function secret(options: SecretOptions): Promise<string> {
  const bench = new Bench();
  await otpSecretCommand(bench.output, options);
  return bench.lines.join();
}

async function qr(options: Partial<QrOptions>, surroundings: BenchOptions = {}): Promise<Bench> {
  const bench = new Bench(surroundings);
  await otpQrCommand(bench.output, { ...given, secretFile: secretFile(), account: "bob", ...options }, bench.host);
  return bench;
}

describe("P4: `otp secret` makes a random secret", () => {
  it("as long as the hash, or as it is told, in each encoding", async () => {
    for (const [options, bytes] of [
      [{}, 20],
      [{ algorithm: "SHA512" }, 64],
      [{ bytes: "16" }, 16],
      [{ bytes: "128", algorithm: "SHA1" }, 128],
    ] as const) {
      for (const encoding of ["base32", "hex", "base64"] as const) {
        const text = await secret({ ...options, encoding });
        expect(decodeSecretAs(text, encoding)).toHaveLength(bytes);
        expect(text).not.toBe(await secret({ ...options, encoding }));
      }
    }
  });

  it.each(["15", "129", "0x20", ""])("not of %s bytes", async (bytes) => {
    await expect(secret({ bytes })).rejects.toMatchObject({ code: "usage" });
  });
});

describe("P4: `otp uri` has name and issuer", () => {
  it.each([
    [{ account: "bob", issuer: "Lab" }, `otpauth://totp/Lab:bob?issuer=Lab&secret=${base32}`],
    [{ type: "hotp", account: "bob" }, `otpauth://hotp/Postern:bob?issuer=Postern&secret=${base32}&counter=0`],
    [
      { type: "hotp", counter: "9", digits: "10", algorithm: "SHA256", account: "a?secret=X&issuer=Y" },
      `otpauth://hotp/Postern:a%3Fsecret%3DX%26issuer%3DY?issuer=Postern&secret=${base32}&algorithm=SHA256&digits=10&counter=9`,
    ],
  ] as const)("%o", async (options, expected) => {
    const bench = new Bench({ json: true });
    await otpUriCommand(bench.output, { ...given, secretFile: secretFile(), ...options }, bench.host);
    expect(bench.results).toEqual([{ uri: expected }]);
  });
});

describe("P4: `otp qr` draws that URI", () => {
  it("on the terminal, and gives URI and secret under --json", async () => {
    expect((await qr({})).stdout.text).toContain(drawQr(uri));
    expect((await qr({}, { json: true })).results).toEqual([{ uri, secret: base32 }]);
  });

  it.each(readers)("into files that %s reads, and only their owner", async (_, read) => {
    const folder = newFolder();
    const [png, svg] = [join(folder, "bob.png"), join(folder, "bob.svg")];
    const { results } = await qr({ png, svg }, { json: true });
    expect(results).toEqual([{ png, svg }]);
    expect(read(decodePng(readFileSync(png)))).toBe(uri);
    expect(read(rasterizeSvg(readFileSync(svg, "utf8"), 4))).toBe(uri);
    for (const file of [png, svg]) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("never over a file that is there, unless it is told to; before anybody types a secret", async () => {
    const png = join(newFolder(), "bob.png");
    writeFileSync(png, "old");
    const bench = new Bench({ answers: [base32] });
    await expect(otpQrCommand(bench.output, { ...given, png }, bench.host)).rejects.toMatchObject({
      code: "file_unwritable",
    });
    expect(bench.asked).toEqual([]);
    expect(readFileSync(png, "utf8")).toBe("old");
    expect((await qr({ png, force: true })).lines).toEqual([`Written to ${png}.`]);
    expect(decodePng(readFileSync(png)).width).toBeGreaterThan(0);
  });

  it("to stdout with -, and nothing else there", async () => {
    const svg = await qr({ svg: "-" }, { isTTY: true });
    expect(svg.stdout.text).toMatch(/^<svg [^\n]*<\/svg>\n$/);
    expect((await qr({ png: "-" })).stdout.text.slice(1, 4)).toBe("PNG");
  });

  it.each([
    ["a PNG on a terminal", { png: "-" }, { isTTY: true }],
    ["two pictures on stdout", { png: "-", svg: "-" }, {}],
    ["a picture among JSON", { svg: "-" }, { json: true }],
    ["both in one file", { png: "/tmp/x", svg: "/tmp/x" }, {}],
  ] as const)("refuses %s", async (_, options, surroundings) => {
    await expect(qr(options, surroundings)).rejects.toMatchObject({ code: "usage" });
  });
});
