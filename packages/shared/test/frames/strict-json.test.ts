import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { PosternError } from "../../src/errors.js";
import { MAX_DEPTH, parseStrictJson } from "../../src/frames/strict-json.js";

/** The parsed value, or undefined when it was refused with `bad_request`; any other throw fails the test. */
function outcome(line: string | Uint8Array): unknown {
  try {
    return parseStrictJson(typeof line === "string" ? Buffer.from(line) : line);
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "bad_request") return undefined;
    throw thrown;
  }
}

const nested = (depth: number, open = "[", close = "]") => `{"a":${open.repeat(depth - 1)}${close.repeat(depth - 1)}}`;

describe("attack 5: JSON that two parsers could read differently is refused without a crash", () => {
  it.each([
    ["an array 100,000 deep", `{"a":${"[".repeat(100_000)}`],
    ["the same, closed", nested(100_001)],
    ["objects 100,000 deep", '{"a":'.repeat(100_000)],
    ["an array 100,000 deep at the top", "[".repeat(100_000)],
    ["one level over the limit", nested(MAX_DEPTH + 1)],
    ["1e400", '{"a":1e400}'],
    ["an exponent", '{"a":1e3}'],
    ["a capital exponent", '{"a":1E0}'],
    ["a fraction", '{"a":1.5}'],
    ["a fraction of zero", '{"a":1.0}'],
    ["2^53+1", '{"a":9007199254740993}'],
    ["2^53", '{"a":9007199254740992}'],
    ["-2^53", '{"a":-9007199254740992}'],
    ["60,000 digits", `{"a":${"9".repeat(60_000)}}`],
    ["minus zero", '{"a":-0}'],
    ["a leading zero", '{"a":01}'],
    ["a plus sign", '{"a":+1}'],
    ["a lone minus", '{"a":-}'],
    ["hexadecimal", '{"a":0x10}'],
    ["Infinity", '{"a":Infinity}'],
    ["NaN", '{"a":NaN}'],
    ["a name twice", '{"a":1,"a":1}'],
    ["a name twice, once escaped", '{"a":1,"\\u0061":2}'],
    ["a name twice, deeper", '{"a":{"b":1,"c":[],"b":1}}'],
    ["__proto__", '{"__proto__":{"polluted":1}}'],
    ["__proto__, escaped", '{"\\u005f_proto__":{"polluted":1}}'],
    ["__proto__, deeper", '{"a":[{"__proto__":1}]}'],
    ["a lone high surrogate", '{"a":"\\ud83d"}'],
    ["a lone low surrogate", '{"a":"\\ude00"}'],
    ["surrogates in the wrong order", '{"a":"\\ude00\\ud83d"}'],
    ["a high surrogate before a plain character", '{"a":"\\ud83dx"}'],
    ["a high surrogate before another escape", '{"a":"\\ud83d\\u0041"}'],
    ["two low surrogates", '{"a":"\\ude00\\ude00"}'],
    ["two high surrogates", '{"a":"\\ud83d\\ud83d"}'],
    ["a lone surrogate in a name", '{"\\udfff":1}'],
    ["a byte order mark", '\ufeff{"a":1}'],
    ["a control character in a string", '{"a":"\u0001"}'],
    ["a tab in a string", '{"a":"\t"}'],
    ["an unknown escape", '{"a":"\\x41"}'],
    ["a short unicode escape", '{"a":"\\u041"}'],
    ["a capital U escape", '{"a":"\\U00000041"}'],
    ["a backslash at the end", '{"a":"\\'],
    ["a string without an end", '{"a":"b'],
    ["single quotes", "{'a':1}"],
    ["a name without quotes", "{a:1}"],
    ["a comma at the end of an object", '{"a":1,}'],
    ["a comma at the end of an array", '{"a":[1,]}'],
    ["a comma only", '{"a":[,]}'],
    ["no comma", '{"a":[1 2]}'],
    ["no colon", '{"a" 1}'],
    ["no value", '{"a":}'],
    ["a comment", '{"a":1}//'],
    ["a comment within", '{/**/"a":1}'],
    ["a half word", '{"a":tru}'],
    ["a capital word", '{"a":True}'],
    ["more behind the message", "{}{}"],
    ["a byte behind the message", "{}\0"],
    ["an object without an end", '{"a":1'],
    ["an array without an end", '{"a":[1}'],
    ["a carriage return", "{}\r"],
    ["a line end within", '{\n"a":1}'],
    ["a no-break space", '{\u00a0"a":1}'],
    ["nothing", ""],
    ["white space", "  "],
    ["an array at the top", "[]"],
    ["a string at the top", '"a"'],
    ["a number at the top", "1"],
    ["null at the top", "null"],
  ])("%s", (_, line) => {
    expect(outcome(line)).toBeUndefined();
  });

  it.each([
    ["a byte that begins nothing", [0xff]],
    ["a continuation byte alone", [0x80]],
    ["a cut sequence", [0xe2, 0x82]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["a surrogate in UTF-8", [0xed, 0xa0, 0xbd]],
    ["above U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ])("invalid UTF-8: %s", (_, bytes) => {
    expect(outcome(Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]))).toBeUndefined();
  });

  it("pollutes nothing, and answers no name that was not sent", () => {
    const value = parseStrictJson(Buffer.from('{"constructor":{"prototype":{"polluted":1}},"a":{}}'));
    expect(Object.keys(value)).toEqual(["constructor", "a"]);
    expect("polluted" in {}).toBe(false);
    expect((value as { a: { toString?: unknown } }).a.toString).toBeUndefined();
  });
});

describe("what is accepted", () => {
  it.each([
    ["the deepest allowed", nested(MAX_DEPTH), JSON.parse(nested(MAX_DEPTH))],
    ["as deep, after shallower neighbours", `{"b":[[]],"c":{},${nested(MAX_DEPTH).slice(1)}`, undefined],
    ["the greatest integers", '{"a":[9007199254740991,-9007199254740991,0]}', undefined],
    ["escapes", '{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00"}', { a: '"\\/\b\f\n\r\té€😀' }],
    ["raw characters beyond ASCII", '{"ключ":"\u007f\u2028\u2029😀"}', undefined],
    ["spaces and tabs", ' \t{ "a" : [ 1 , true , false , null ] }\t ', undefined],
    ["empty containers, strings and names", '{"":[],"a":{},"b":""}', undefined],
  ])("%s", (_, line, expected) => {
    expect(outcome(line)).toEqual(expected ?? JSON.parse(line));
  });

  it("reads only its own part of a larger buffer", () => {
    expect(parseStrictJson(Buffer.from('xx{"a":1}yy').subarray(2, 9))).toEqual({ a: 1 });
  });

  it("zod's strict objects take it", () => {
    const schema = z.strictObject({ code: z.string(), more: z.strictObject({ n: z.int() }) });
    expect(schema.safeParse(outcome('{"code":"1","more":{"n":1}}')).success).toBe(true);
    expect(schema.safeParse(outcome('{"code":"1","more":{"n":1,"x":2}}')).success).toBe(false);
  });
});

const scalars = [fc.string({ unit: "binary" }), fc.maxSafeInteger(), fc.boolean(), fc.constant(null)];
const names = fc.string({ unit: "binary" }).filter((name) => name !== "__proto__");
const message = fc.dictionary(names, fc.object({ key: names, values: scalars, maxDepth: MAX_DEPTH - 3 }));

describe("against JSON.parse", () => {
  it("gives back every value of integers, strings, booleans and null", () => {
    fc.assert(
      fc.property(message, (value) => {
        const text = JSON.stringify(value);
        expect(outcome(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it("whatever it accepts of damaged messages, JSON.parse reads the same", () => {
    let accepted = 0;
    const piece = fc.constantFrom(
      ...'{}[]",:\\u0-1e.9 \n',
      "true",
      "\\ud83d",
      "\\ude00",
      '"a":',
      "__proto__",
      "\ufeff",
    );
    const damage = fc.record({ at: fc.nat(), cut: fc.nat(3), piece });
    fc.assert(
      fc.property(message, fc.array(damage, { minLength: 1, maxLength: 4 }), (value, damages) => {
        let text = JSON.stringify(value);
        for (const { at, cut, piece } of damages) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + piece + text.slice(place + cut);
        }
        const line = Buffer.from(text);
        const read = outcome(line);
        if (read === undefined) return;
        accepted += 1;
        expect(read).toEqual(JSON.parse(line.toString()));
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it("arbitrary bytes and strings are refused or read the same", () => {
    let accepted = 0;
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.string({ unit: "binary" }).map((text) => Buffer.from(`{"a":"${text}"}`)),
      fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0123-eE+. tfn') }).map((text) => Buffer.from(`{"a":${text}}`)),
    );
    fc.assert(
      fc.property(bytes, (line) => {
        const read = outcome(line);
        if (read === undefined) return;
        accepted += 1;
        expect(read).toEqual(JSON.parse(Buffer.from(line).toString()));
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});
