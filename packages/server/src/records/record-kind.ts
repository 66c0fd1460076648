import type { Kind, ValueOf } from "./kinds.js";
import { damaged, type Reader } from "./messagepack/reader.js";
import { Writer } from "./messagepack/writer.js";

/** The kind of a field that may be missing; where it is, it is `absent`. */
interface Missable<T> extends Kind<T> {
  readonly absent: T;
}

/** The kind of one that is missing in what was read then, too. */
interface Optional<T> extends Missable<T | undefined> {
  readonly optional: true;
}

export function optional<T>(kind: Kind<T>): Optional<T> {
  return { ...missable<T | undefined>(kind as Kind<T | undefined>, undefined), optional: true };
}

export function missable<T>(kind: Kind<T>, absent: T): Missable<T> {
  return {
    absent,
    read: (from) => (from.isUndefined() ? absent : kind.read(from)),
    write: (to, value) => kind.write(to, value),
  };
}

/** Kinds by the names of their fields, in the order in which these are written. */
type Fields = Readonly<Record<string, Kind<unknown>>>;
type OptionalNames<F> = { [N in keyof F]: F[N] extends Optional<unknown> ? N : never }[keyof F];
type Flat<T> = { [N in keyof T]: T[N] };
export type RecordOf<F> = Flat<
  { [N in Exclude<keyof F, OptionalNames<F>>]: ValueOf<F[N]> } & { [N in OptionalNames<F>]?: ValueOf<F[N]> }
>;

interface Field {
  readonly name: string;
  readonly kind: Kind<unknown>;
  /** Whether it may be missing, and what it is then. */
  readonly missable: boolean;
  readonly absent: unknown;
  /** Its name, as MessagePack. */
  readonly packedName: Buffer;
}

/** These fields, each once and in any order, and no other one. */
export function record<F extends Fields>(fields: F): Kind<RecordOf<F>> {
  return new RecordKind(fields, false);
}

/** The same, but fields that are not known are passed over. */
export function openRecord<F extends Fields>(fields: F): Kind<RecordOf<F>> {
  return new RecordKind(fields, true);
}

/** Stands for the value of a field that has not come. */
const missing = Symbol("missing");

class RecordKind<F extends Fields> implements Kind<RecordOf<F>> {
  readonly #fields: readonly Field[];
  readonly #names: readonly Buffer[];
  readonly #open: boolean;

  constructor(fields: F, open: boolean) {
    this.#fields = Object.entries(fields).map(([name, kind]) => fieldOf(name, kind));
    this.#names = Object.keys(fields).map((name) => Buffer.from(name, "utf8"));
    this.#open = open;
  }

  read(from: Reader): RecordOf<F> {
    const values: unknown[] = new Array(this.#fields.length).fill(missing);
    let likely = 0;
    for (let left = from.mapSize(); left > 0; left--) {
      const index = from.oneOf(this.#names, likely);
      const field = this.#fields[index];
      if (field === undefined) {
        if (!this.#open) throw damaged();
        from.skip();
        continue;
      }
      if (values[index] !== missing) throw damaged();
      values[index] = field.kind.read(from);
      likely = index + 1;
    }
    return this.#made(values);
  }

  write(to: Writer, value: RecordOf<F>): void {
    const values = value as Readonly<Record<string, unknown>>;
    const map = to.beginMap();
    let size = 0;
    for (const { name, kind, missable, packedName } of this.#fields) {
      const part = values[name];
      if (part === undefined) {
        if (missable) continue;
        throw new TypeError(`a record is to be written without its field ${name}`);
      }
      to.packed(packedName);
      kind.write(to, part);
      size += 1;
    }
    to.endMap(map, size);
  }

  /** Its fields always in the order of the description, so that all records of a kind have one shape. */
  #made(values: readonly unknown[]): RecordOf<F> {
    const made: Record<string, unknown> = {};
    for (let index = 0; index < this.#fields.length; index++) {
      const { name, missable, absent } = this.#fields[index] as Field;
      const value = values[index] === missing && missable ? absent : values[index];
      if (value === missing) throw damaged();
      if (value !== undefined) made[name] = value;
    }
    return made as RecordOf<F>;
  }
}

const packer = new Writer();

function fieldOf(name: string, kind: Kind<unknown> | Missable<unknown>): Field {
  packer.begin();
  packer.text(name);
  const known = { name, kind, packedName: Buffer.from(packer.written()) };
  return "absent" in kind
    ? { ...known, missable: true, absent: kind.absent }
    : { ...known, missable: false, absent: undefined };
}

/**
 * Records that are told apart by the word in their field `tag`, which each of them describes: `kinds` has them by that
 * word.
 */
export function tagged<K extends Readonly<Record<string, Kind<unknown>>>>(
  tag: string,
  kinds: K,
): Kind<ValueOf<K[keyof K]>> {
  const name = Buffer.from(tag, "utf8");
  const words = Object.keys(kinds).map((word) => Buffer.from(word, "utf8"));
  const inOrder: readonly Kind<unknown>[] = Object.values(kinds);
  return {
    read(from) {
      const kind = inOrder[from.tag(name, words)];
      if (kind === undefined) throw damaged();
      return kind.read(from) as ValueOf<K[keyof K]>;
    },
    write(to, value) {
      const word = (value as Record<string, string>)[tag] ?? "";
      if (!Object.hasOwn(kinds, word)) throw new TypeError(`a record is to be written with an unknown ${tag}`);
      kinds[word]?.write(to, value);
    },
  };
}
