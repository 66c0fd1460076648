import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseForm } from "../../src/http/form.js";
import { isOfType } from "../../src/http/media-type.js";
import { expectCode } from "../barrier/support.js";

const parse = (text: string) => parseForm(Buffer.from(text));

describe("a form", () => {
  it("has the parameters that were given, decoded, without those that have no value", () => {
    expect(parse("token=a.b-c_d&audience=my+wiki%2b&empty=&none&%C3%A9=%E2%82%AC&&")).toEqual({
      token: "a.b-c_d",
      audience: "my wiki+",
      é: "€",
    });
    expect(parse("")).toEqual({});
    expect(parse("a=b=c")).toEqual({ a: "b=c" });
  });

  it("gives what any writer of forms has put into it", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(
      fc.property(fc.dictionary(name, name), (fields) => {
        expect(Object.entries(parse(new URLSearchParams(fields).toString()))).toEqual(Object.entries(fields));
      }),
    );
  });

  it("sets no prototype", () => {
    const parsed = parse("__proto__=x&constructor=y");
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
    expect(Object.keys(parsed)).toEqual(["__proto__", "constructor"]);
  });

  it.each([
    "a=1&a=2",
    "a=1&%61=2",
    "a&a",
    "a=%",
    "a=%4",
    "a=%zz",
    "a=%ff",
    "a=%c0%80",
    "a=%ed%a0%80",
    "a=é",
    "a=b c",
    "a=\0",
  ])("refuses %j", (text) => expectCode(() => parse(text), "bad_request"));
});

describe("a content type", () => {
  const form = "application/x-www-form-urlencoded";

  it.each([form, form.toUpperCase(), `${form}; charset=UTF-8`, `${form} ;\tcharset="utf-8" `])(
    "is a form's: %s",
    (type) => expect(isOfType(type, form)).toBe(true),
  );

  it.each([
    undefined,
    "",
    `${form}x`,
    `${form}, ${form}`,
    `${form};`,
    `${form}; charset=utf-16`,
    `${form}; boundary=x`,
  ])("is none: %s", (type) => expect(isOfType(type, form)).toBe(false));
});
