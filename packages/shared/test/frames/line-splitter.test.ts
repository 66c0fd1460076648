import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { PosternError } from "../../src/errors.js";
import { LineSplitter } from "../../src/frames/line-splitter.js";
import { lineLimits } from "../../src/messages.js";

const texts = (lines: Buffer[]) => lines.map((line) => line.toString("latin1"));

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof PosternError) return thrown.code;
    throw thrown;
  }
  return "accepted";
}

afterEach(() => vi.restoreAllMocks());

describe("the limits", () => {
  it("are 4 KiB before authentication and 64 KiB after", () => {
    expect(lineLimits).toEqual({ unauthenticated: 4096, authenticated: 65536 });
  });

  it("a line of exactly the limit passes, whole or in pieces, and its end is not counted", () => {
    const line = Buffer.alloc(10, "x");
    const end = Buffer.from("\n");
    expect(texts(new LineSplitter(10).push(Buffer.concat([line, end])))).toEqual(["xxxxxxxxxx"]);
    const pieces = new LineSplitter(10);
    expect(pieces.push(line)).toEqual([]);
    expect(pieces.pending).toBe(10);
    expect(texts(pieces.push(end))).toEqual(["xxxxxxxxxx"]);
    expect(pieces.pending).toBe(0);
  });

  it("setLimit lets longer lines through from the unfinished one on", () => {
    const splitter = new LineSplitter(4);
    splitter.push(Buffer.from("abcd"));
    splitter.setLimit(8);
    expect(texts(splitter.push(Buffer.from("efgh\nx")))).toEqual(["abcdefgh"]);
    splitter.setLimit(0);
    expect(refusalOf(() => splitter.push(Buffer.from("\n")))).toBe("line_too_long");
  });
});

describe("attack 1: a line longer than the cap, or never ended", () => {
  it.each([
    ["complete, in one piece", [`${"x".repeat(11)}\n`]],
    ["complete, in two pieces", ["xxxxxx", "xxxxx\n"]],
    ["behind a good line", [`good\n${"x".repeat(11)}`]],
    ["without an end", ["x".repeat(10), "x"]],
  ])("is refused: %s", (_, pieces) => {
    const splitter = new LineSplitter(10);
    expect(refusalOf(() => pieces.map((piece) => splitter.push(Buffer.from(piece))))).toBe("line_too_long");
  });

  it("is refused at the first byte too many, one byte at a time", () => {
    const splitter = new LineSplitter(lineLimits.unauthenticated);
    const byte = Buffer.from("x");
    for (let sent = 0; sent < lineLimits.unauthenticated; sent += 1) splitter.push(byte);
    expect(splitter.pending).toBe(lineLimits.unauthenticated);
    expect(refusalOf(() => splitter.push(byte))).toBe("line_too_long");
  });

  it("holds nothing afterwards and goes on refusing, also a good line", () => {
    const splitter = new LineSplitter(10);
    expect(refusalOf(() => splitter.push(Buffer.alloc(1 << 20, "x")))).toBe("line_too_long");
    expect(splitter.pending).toBe(0);
    expect(refusalOf(() => splitter.push(Buffer.from("{}\n")))).toBe("line_too_long");
    expect(refusalOf(() => splitter.push(Buffer.alloc(0)))).toBe("line_too_long");
  });
});

describe("attack 2: one byte at a time, several requests in one packet", () => {
  it("64 KiB byte by byte copies each byte at most about once more, so that the work is not quadratic", () => {
    const allocate = vi.spyOn(Buffer, "allocUnsafe");
    const splitter = new LineSplitter(lineLimits.authenticated);
    const line = Buffer.from(Array.from({ length: lineLimits.authenticated }, (_, at) => 32 + (at % 90)));
    let early = 0;
    for (const byte of line) early += splitter.push(Buffer.of(byte)).length;
    expect(early).toBe(0);
    const [whole] = splitter.push(Buffer.from("\n"));
    expect(whole?.equals(line)).toBe(true);
    const allocated = allocate.mock.calls.reduce((sum, [size]) => sum + size, 0);
    expect(allocated).toBeLessThanOrEqual(2 * lineLimits.authenticated);
  });

  it("hands out every line of a packet, so that the caller sees that a peer did not wait", () => {
    const splitter = new LineSplitter(100);
    expect(texts(splitter.push(Buffer.from('{"id":1}\n{"id":2}\n{"id"')))).toEqual(['{"id":1}', '{"id":2}']);
    expect(splitter.pending).toBe(5);
  });

  it("hands out empty lines, and leaves a carriage return to the parser, which refuses both", () => {
    expect(texts(new LineSplitter(100).push(Buffer.from("\n{}\r\n\n")))).toEqual(["", "{}\r", ""]);
  });

  it("lines that were handed out do not change when later bytes come", () => {
    const splitter = new LineSplitter(100);
    splitter.push(Buffer.from("fir"));
    const [first] = splitter.push(Buffer.from("st\n"));
    splitter.push(Buffer.from("sec"));
    splitter.push(Buffer.from("ond\n"));
    expect(first?.toString()).toBe("first");
  });

  it("any cut of a stream into pieces gives the same lines", () => {
    const bytes = fc.array(fc.oneof(fc.constant(0x0a), fc.nat(255)), { maxLength: 300 });
    fc.assert(
      fc.property(bytes, fc.array(fc.integer({ min: 0, max: 40 })), (stream, sizes) => {
        const whole = Buffer.from(stream);
        const splitter = new LineSplitter(1000);
        const lines: Buffer[] = [];
        let at = 0;
        for (const size of sizes) {
          lines.push(...splitter.push(whole.subarray(at, at + size)));
          at += size;
        }
        lines.push(...splitter.push(whole.subarray(at)));
        const expected = whole.toString("latin1").split("\n");
        const unfinished = expected.pop() ?? "";
        expect(texts(lines)).toEqual(expected);
        expect(splitter.pending).toBe(unfinished.length);
      }),
    );
  });
});
