import { isUtf8 } from "node:buffer";
import { PosternError } from "../errors.js";

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
/** Has no prototype when it comes from a peer: a name that was not sent is absent, `constructor` too. */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** The message itself is the first level. */
export const MAX_DEPTH = 8;

/** RFC 8259 section 7, `unescaped`: all but the quote, the backslash and the controls below 0x20. */
const UNESCAPED = /[ !#-[\]-\uffff]*/y;
/** Everything else. */
const ESCAPED = /[^ !#-[\]-\uffff]/;
/** RFC 8259 section 6 without fraction and exponent. */
const INTEGER = /-?(?:0|[1-9][0-9]*)/y;
const HEX4 = /[0-9A-Fa-f]{4}/y;

const escapes: ReadonlyMap<string, string> = new Map(
  Object.entries({ '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }),
);

/**
 * Parses one message: a JSON object (RFC 8259) of which no two parsers can disagree. Anything else throws
 * `bad_request`:
 *
 * - invalid UTF-8, a byte order mark, half of a surrogate pair, also as a `\u` escape;
 * - a name twice in one object, or the name `__proto__`;
 * - nesting deeper than `maxDepth`;
 * - numbers that are not integers of at most 2^53-1 either side, written plainly: no fraction, exponent or `-0`;
 * - white space other than space and tab (a line ends with `\n` alone, never `\r\n`), unless `lines` are allowed;
 * - anything but an object at the top, or any byte behind it.
 */
export function parseStrictJson(
  line: Uint8Array,
  { maxDepth = MAX_DEPTH, lines = false }: Strictness = {},
): JsonObject {
  if (!isUtf8(line)) throw refusal("not UTF-8");
  const bytes = Buffer.isBuffer(line) ? line : Buffer.from(line.buffer, line.byteOffset, line.byteLength);
  return new Reader(bytes.toString("utf8"), maxDepth, lines).message();
}

export interface Strictness {
  readonly maxDepth?: number;
  /** Whether the text may be of several lines, as a body of HTTP may. */
  readonly lines?: boolean;
}

function refusal(detail: string): PosternError {
  return new PosternError("bad_request", { detail });
}

/** Recursive descent over one text; `#at` is the next character. The depth bounds the recursion. */
class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #lines: boolean;
  #at = 0;
  #depth = 0;

  constructor(text: string, maxDepth: number, lines: boolean) {
    this.#text = text;
    this.#maxDepth = maxDepth;
    this.#lines = lines;
  }

  message(): JsonObject {
    if (this.#peek() !== "{") throw refusal("not an object");
    const value = this.#object();
    if (this.#peek() !== undefined) throw refusal("more after the message");
    return value;
  }

  #value(): JsonValue {
    switch (this.#peek()) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#integer();
    }
  }

  #object(): JsonObject {
    const object: Record<string, JsonValue> = Object.create(null);
    this.#enter();
    if (this.#skip("}")) return this.#leave(object);
    do {
      if (this.#peek() !== '"') throw refusal("a name was expected");
      const name = this.#string();
      if (name === "__proto__") throw refusal("the name __proto__");
      if (name in object) throw refusal("a name twice");
      if (!this.#skip(":")) throw refusal("a colon was expected");
      object[name] = this.#value();
    } while (this.#skip(","));
    if (!this.#skip("}")) throw refusal("an object without an end");
    return this.#leave(object);
  }

  #array(): JsonValue[] {
    const array: JsonValue[] = [];
    this.#enter();
    if (this.#skip("]")) return this.#leave(array);
    do array.push(this.#value());
    while (this.#skip(","));
    if (!this.#skip("]")) throw refusal("an array without an end");
    return this.#leave(array);
  }

  #enter(): void {
    this.#depth += 1;
    if (this.#depth > this.#maxDepth) throw refusal("nested too deep");
    this.#at += 1;
  }

  #leave<T>(value: T): T {
    this.#depth -= 1;
    return value;
  }

  /** Most strings are as they stand, and end at the next quote. */
  #string(): string {
    const start = this.#at + 1;
    const end = this.#text.indexOf('"', start);
    const value = this.#text.slice(start, end);
    if (end === -1 || ESCAPED.test(value)) return this.#escapedString();
    this.#at = end + 1;
    return value;
  }

  #escapedString(): string {
    this.#at += 1;
    let value = this.#match(UNESCAPED);
    while (this.#text[this.#at] === "\\") {
      this.#at += 1;
      value += this.#escape() + this.#match(UNESCAPED);
    }
    if (this.#text[this.#at] !== '"') throw refusal("a string without an end, or a control character in it");
    this.#at += 1;
    return value;
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? "";
    this.#at += 1;
    if (letter === "u") return this.#unicodeEscape();
    const character = escapes.get(letter);
    if (character === undefined) throw refusal("an unknown escape");
    return character;
  }

  /** The text is valid UTF-8, so an escaped half can only be completed by the escape right behind it. */
  #unicodeEscape(): string {
    const first = this.#hex4();
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first);
    if (first > 0xdbff || !this.#text.startsWith("\\u", this.#at)) throw refusal("half of a surrogate pair");
    this.#at += 2;
    const second = this.#hex4();
    if (second < 0xdc00 || second > 0xdfff) throw refusal("half of a surrogate pair");
    return String.fromCharCode(first, second);
  }

  #hex4(): number {
    const digits = this.#match(HEX4);
    if (digits === "") throw refusal("four hexadecimal digits were expected");
    return Number.parseInt(digits, 16);
  }

  #integer(): number {
    const digits = this.#match(INTEGER);
    if (digits === "") throw refusal("a value was expected");
    const value = Number(digits);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw refusal("a number that is no safe integer");
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw refusal("a value was expected");
    this.#at += word.length;
    return value;
  }

  /** What `pattern` (sticky) matches from here on; empty, and no step forward, when it does not. */
  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return "";
    const start = this.#at;
    this.#at = pattern.lastIndex;
    return this.#text.slice(start, this.#at);
  }

  /** The next character behind white space; undefined at the end. */
  #peek(): string | undefined {
    let next = this.#text[this.#at];
    while (next === " " || next === "\t" || (this.#lines && (next === "\n" || next === "\r"))) {
      this.#at += 1;
      next = this.#text[this.#at];
    }
    return next;
  }

  #skip(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }
}
