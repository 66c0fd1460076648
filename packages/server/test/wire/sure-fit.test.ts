import { type Method, methods } from "@postern/shared/messages";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { everyMethod, fittingParams } from "../../../../test/support/fitting-params.js";
import { sureFit } from "../../src/wire/sure-fit.js";

const fits = Object.fromEntries(everyMethod.map((method) => [method, sureFit(methods[method].params)]));

/** Whatever is sure is what zod takes, and gives back as it is. */
function expectHonest(schema: z.ZodType, value: unknown, sure: boolean): void {
  if (sure) expect(schema.safeParse(value)).toEqual({ success: true, data: value });
}

describe("the short way of a schema", () => {
  it.each(everyMethod)("is sure of what a client sends: %s", (method) => {
    expect(fits[method]?.(fittingParams[method])).toBe(true);
    expect(fits[method]?.(Object.assign(Object.create(null), fittingParams[method]))).toBe(true);
  });

  const H = (digits: number) => "0f".repeat(digits / 2);
  const member = fc.oneof(
    fc.constantFrom<unknown>(undefined, null, true, {}, [], "", "a", "totp", "SHA1", -0, Number.NaN, 1e300, "a\n"),
    fc.constantFrom(...[32, 63, 64, 65, 512].map((digits) => H(digits - (digits % 2)) + "0".repeat(digits % 2))),
    fc.constantFrom(H(64).toUpperCase(), `${H(64)}\n`, `acc_${H(32)}`, `ses_${H(32)}`, `dev_${H(32)}`, `fac_${H(32)}`),
    fc.integer({ min: -2, max: 125 }),
    fc.double(),
    fc.nat({ max: 70 }).map((units) => "x".repeat(units)),
    fc.nat({ max: 140 }).map((points) => "\u{1f600}".repeat(points)),
    fc.array(fc.constantFrom<unknown>("a", "", 1, null, "x".repeat(33), "\u{1f600}".repeat(20)), { maxLength: 34 }),
    fc.record({ generation: fc.oneof(fc.integer(), fc.double()), verifier: fc.constantFrom(H(512), H(510)) }),
    fc.record({ device: fc.constant(`dev_${H(32)}`), mac: fc.constantFrom(H(64), H(62)) }, { requiredKeys: ["mac"] }),
  );
  const names = [...new Set(everyMethod.flatMap((method) => Object.keys(methods[method].params.shape)))];
  const changes = fc.dictionary(fc.constantFrom(...names, "constructor", "toString", "more"), member, { maxKeys: 3 });

  it("is sure of nothing that zod refuses, or would change", () => {
    let sureOnes = 0;
    fc.assert(
      fc.property(fc.constantFrom<Method>(...everyMethod), changes, (method, changed) => {
        const value = { ...fittingParams[method], ...changed };
        const sure = fits[method]?.(value) ?? false;
        if (sure) sureOnes += 1;
        expectHonest(methods[method].params, value, sure);
      }),
      { numRuns: 5000 },
    );
    expect(sureOnes).toBeGreaterThan(100);
  });

  it.each<[string, z.ZodType, unknown]>([
    ["transformed", z.string().transform((text) => text.length), "a"],
    ["refined", z.string().refine((text) => text !== "a"), "a"],
    ["trimmed", z.string().trim(), " a"],
    ["coerced", z.coerce.number(), 1],
    ["a format", z.email(), "a"],
    ["an integer by its own kind", z.int(), 1.5],
    ["of another format", z.string().startsWith("b"), "a"],
    ["a pattern with a state", z.string().regex(/a/g), "a"],
    ["a default", z.string().default("a"), "a"],
    ["a union", z.union([z.string(), z.number()]), "a"],
    ["a refined object", z.strictObject({ a: z.string() }).refine(() => false), { a: "a" }],
    [
      "optional and refined",
      z.strictObject({
        a: z
          .string()
          .optional()
          .refine(() => false),
      }),
      { a: "a" },
    ],
    ["a multiple", z.number().multipleOf(2), 3],
  ])("is never sure of a part that it does not know: %s", (_, schema, value) => {
    expect(sureFit(schema)(value)).toBe(false);
  });

  it("is not sure of a name that is only inherited, nor of one too many, where a lenient schema drops it", () => {
    const lenient = z.object({ a: z.string().optional() });
    expect(sureFit(lenient)({ a: "a" })).toBe(true);
    expect(sureFit(lenient)({ b: "b" })).toBe(false);
    expect(sureFit(z.strictObject({ a: z.string() }))(Object.create({ a: "a" }))).toBe(false);
    expect(sureFit(lenient)(Object.assign(Object.create({ a: "a" }), { b: "b" }))).toBe(false);
    expect(sureFit(z.strictObject({}))([])).toBe(false);
  });
});
