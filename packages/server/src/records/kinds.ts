import { damaged, type Reader } from "./messagepack/reader.js";
import type { Writer } from "./messagepack/writer.js";

/**
 * What records are made of. A record is described once, out of these: its description reads it, strictly, writes it, and
 * is its type.
 */
export interface Kind<T> {
  /** @throws PosternError `store_damaged` for whatever is not of this kind */
  read(from: Reader): T;
  write(to: Writer, value: T): void;
}

export type ValueOf<K> = K extends Kind<infer T> ? T : never;

/** Any text, or of a form that `is` knows. */
export function text<T extends string = string>(is?: (value: string) => boolean): Kind<T> {
  return {
    read(from) {
      const value = from.text();
      if (is !== undefined && !is(value)) throw damaged();
      return value as T;
    },
    write: (to, value) => to.text(value),
  };
}

/** One of these texts. */
export function words<W extends string>(...all: readonly W[]): Kind<W> {
  const utf8 = all.map((word) => Buffer.from(word, "utf8"));
  return {
    read(from) {
      const word = all[from.oneOf(utf8)];
      if (word === undefined) throw damaged();
      return word;
    },
    write: (to, value) => to.text(value),
  };
}

/** Exactly `length` bytes, or any number of them: as a part of the bytes that the record is read from. */
export function bytes(length?: number): Kind<Buffer> {
  return {
    read(from) {
      const value = from.bytes();
      if (length !== undefined && value.length !== length) throw damaged();
      return value;
    },
    write: (to, value) => to.bytes(value),
  };
}

/** A number that is no fraction, from `least` to `most`. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    read(from) {
      const value = from.number();
      if (!Number.isSafeInteger(value) || value < least || value > most) throw damaged();
      return value;
    },
    write: (to, value) => to.number(value),
  };
}

export const count = whole(0);
export const ordinal = whole(1);
export const integer = whole(Number.MIN_SAFE_INTEGER);

/** Milliseconds since 1970. */
export const instant = count;

/** From 0 to 1. */
export const share: Kind<number> = {
  read(from) {
    const value = from.number();
    if (!(value >= 0 && value <= 1)) throw damaged();
    return value;
  },
  write: (to, value) => to.number(value),
};

export const flag: Kind<boolean> = {
  read: (from) => from.boolean(),
  write: (to, value) => to.boolean(value),
};

/** A flag that is there only where it is set. */
export const set: Kind<true> = {
  read(from) {
    if (!from.boolean()) throw damaged();
    return true;
  },
  write: (to, value) => to.boolean(value),
};

/** From `least` to `most` of one kind, in their order. */
export function list<T>(kind: Kind<T>, least = 0, most = Number.MAX_SAFE_INTEGER): Kind<T[]> {
  return {
    read(from) {
      const size = from.arraySize();
      if (size < least || size > most) throw damaged();
      const values: T[] = [];
      for (let index = 0; index < size; index++) values.push(kind.read(from));
      return values;
    },
    write(to, values) {
      to.array(values.length);
      for (const value of values) kind.write(to, value);
    },
  };
}

/** Values of one kind under any names. */
export function named<T>(kind: Kind<T>): Kind<Record<string, T>> {
  return {
    read(from) {
      const values: Record<string, T> = {};
      for (let left = from.mapSize(); left > 0; left--) {
        const name = newName(values, from.text());
        values[name] = kind.read(from);
      }
      return values;
    },
    write(to, values) {
      const map = to.beginMap();
      const names = Object.keys(values);
      for (const name of names) {
        to.text(name);
        kind.write(to, values[name] as T);
      }
      to.endMap(map, names.length);
    },
  };
}

/** A name that comes twice is damage, and so is one that would not become a member but the prototype. */
function newName(values: object, name: string): string {
  if (name === "__proto__" || Object.hasOwn(values, name)) throw damaged();
  return name;
}

/** So deep may values stand in each other: what was answered to a request is never half as deep. */
const DEPTH = 32;

/** Whatever was put together of the others, and null. */
export const anything: Kind<unknown> = {
  read: (from) => readAny(from, DEPTH),
  write: writeAny,
};

function readAny(from: Reader, depth: number): unknown {
  if (depth === 0) throw damaged();
  const inner: Kind<unknown> = { read: () => readAny(from, depth - 1), write: writeAny };
  switch (from.next()) {
    case "number":
      return from.number();
    case "boolean":
      return from.boolean();
    case "text":
      return from.text();
    case "bytes":
      return from.bytes();
    case "array":
      return list(inner).read(from);
    case "map":
      return named(inner).read(from);
    default:
      if (from.isNull()) return null;
      if (from.isUndefined()) return undefined;
      throw damaged();
  }
}

function writeAny(to: Writer, value: unknown): void {
  if (typeof value === "number") to.number(value);
  else if (typeof value === "boolean") to.boolean(value);
  else if (typeof value === "string") to.text(value);
  else if (Buffer.isBuffer(value)) to.bytes(value);
  else if (Array.isArray(value)) list(anything).write(to, value);
  else if (value === null) to.null();
  else if (value === undefined) to.undefined();
  else named(anything).write(to, value as Record<string, unknown>);
}
