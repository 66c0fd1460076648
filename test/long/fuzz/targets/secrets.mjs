import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { PosternError } from "@postern/shared/errors";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { must } from "../judge.mjs";
import { scratchDirectory } from "./scratch.mjs";

const dictionary = ["\n", "\r\n", "\r", "\ufeff", "\0", "\u0301", "x".repeat(1024), "x".repeat(70_000)];
const BOM = /^\ufeff/;

let file;

const secretFile = {
  name: "secret-file",
  codes: ["secret_file_invalid"],
  dictionary,
  seeds: [
    "secret",
    "secret\n",
    "secret\r\n",
    "\n",
    "",
    "\ufeffsecret\n",
    "x".repeat(1025),
    "two\nlines\n",
    "x".repeat(1023),
  ],
  maxLength: 70_000,
  async run(input) {
    file ??= join(scratchDirectory(), "secret");
    writeFileSync(file, input, { mode: 0o600 });
    const { secret, warning } = await readSecretFile(file, { stdin: undefined, env: {} });
    must(warning === undefined, "nobody else can read the file");
    must(secret !== "", "an empty secret is none");
    must(
      secret ===
        input
          .toString("utf8")
          .replace(/\r?\n$/, "")
          .replace(BOM, ""),
      "it is the file without its line end",
    );
  },
};

/** So many pieces at most: one byte at a time, a long line is copied for each of them. */
const MAX_PIECES = 512;

/** The first byte says how many bytes come at once. */
const stdinLines = {
  name: "stdin-lines",
  codes: ["secret_file_invalid"],
  dictionary,
  seeds: ["\x03password\n123456\n", "\x7fone\r\ntwo", "\x00\n\n", "\x07\ufeffa\nb"],
  maxLength: 70_000,
  async run(input) {
    const bytes = input.subarray(1);
    const size = Math.max(1 + (input[0] ?? 0) * 16, Math.ceil(bytes.length / MAX_PIECES));
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    const expected = bytes
      .toString("utf8")
      .split("\n")
      .map((line) => line.replace(/\r$/, "").replace(BOM, ""));
    if (bytes.length === 0 || bytes.at(-1) === 0x0a) expected.pop();
    const lines = new StdinLines(
      Readable.from(
        chunks.map((chunk) => Buffer.from(chunk)),
        { objectMode: false },
      ),
    );
    for (const line of expected) must((await lines.next()) === line, "each line comes as it was written");
    const end = await lines.next().catch((thrown) => thrown);
    must(end instanceof PosternError && end.code === "input_needed", "then comes the end");
  },
};

export const targets = [secretFile, stdinLines];
