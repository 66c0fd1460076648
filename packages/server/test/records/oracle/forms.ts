import fc from "fast-check";
import { z } from "zod";

/** A form of values said twice, in words that are not the records' own: what zod takes for one, and random ones. */
export interface Form {
  readonly schema: z.ZodType;
  readonly values: fc.Arbitrary<unknown>;
  /** Whether a field of this form may be missing. */
  readonly optional?: true;
}

/** No byte order mark: msgpackr swallows one at the beginning of a long text. */
const anyText = fc.string({ unit: "binary", maxLength: 90 }).filter((value) => !value.startsWith("\ufeff"));

export const text: Form = { schema: z.string(), values: anyText };
export const someText: Form = { schema: z.string().min(1), values: anyText.filter((value) => value !== "") };
/** Of a form; random ones are of the form `made`, which may be simpler. */
export const matching = (form: RegExp, made = form): Form => ({
  schema: z.string().regex(form),
  values: fc.stringMatching(made),
});
export const words = (...all: [string, ...string[]]): Form => ({
  schema: z.enum(all),
  values: fc.constantFrom(...all),
});
export const flag: Form = { schema: z.boolean(), values: fc.boolean() };
export const set: Form = { schema: z.literal(true), values: fc.constant(true) };
export const share: Form = { schema: z.number().min(0).max(1), values: fc.double({ min: 0, max: 1, noNaN: true }) };
export const anything: Form = {
  schema: z.unknown(),
  values: fc
    .json()
    .filter((value) => !value.includes("__proto__"))
    .map((value) => JSON.parse(value) as unknown),
};

export function bytes(length?: number): Form {
  const sized = length === undefined ? { maxLength: 300 } : { minLength: length, maxLength: length };
  return {
    schema: z.custom<Buffer>((value) => Buffer.isBuffer(value) && (length === undefined || value.length === length)),
    values: fc.uint8Array(sized).map((value) => Buffer.from(value)),
  };
}

/** Of every width that MessagePack has for them. */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Form {
  const widths = [0x10, 0x100, 0x10000, 2 ** 32, 2 ** 53 - 1].map((bound) =>
    fc.integer({ min: Math.max(min, -bound), max: Math.max(min, Math.min(max, bound)) }),
  );
  return { schema: z.number().int().min(min).max(max), values: fc.oneof(...widths) };
}
export const count = whole(0);
export const ordinal = whole(1);

export function list(form: Form, least = 0): Form {
  return {
    schema: z.array(form.schema).min(least),
    values: fc.array(form.values, { minLength: least, maxLength: 20, size: "medium" }),
  };
}

export function named(form: Form): Form {
  const names = anyText.filter((name) => name !== "__proto__");
  return {
    schema: z.record(z.string(), form.schema),
    values: fc.dictionary(names, form.values, { noNullPrototype: true, maxKeys: 4 }),
  };
}

export const optional = (form: Form): Form => ({
  schema: form.schema.optional(),
  values: form.values,
  optional: true,
});

/** It is there in what is written; older records lack it. */
export const withDefault = (form: Form, absent: unknown): Form => ({
  schema: form.schema.default(absent as never),
  values: form.values,
});

export type Forms = Readonly<Record<string, Form>>;

const schemasOf = (forms: Forms) =>
  Object.fromEntries(Object.entries(forms).map(([name, { schema }]) => [name, schema]));

export function record(forms: Forms): Form & { readonly schema: z.ZodObject } {
  const names = Object.keys(forms);
  const values = Object.fromEntries(names.map((name) => [name, forms[name]?.values ?? fc.constant(undefined)]));
  const requiredKeys = names.filter((name) => forms[name]?.optional !== true);
  const inOrder = (made: Record<string, unknown>) =>
    Object.fromEntries(names.filter((name) => name in made).map((name) => [name, made[name]]));
  return {
    schema: z.strictObject(schemasOf(forms)),
    values: fc.record(values, { requiredKeys, noNullPrototype: true }).map(inOrder),
  };
}

export const openRecord = (forms: Forms): Form => ({ ...record(forms), schema: z.object(schemasOf(forms)) });

export function either(...forms: readonly Form[]): Form {
  return {
    schema: z.union(forms.map(({ schema }) => schema)),
    values: fc.oneof(...forms.map(({ values }) => values)),
  };
}
