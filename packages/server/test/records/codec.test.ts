import { isDeepStrictEqual } from "node:util";
import { PosternError } from "@postern/shared/errors";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../src/barrier/barrier.js";
import { type RecordForm, recordForms } from "./oracle/records.js";
import { pack } from "./support.js";

/**
 * Records are read and written by code of their own. What they are is said a second time in oracle/, in zod, and
 * msgpackr packs and unpacks it: neither of the two has a part in that code.
 */
const packr = new Packr({ useRecords: false, mapsAsObjects: true });

type Fields = Readonly<Record<string, unknown>>;
type Outcome = { record: unknown } | "store_damaged" | "store_future";

const without = (fields: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));

/** Random records of a form, what is padded among the rest. */
function valuesOf({ fields, inner }: RecordForm): fc.Arbitrary<Fields> {
  const outer = fields.values as fc.Arbitrary<Fields>;
  if (inner === undefined) return outer;
  const within = inner.form.values as fc.Arbitrary<Fields>;
  return fc.tuple(outer, within).map(([head, rest]) => ({ ...without(head, [inner.field]), ...rest }));
}

/** The bytes of a record by msgpackr, with its fields as they stand in it. */
function packed({ format, inner }: RecordForm, value: Fields): Buffer {
  if (inner === undefined) return pack([format, value]);
  const names = Object.keys(inner.form.schema.shape);
  const fields = pack(
    without(
      value,
      Object.keys(value).filter((name) => !names.includes(name)),
    ),
  );
  const padded = Buffer.alloc(Math.ceil((4 + fields.length) / inner.block) * inner.block);
  padded.writeUInt32BE(fields.length);
  fields.copy(padded, 4);
  return pack([format, { ...without(value, names), [inner.field]: padded }]);
}

/** What msgpackr and zod make of bytes. */
function judged({ format, fields, inner }: RecordForm, bytes: Buffer): Outcome {
  const [found, outer] = unpacked(bytes, (value) => Array.isArray(value) && value.length === 2) as [unknown, unknown];
  if (!Number.isSafeInteger(found)) return "store_damaged";
  if ((found as number) > format) return "store_future";
  const parsed = fields.schema.safeParse(found === format ? outer : undefined);
  if (!parsed.success) return "store_damaged";
  if (inner === undefined) return { record: parsed.data };
  const { [inner.field]: padded, ...head } = parsed.data as Record<string, Buffer>;
  const length = padded === undefined || padded.length < 4 ? -1 : padded.readUInt32BE(0);
  if (padded === undefined || length < 0 || 4 + length > padded.length) return "store_damaged";
  const details = inner.form.schema.safeParse(unpacked(padded.subarray(4, 4 + length)));
  return details.success ? { record: { ...head, ...details.data } } : "store_damaged";
}

function unpacked(bytes: Buffer, is: (value: unknown) => boolean = () => true): unknown {
  try {
    const value: unknown = packr.unpack(bytes);
    return is(value) ? value : [];
  } catch {
    return [];
  }
}

/** What the records' own code makes of them. */
async function read({ read }: RecordForm, bytes: Buffer): Promise<Outcome> {
  const entry = { key: Buffer.alloc(33), value: bytes };
  const tx: SealedReadTransaction = {
    get: async () => bytes,
    scan: async () => [entry],
    keys: async () => [entry.key],
  };
  try {
    const record = await read(tx);
    return record === undefined || record === "damaged" ? "store_damaged" : { record };
  } catch (thrown) {
    if (thrown instanceof PosternError && (thrown.code === "store_damaged" || thrown.code === "store_future"))
      return thrown.code;
    throw thrown;
  }
}

async function written({ write }: RecordForm, value: Fields): Promise<Buffer | undefined> {
  const puts: Uint8Array[] = [];
  const nothing = async () => [];
  const tx: SealedWriteTransaction = {
    get: async () => undefined,
    scan: nothing,
    keys: nothing,
    put: async (_key, plaintext) => void puts.push(plaintext),
    delete: async () => undefined,
    afterCommit: () => undefined,
  };
  await write(tx, value as never);
  const last = puts.at(-1);
  return last && Buffer.from(last);
}

const shuffled = (value: unknown, seed: number): unknown => {
  if (Array.isArray(value)) return value.map((one) => shuffled(one, seed));
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return value;
  const members = Object.entries(value).map(([name, one]) => [name, shuffled(one, seed)] as const);
  const at = members.length === 0 ? 0 : seed % members.length;
  return Object.fromEntries([...members.slice(at), ...members.slice(0, at)].reverse());
};

/** One byte other than it was, one more, or fewer; or a name that comes once more. */
const damages: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => (bytes: Buffer) => {
    const damaged = Buffer.from(bytes);
    const place = at % Math.min(bytes.length, 1024);
    damaged.writeUInt8(damaged.readUInt8(place) ^ mask, place);
    return damaged;
  }),
  fc.nat().map((at) => (bytes: Buffer) => bytes.subarray(0, at % bytes.length)),
  fc.tuple(fc.nat(), fc.nat(255)).map(([at, byte]) => (bytes: Buffer) => {
    const place = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, place), Buffer.of(byte), bytes.subarray(place)]);
  }),
);

describe.each(recordForms.map((form) => ({ name: form.name, form })))("the record $name", ({ form }) => {
  it("has the bytes that msgpackr gives it", async () => {
    await fc.assert(
      fc.asyncProperty(valuesOf(form), async (value) => {
        const bytes = await written(form, value);
        if (Object.keys(value).length === 0) expect(bytes).toBeDefined();
        else expect(bytes?.toString("hex")).toBe(packed(form, value).toString("hex"));
      }),
      { numRuns: 40 },
    );
  });

  it("is read as zod parses it, with its fields in any order", async () => {
    await fc.assert(
      fc.asyncProperty(valuesOf(form), fc.nat(20), async (value, seed) => {
        const bytes = packed(form, shuffled(value, seed) as Fields);
        const outcome = await read(form, bytes);
        expect(outcome).toStrictEqual(judged(form, bytes));
        expect(outcome).toStrictEqual({ record: value });
      }),
      { numRuns: 40 },
    );
  });

  it("with a byte that is another, missing or too many is what zod parses, or damaged", async () => {
    await fc.assert(
      fc.asyncProperty(valuesOf(form), fc.array(damages, { minLength: 1, maxLength: 30 }), async (value, changes) => {
        const sound = packed(form, value);
        for (const change of changes) {
          const bytes = change(sound);
          const outcome = await read(form, bytes);
          if (outcome !== "store_damaged" && !isDeepStrictEqual(outcome, judged(form, bytes)))
            expect.fail(`${bytes.toString("hex")} is read`);
        }
      }),
      { numRuns: 20 },
    );
  });
});
