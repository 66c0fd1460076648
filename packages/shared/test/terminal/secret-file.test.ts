import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { MAX_SECRET_BYTES, readSecretFile, readSecretLines } from "../../src/terminal/secret-file.js";
import { StdinLines } from "../../src/terminal/stdin-lines.js";

const folder = mkdtempSync(join(tmpdir(), "postern-secret-"));
afterAll(() => rmSync(folder, { recursive: true }));

const nowhere = { stdin: undefined, env: {} };
let files = 0;

function fileOf(content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, `secret-${files++}`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function stdinOf(text: string): { stdin: StdinLines; env: NodeJS.ProcessEnv } {
  return { stdin: new StdinLines(Readable.from([Buffer.from(text)])), env: {} };
}

describe("a secret file", () => {
  it.each([
    ["without a line end", "hunter2", "hunter2"],
    ["with one LF, which is dropped", "hunter2\n", "hunter2"],
    ["with one CRLF, which is dropped", "hunter2\r\n", "hunter2"],
    ["with two LF, of which one is dropped", "hunter2\n\n", "hunter2\n"],
    ["with spaces, which belong to it", " hunter2 \n", " hunter2 "],
    ["that begins with a byte order mark, which is dropped", "\ufeffhunter2\n", "hunter2"],
    ["beyond ASCII", "пароль密码\n", "пароль密码"],
    ["as long as may be", `${"x".repeat(MAX_SECRET_BYTES)}\r\n`, "x".repeat(MAX_SECRET_BYTES)],
  ])("is read %s", async (_, content, secret) => {
    expect(await readSecretFile(fileOf(content), nowhere)).toEqual({ secret });
  });

  it.each([
    ["is empty", ""],
    ["has nothing but a line end", "\n"],
    ["has nothing but a byte order mark", "\ufeff"],
    ["has nothing but a byte order mark and a line end", "\ufeff\r\n"],
    ["is one byte too long", "x".repeat(MAX_SECRET_BYTES + 1)],
    ["is larger than what is read at all", "x".repeat(1024 * 1024)],
    ["is not UTF-8", Uint8Array.of(0x70, 0xe9, 0x0a)],
  ])("is refused when it %s", async (_, content) => {
    await expect(readSecretFile(fileOf(content), nowhere)).rejects.toMatchObject({ code: "secret_file_invalid" });
  });

  it("that is endless is refused, not read to its end", async () => {
    await expect(readSecretFile("/dev/zero", nowhere)).rejects.toMatchObject({ code: "secret_file_invalid" });
  });

  it("that is missing, or a folder, is named in the error", async () => {
    const missing = join(folder, "missing");
    await expect(readSecretFile(missing, nowhere)).rejects.toMatchObject({ code: "file_unreadable", detail: missing });
    await expect(readSecretFile(folder, nowhere)).rejects.toMatchObject({ code: "file_unreadable", detail: folder });
  });

  it("may be a FIFO, as process substitution gives, written in pieces", async () => {
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", ["-m", "644", fifo]);
    const writer = spawn("sh", ["-c", '(printf hun; printf "ter2\\n") > "$1"', "sh", fifo]);
    expect(await readSecretFile(fifo, nowhere)).toEqual({ secret: "hunter2" });
    writer.kill();
  });

  it.each([0o640, 0o604, 0o644])("that others may read (%i) is used, with a warning", async (mode) => {
    const path = fileOf("hunter2\n", mode);
    const warning = `${path} can be read by others than its owner: chmod 600 it`;
    expect(await readSecretFile(path, nowhere)).toEqual({ secret: "hunter2", warning });
  });

  it("of systemd's credentials gives no warning: more than the mode guards it", async () => {
    const path = fileOf("hunter2\n", 0o440);
    const env = { CREDENTIALS_DIRECTORY: folder };
    expect(await readSecretFile(path, { stdin: undefined, env })).toEqual({ secret: "hunter2" });
  });
});

describe("the secret file -", () => {
  it("takes one line of standard input and leaves the next one for the code", async () => {
    const sources = stdinOf("hunter2\n123456\n");
    expect(await readSecretFile("-", sources)).toEqual({ secret: "hunter2" });
    expect(await sources.stdin.next()).toBe("123456");
  });

  it("needs a line", async () => {
    await expect(readSecretFile("-", stdinOf(""))).rejects.toMatchObject({ code: "input_needed" });
    await expect(readSecretFile("-", stdinOf("\n"))).rejects.toMatchObject({ code: "secret_file_invalid" });
    const long = "x".repeat(MAX_SECRET_BYTES + 1);
    await expect(readSecretFile("-", stdinOf(long))).rejects.toMatchObject({ code: "secret_file_invalid" });
  });

  it("is refused on a terminal, which would show what is typed", async () => {
    await expect(readSecretFile("-", nowhere)).rejects.toMatchObject({ code: "usage" });
  });
});

describe("secrets, one a line", () => {
  const text = "one\n\ntwo\n";

  it("are those of a file, or of all of standard input, empty lines among them", async () => {
    expect(await readSecretLines(fileOf(text), nowhere)).toEqual({ secret: "one\n\ntwo" });
    expect(await readSecretLines("-", stdinOf(text))).toEqual({ secret: "one\n\ntwo" });
    expect((await readSecretLines(fileOf(text, 0o644), nowhere)).warning).toContain("chmod 600");
  });

  it("are 64 KiB at most, wherever they come from", async () => {
    const most = "x".repeat(64 * 1024 - 1);
    expect((await readSecretLines(fileOf(most), nowhere)).secret).toHaveLength(most.length);
    expect((await readSecretLines("-", stdinOf(most))).secret).toHaveLength(most.length);
    const refused = { code: "secret_file_invalid" };
    await expect(readSecretLines(fileOf(`${most}xx`), nowhere)).rejects.toMatchObject(refused);
    await expect(readSecretLines("-", stdinOf(`${most}\n\n`))).rejects.toMatchObject(refused);
    await expect(readSecretLines("/dev/zero", nowhere)).rejects.toMatchObject(refused);
  });

  it("need one line, and no terminal", async () => {
    await expect(readSecretLines("-", stdinOf(""))).rejects.toMatchObject({ code: "input_needed" });
    await expect(readSecretLines("-", nowhere)).rejects.toMatchObject({ code: "usage" });
  });
});
