import fc from "fast-check";

/** What a schema of the API's document describes, as values: right ones, and ones that are wrong in one place. */

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

export interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly description?: string; readonly content?: Readonly<Record<string, unknown>> }>
  >;
  readonly security?: readonly object[];
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export function routesOf({ paths }: ApiDocument): Route[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** What a parser, a store or a terminal may stumble over, wherever it stands. */
const strange = fc.constantFrom<unknown>(
  null,
  true,
  -1,
  0,
  2 ** 53 - 1,
  "",
  "\u0000",
  "\u202e\u001b]52;c;\u0007",
  "１２３４５６",
  "a".repeat(5_000),
  "😀".repeat(200),
  "constructor",
  "../../etc/passwd",
  [],
  [[[[[[]]]]]],
  {},
  { constructor: { prototype: null } },
);

/** Values of a schema. */
export function valuesOf(document: ApiDocument, schema: Schema): fc.Arbitrary<unknown> {
  const of = (inner: Schema) => valuesOf(document, inner);
  if (schema.$ref !== undefined) return of(resolved(document, schema.$ref));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const any = schema.anyOf ?? schema.oneOf;
  if (any !== undefined) return fc.oneof(...any.map(of));
  const types = [schema.type ?? []].flat();
  if (types.length > 1) return fc.oneof(...types.map((type) => of({ ...schema, type })));
  switch (types[0]) {
    case "string":
      return textsOf(schema);
    case "integer":
    case "number":
      return fc.integer({
        min: schema.minimum ?? (schema.exclusiveMinimum ?? -1001) + 1,
        max: Math.min(schema.maximum ?? 1_000_000, Number.MAX_SAFE_INTEGER),
      });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(of(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: schema.maxItems ?? 5 });
    case "object":
      return objectsOf(document, schema);
    default:
      return strange;
  }
}

function textsOf({ pattern, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  const unit = fc.constantFrom("grapheme", "grapheme-ascii", "binary" as const);
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return unit.chain((of) => fc.string({ unit: of, minLength, maxLength: Math.min(maxLength, 200) }));
}

function objectsOf(document: ApiDocument, { properties = {}, required = [] }: Schema): fc.Arbitrary<object> {
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, inner]) => [name, valuesOf(document, inner)]),
  );
  return fc.record(members, { requiredKeys: [...required] });
}

/** The same with one place of it wrong: a member that is strange, missing or not known; or strange altogether. */
export function faultyValuesOf(document: ApiDocument, schema: Schema): fc.Arbitrary<unknown> {
  const right = valuesOf(document, schema);
  const changed = fc.tuple(right, strange, fc.nat(), fc.nat(2)).map(([value, odd, at, how]) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return odd;
    const names = Object.keys(value);
    const name = how === 0 || names.length === 0 ? "member_that_is_not_known" : (names[at % names.length] as string);
    const { [name]: _gone, ...rest } = value as Record<string, unknown>;
    return how === 1 ? rest : { ...rest, [name]: odd };
  });
  return fc.oneof({ weight: 4, arbitrary: changed }, { weight: 1, arbitrary: strange });
}

function resolved({ components }: ApiDocument, ref: string): Schema {
  const found = components?.schemas?.[ref.slice("#/components/schemas/".length)];
  if (found === undefined) throw new Error(`${ref} is not in the document`);
  return found;
}
