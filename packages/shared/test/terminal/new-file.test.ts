import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { describe, expect, it, onTestFinished } from "vitest";
import { writeNewFile, writeToStream } from "../../src/terminal/new-file.js";

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-file-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function* pieces(...texts: string[]): AsyncGenerator<string> {
  yield* texts;
}

async function* failing(): AsyncGenerator<string> {
  yield "half of it\n";
  throw new Error("the source failed");
}

describe("a new file", () => {
  it("is whole, for its owner only, and alone in its directory", async () => {
    const directory = newDirectory();
    const path = join(directory, "log");
    await writeNewFile(path, pieces("a\n", "b\n"), false);
    expect(readFileSync(path, "utf8")).toBe("a\nb\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["log"]);
  });

  it("never takes the place of one that is there, unless it is told to", async () => {
    const path = join(newDirectory(), "log");
    writeFileSync(path, "old", { mode: 0o644 });
    await expect(writeNewFile(path, pieces("new"), false)).rejects.toMatchObject({ code: "file_unwritable" });
    expect(readFileSync(path, "utf8")).toBe("old");
    await writeNewFile(path, pieces("new"), true);
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("of two that are written there at once, is one of them, whole, and the other is refused", async () => {
    const directory = newDirectory();
    const path = join(directory, "log");
    const outcomes = await Promise.allSettled(["a", "b"].map((text) => writeNewFile(path, pieces(text), false)));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(readdirSync(directory)).toEqual(["log"]);
    expect(readFileSync(path, "utf8")).toMatch(/^[ab]$/);
  });

  it("that cannot be written to its end is not there, and what was there stays", async () => {
    const directory = newDirectory();
    const path = join(directory, "log");
    await expect(writeNewFile(path, failing(), false)).rejects.toThrow("the source failed");
    expect(readdirSync(directory)).toEqual([]);
    writeFileSync(path, "old");
    await expect(writeNewFile(path, failing(), true)).rejects.toThrow("the source failed");
    expect([readdirSync(directory), readFileSync(path, "utf8")]).toEqual([["log"], "old"]);
  });

  it("replaces no directory, device or link, and none is made where there is no directory", async () => {
    const directory = newDirectory();
    const link = join(directory, "link");
    writeFileSync(join(directory, "target"), "old");
    symlinkSync(join(directory, "target"), link);
    for (const path of [link, directory, "/dev/null", join(directory, "no", "log"), `${join(directory, "no")}/`]) {
      await expect(writeNewFile(path, pieces("new"), true)).rejects.toMatchObject({ code: "file_unwritable" });
    }
    expect(readFileSync(join(directory, "target"), "utf8")).toBe("old");
    expect(readdirSync(directory).sort()).toEqual(["link", "target"]);
  });
});

describe("a stream", () => {
  it("that is read slowly holds back what is written", async () => {
    const stream = new PassThrough({ highWaterMark: 4 });
    let made = 0;
    const source = async function* () {
      for (; made < 100; made++) yield "12345678";
    };
    const writing = writeToStream(stream, source());
    await new Promise((resolve) => setImmediate(resolve));
    expect(made).toBeLessThan(5);
    stream.resume();
    await writing;
    expect(made).toBe(100);
  });

  it("whose reader goes away ends the writing without a complaint", async () => {
    let made = 0;
    const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    stream.on("error", () => undefined);
    const source = async function* () {
      for (; made < 100; made++) yield "12345678";
    };
    await writeToStream(stream, source());
    expect(made).toBeLessThan(5);
  });
});
