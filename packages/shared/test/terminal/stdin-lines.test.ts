import { PassThrough, Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../../src/errors.js";
import { MAX_LINE_BYTES, StdinLines } from "../../src/terminal/stdin-lines.js";

function linesOf(...chunks: readonly (string | Buffer)[]): StdinLines {
  return new StdinLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))));
}

describe("lines of standard input", () => {
  it("come one at a time, without LF or CRLF, the last one also without a line end", async () => {
    const lines = linesOf("password\n", "", "123456\r\n", "\n", "  last ");
    expect(await lines.next()).toBe("password");
    expect(await lines.next()).toBe("123456");
    expect(await lines.next()).toBe("");
    expect(await lines.next()).toBe("  last ");
    await expect(lines.next()).rejects.toMatchObject({ code: "input_needed" });
    await expect(lines.next()).rejects.toMatchObject({ code: "input_needed" });
  });

  it("are the same however the pipe cuts them, within characters too", async () => {
    const line = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !/[\r\n\ufeff]/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1 }), fc.integer({ min: 1, max: 7 }), async (texts, size) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
        const count = Math.ceil(bytes.length / size);
        const lines = linesOf(...Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size)));
        for (const text of texts) expect(await lines.next()).toBe(text);
      }),
    );
  });

  it("come as soon as their end is there, though the pipe stays open, which is then paused", async () => {
    const pipe = new PassThrough();
    const lines = new StdinLines(pipe);
    const first = lines.next();
    pipe.write("password\n");
    expect(await first).toBe("password");
    expect(pipe.isPaused()).toBe(true);
    const second = lines.next();
    pipe.write("12");
    pipe.write("3456\n");
    expect(await second).toBe("123456");
  });

  it("are input_needed where standard input was closed", async () => {
    await expect(linesOf().next()).rejects.toMatchObject({ code: "input_needed" });
    const closed = new PassThrough();
    closed.destroy();
    await expect(new StdinLines(closed).next()).rejects.toMatchObject({ code: "input_needed" });
  });

  it("may be as long as the bound and no longer; an endless one does not fill memory", async () => {
    expect(await linesOf(`${"x".repeat(MAX_LINE_BYTES)}\n`).next()).toHaveLength(MAX_LINE_BYTES);
    await expect(linesOf(`${"x".repeat(MAX_LINE_BYTES + 1)}\n`).next()).rejects.toMatchObject({
      code: "secret_file_invalid",
    });
    let given = 0;
    function* endless() {
      for (;;) {
        given++;
        yield Buffer.alloc(1024, "x");
      }
    }
    const lines = new StdinLines(Readable.from(endless(), { highWaterMark: 1 }));
    await expect(lines.next()).rejects.toMatchObject({ code: "secret_file_invalid" });
    expect(given * 1024).toBeLessThan(2 * MAX_LINE_BYTES);
  });

  it("are strict UTF-8", async () => {
    await expect(linesOf(Buffer.from([0x70, 0xff, 0x0a])).next()).rejects.toMatchObject({
      code: "secret_file_invalid",
    });
  });

  it("that cannot be read say so", async () => {
    const broken = new Readable({ read: () => void broken.destroy(new Error("EIO")) });
    await expect(new StdinLines(broken).next()).rejects.toMatchObject({ code: "file_unreadable" });
  });

  it("are waited for no longer once the signal fires", async () => {
    const pipe = new PassThrough();
    const connection = new AbortController();
    const code = new StdinLines(pipe).next(connection.signal);
    connection.abort(new PosternError("connection_lost"));
    await expect(code).rejects.toMatchObject({ code: "connection_lost" });
    expect(pipe.listenerCount("data")).toBe(0);
    await expect(new StdinLines(pipe).next(connection.signal)).rejects.toMatchObject({ code: "connection_lost" });
  });
});
