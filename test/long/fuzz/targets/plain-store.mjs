import { initialiseStore } from "../../../../packages/server/dist/services/store.js";
import { randomOf } from "../random.mjs";

/** When the records of seeds were made. */
export const NOW = Date.UTC(2026, 10, 21, 12);

/** A transaction over a map, of plaintext: what lies behind the barrier. */
export function transactionOver(values) {
  const nameOf = (key) => Buffer.from(key).toString("hex");
  return {
    get: async (key) => values.get(nameOf(key)),
    put: async (key, value) => void values.set(nameOf(key), Buffer.from(value)),
    delete: async (key) => void values.delete(nameOf(key)),
    scan: async ({ from, to, limit }) => {
      const names = [...values.keys()].sort().filter((name) => name >= nameOf(from) && name < nameOf(to));
      return names.slice(0, limit).map((name) => ({ key: Buffer.from(name, "hex"), value: values.get(name) }));
    },
    keys: async ({ from, to, limit, reverse }) => {
      const names = [...values.keys()].sort().filter((name) => name >= nameOf(from) && name < nameOf(to));
      return (reverse ? names.reverse() : names).slice(0, limit).map((name) => Buffer.from(name, "hex"));
    },
  };
}

/** Bytes that look random and are the same every time. */
export function seededBytes(seed) {
  const random = randomOf(seed);
  return (size) => Buffer.from(Array.from({ length: size }, () => random.below(256)));
}

/** The plaintext records of a store that was just made. */
export async function plainStore() {
  const values = new Map();
  const transact = (fn) => fn(transactionOver(values));
  const barrier = { transact, read: transact };
  await initialiseStore(barrier, { now: () => NOW, random: seededBytes(1) }, ["localhost"]);
  return values;
}
