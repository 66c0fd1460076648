import { concatKey, type KeyPart } from "./key.js";
import type { SealedReadTransaction, SealedWriteTransaction } from "./sealed-transaction.js";
import type { Bounds } from "./storage-keys.js";

/**
 * The records of a transaction whose keys begin with these parts, as if there were no others: a kind of record, or
 * what belongs to one account. Keys go in and come out without the prefix. Views of views nest.
 */
export function view(tx: SealedWriteTransaction, ...prefix: readonly KeyPart[]): SealedWriteTransaction;
export function view(tx: SealedReadTransaction, ...prefix: readonly KeyPart[]): SealedReadTransaction;
export function view(tx: SealedReadTransaction, ...parts: readonly KeyPart[]): SealedReadTransaction {
  const prefix = concatKey(...parts);
  return isWritable(tx) ? writesBelow(tx, prefix) : readsBelow(tx, prefix);
}

/** Every key that begins with these bytes, as a range. */
export function prefixRange(prefix: Uint8Array): Bounds {
  const to = successor(prefix);
  return to === undefined ? { from: prefix } : { from: prefix, to };
}

function readsBelow(tx: SealedReadTransaction, prefix: Buffer): SealedReadTransaction {
  const bounds = prefixRange(prefix);
  return {
    get: (key) => tx.get(Buffer.concat([prefix, key])),
    async scan({ from, to, ...rest }) {
      const entries = await tx.scan({
        ...rest,
        ...bounds,
        ...(from && { from: Buffer.concat([prefix, from]) }),
        ...(to && { to: Buffer.concat([prefix, to]) }),
      });
      return entries.map(({ key, value }) => ({ key: key.subarray(prefix.length), value }));
    },
  };
}

function writesBelow(tx: SealedWriteTransaction, prefix: Buffer): SealedWriteTransaction {
  return {
    ...readsBelow(tx, prefix),
    put: (key, plaintext) => tx.put(Buffer.concat([prefix, key]), plaintext),
    delete: (key) => tx.delete(Buffer.concat([prefix, key])),
  };
}

function isWritable(tx: SealedReadTransaction): tx is SealedWriteTransaction {
  return "put" in tx;
}

/** The least bytes above every key that begins with `prefix`; undefined when nothing is. */
function successor(prefix: Uint8Array): Buffer | undefined {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return undefined;
  const next = Buffer.from(prefix.subarray(0, last + 1));
  next.writeUInt8(next.readUInt8(last) + 1, last);
  return next;
}
