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
function judged({ format, fields, inner, formerAlike }: RecordForm, bytes: Buffer): Outcome {
  const [found, outer] = unpacked(bytes, (value) => Array.isArray(value) && value.length === 2) as [unknown, unknown];
  if (!Number.isSafeInteger(found)) return "store_damaged";
  if ((found as number) > format) return "store_future";
  const isRead = found === format || (found === format - 1 && formerAlike);
  const parsed = fields.schema.safeParse(isRead ? outer : undefined);
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

const formOf = (name: string): RecordForm => {
  const form = recordForms.find((one) => one.name === name);
  if (form === undefined) throw new Error(`there is no ${name}`);
  return form;
};

const nat = (value: number) => pack(value);
const map = (...members: Buffer[]) => Buffer.concat([Buffer.of(0xde, 0, members.length), ...members]);
const member = (name: string, value: Buffer) => Buffer.concat([pack(name), value]);
const settingsOf = (...members: Buffer[]) => Buffer.concat([Buffer.of(0x92, 1), map(...members)]);
const settings = (value: Buffer) => settingsOf(member("node", pack("nod_1")), member("createdAt", value));
const hex = (text: string) => Buffer.from(text, "hex");
const leaf = { privateKey: hex("03"), certificate: hex("04") };

describe("a record's bytes", () => {
  const form = formOf("settings");

  it.each([
    ["a byte", "07", 7],
    ["8 bits", "cc07", 7],
    ["16 bits", "cd0007", 7],
    ["32 bits", "ce00000007", 7],
    ["8 bits with a sign", "d007", 7],
    ["16 bits with a sign", "d10007", 7],
    ["32 bits with a sign", "d200000007", 7],
    ["a float of 32 bits", "ca40e00000", 7],
    ["a float of 64 bits", "cb401c000000000000", 7],
    ["a float beyond 32 bits", "cb4279d8fb12c00000", 1_776_232_246_272],
  ])("may have an integer as %s", async (_how, value, expected) => {
    expect(await read(form, settings(hex(value)))).toEqual({ record: { node: "nod_1", createdAt: expected } });
  });

  it.each([
    ["64 bits", "cf0000000000000007"],
    ["64 bits with a sign", "d30000000000000007"],
    ["a fraction", "cb401c800000000000"],
    ["no number", "cb7ff8000000000000"],
    ["an infinite one", "cb7ff0000000000000"],
    ["one that is not safe", "cb4340000000000001"],
    ["a negative one", "ff"],
    ["nil", "c0"],
    ["what stands for undefined", "d40000"],
    ["a text", "a137"],
    ["an array with it", "9107"],
    ["an extension", "d6ff00000007"],
  ])("do not have an integer as %s", async (_how, value) => {
    expect(await read(form, settings(hex(value)))).toBe("store_damaged");
  });

  it("do not have a field twice, be it the same one", async () => {
    const node = member("node", pack("nod_1"));
    const createdAt = member("createdAt", nat(7));
    expect(await read(form, settingsOf(node, createdAt))).toEqual({ record: { node: "nod_1", createdAt: 7 } });
    expect(await read(form, settingsOf(node, createdAt, createdAt))).toBe("store_damaged");
    expect(await read(form, settingsOf(node, node, createdAt))).toBe("store_damaged");
    const note = member("note", hex("d40000"));
    const invite = { id: "inv_1", hash: Buffer.alloc(32), createdAt: 0, expiresAt: 0, uses: 1, used: 0, revoked: true };
    const inviteOf = (...more: Buffer[]) => {
      const members = Object.entries(invite).map(([name, value]) => member(name, pack(value)));
      return Buffer.concat([Buffer.of(0x92, 1), map(...members, ...more)]);
    };
    expect(await read(formOf("invite"), inviteOf(note))).toEqual({ record: invite });
    expect(await read(formOf("invite"), inviteOf(note, note))).toBe("store_damaged");
  });

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("do not have a field %s", async (name) => {
    const sound = [member("node", pack("nod_1")), member("createdAt", nat(7))];
    expect(await read(form, settingsOf(...sound, member(name, map())))).toBe("store_damaged");
    expect(await read(form, settingsOf(sound[0] as Buffer, member(name, nat(7))))).toBe("store_damaged");
  });

  it("whose names are free have each name once, and none that would change what an object is", async () => {
    const erasure = formOf("auditErasure");
    const cursors = (...members: Buffer[]) =>
      Buffer.concat([Buffer.of(0x92, 1), map(member("account", pack("acc_1")), member("cursors", map(...members)))]);
    const found = await read(erasure, cursors(member("constructor", nat(1)), member("nod_1", nat(2))));
    expect(found).toEqual({ record: { account: "acc_1", cursors: { constructor: 1, nod_1: 2 } } });
    expect(await read(erasure, cursors(member("__proto__", nat(1))))).toBe("store_damaged");
    expect(await read(erasure, cursors(member("nod_1", nat(1)), member("nod_1", nat(1))))).toBe("store_damaged");
  });

  it("of a later format are of a later release only where they are whole", async () => {
    const later = pack([
      2,
      { all: ["that", 1.5, null, -1, 2n ** 60n, new Date(0), Buffer.alloc(300)], is: { new: true } },
    ]);
    expect(await read(form, later)).toBe("store_future");
    for (let length = 0; length < later.length; length++)
      expect(await read(form, later.subarray(0, length))).toBe("store_damaged");
    expect(await read(form, Buffer.concat([later, Buffer.of(0)]))).toBe("store_damaged");
  });

  it.each([
    ["strangerCounter", { failures: 3, lastFailure: 5, blockedUntil: 7 }, { noted: false }],
    ["counterQuota", { hour: 3, made: 5 }, { noted: false }],
    ["auditFields", { name: { value: "alice", salt: Buffer.alloc(32, 1) } }, {}],
    ["identity", { privateKey: hex("01"), certificate: hex("02"), leaf }, { sequence: 1, former: [] }],
  ])("of the format before are read: %s", async (name, fields, added) => {
    expect(await read(formOf(name), pack([1, fields]))).toEqual({ record: { ...fields, ...added } });
    expect(await read(formOf(name), pack([1, { ...fields, more: 1 }]))).toBe("store_damaged");
    expect(await read(formOf(name), pack([0, fields]))).toBe("store_damaged");
  });

  it("may have fields of a later release where a record says so", async () => {
    const presence = formOf("presence");
    const known = {
      instance: "0".repeat(32),
      pid: 1,
      version: "1",
      startedAt: 0,
      seenAt: 0,
      listen: "::",
      draining: true,
    };
    const later = pack([1, { later: { a: [1, [2n ** 60n], new Date(0)] }, ...known, more: null }]);
    expect(await read(presence, later)).toEqual({ record: known });
    expect(await read(presence, later.subarray(0, -1))).toBe("store_damaged");
  });

  it("that say of many more values than there are, or one within the other without end, are damaged", async () => {
    const many = hex("ddffffffff");
    const deep = Buffer.alloc(1_000_000, 0x91);
    const maps = Buffer.alloc(1_000_000, 0x81);
    for (const value of [many, deep, maps, hex("dfffffffff"), hex("c6ffffffff"), hex("dbffffffff")]) {
      const sound = [member("fingerprint", pack(Buffer.alloc(32))), member("createdAt", nat(1))];
      const created = Buffer.concat([Buffer.of(0x92, 1), map(...sound, member("created", value))]);
      expect(await read(formOf("idempotency"), created)).toBe("store_damaged");
      expect(await read(form, settings(value))).toBe("store_damaged");
      expect(await read(formOf("presence"), settings(value))).toBe("store_damaged");
      expect(await read(form, Buffer.concat([Buffer.of(0x92, 2), value]))).toBe("store_damaged");
    }
  });

  it("are written as well when they are many", async () => {
    const days = Array.from({ length: 5000 }, (_, index) => index * 1000);
    const page = { question: "birth_date_choice", days };
    const facts = { id: "chl_1", application: "app_1", subject: "é".repeat(40_000), createdAt: 1, expiresAt: 2 };
    const open = { ...facts, state: "open", page, right: 1, replyTo: "€".repeat(70) };
    const bytes = await written(formOf("challenge"), open);
    expect(bytes?.equals(pack([1, open]))).toBe(true);
  });

  it("are never written without a field that they must have", async () => {
    await expect(written(form, { node: "nod_1", createdAt: undefined })).rejects.toThrow(TypeError);
  });

  it("are never written as one of several kinds that they are not", async () => {
    const target = { kind: "pigeon", url: "https://bot.example/" };
    const callback = { id: "cbk_1", application: "app_1", name: "bot", createdAt: 1 };
    for (const kind of ["pigeon", "constructor", undefined]) {
      const unknown = { ...callback, target: { ...target, kind } };
      await expect(written(formOf("callback"), unknown)).rejects.toThrow(TypeError);
    }
  });
});

describe("the memory that records are written into", () => {
  const detailed = fc.sample(valuesOf(formOf("account")), 1)[0] as Fields;
  const accountWith = (secret: string) => ({ ...detailed, recovery: [Buffer.from(secret.padEnd(32))] });

  it("is not what all buffers share", async () => {
    const tx = { put: async (_key: Uint8Array, plaintext: Uint8Array) => void expect(plaintext.buffer).not.toBe(pool) };
    const pool = Buffer.allocUnsafe(1).buffer;
    expect.assertions(1);
    await formOf("account").write(tx as unknown as SealedWriteTransaction, accountWith("a code") as never);
  });

  it("holds the details of an account once, within the record", async () => {
    let arena: Buffer | undefined;
    let stored: Buffer | undefined;
    const put = async (_key: Uint8Array, plaintext: Uint8Array) => {
      arena = Buffer.from(plaintext.buffer);
      stored = Buffer.from(plaintext);
    };
    await formOf("account").write({ put } as unknown as SealedWriteTransaction, accountWith("another code") as never);
    const times = (bytes: Buffer | undefined) => (bytes?.toString("latin1").split("another code").length ?? 0) - 1;
    expect(times(stored)).toBe(1);
    expect(times(arena)).toBe(1);
  });
});
