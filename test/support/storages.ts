import { createHash } from "node:crypto";
import type {
  Entry,
  KeyRange,
  ReadTransaction,
  Storage,
  WriteTransaction,
} from "../../packages/server/src/storage/storage.js";
import type { Random } from "./crash-random.js";

/**
 * The same random operations on several storages, which must not differ: neither in what each call answers, nor in what
 * is left. Calls of one group are made at once; a storage of one process takes them in their order.
 */

type Operation =
  | { readonly do: "put"; readonly key: Buffer; readonly value: Buffer }
  | { readonly do: "get" | "delete"; readonly key: Buffer }
  | ({ readonly do: "scan" } & KeyRange);

interface Call {
  readonly how: "transact" | "throw" | "read";
  readonly operations: readonly Operation[];
}

/** One store, and the storages that have it open: a group goes by one of them. */
export interface Compared {
  readonly name: string;
  readonly nodes: readonly Storage[];
}

const everything: KeyRange = { from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) };

/** How many groups there are between two looks at all that is stored. */
const LOOK_EVERY = 5;

/** @throws Error naming the seed, the group and both answers when two storages differ */
export async function compareStorages(stores: readonly Compared[], random: Random, operations: number): Promise<void> {
  let done = 0;
  for (let group = 1; done < operations; group++) {
    const calls = groupOf(random);
    const node = random.below(2);
    const answers = await Promise.all(
      stores.map(async ({ nodes }) => {
        const storage = nodes[node % nodes.length] as Storage;
        const told = await Promise.all(calls.map((call) => answerOf(storage, call)));
        return group % LOOK_EVERY === 0
          ? [...told, await storage.read(async (tx) => digest(await tx.scan(everything)))]
          : told;
      }),
    );
    for (const [index, answer] of answers.entries()) {
      if (JSON.stringify(answer) === JSON.stringify(answers[0])) continue;
      const names = [stores[0]?.name, stores[index]?.name].join(" and ");
      const what = JSON.stringify({ calls: calls.map(shown), answers: [answers[0], answer] }, undefined, 1);
      throw new Error(`seed ${random.seed}, group ${group}: ${names} differ: ${what}`);
    }
    done += calls.reduce((sum, call) => sum + call.operations.length, 0);
  }
}

async function answerOf(storage: Storage, { how, operations }: Call): Promise<string> {
  // What an earlier run of it has seen does not count.
  let seen: string[] = [];
  const work = async (tx: ReadTransaction | WriteTransaction) => {
    seen = [];
    for (const operation of operations) seen.push(await perform(tx, operation));
    if (how === "throw") throw new Error("thrown");
    return operations.length;
  };
  try {
    const result = how === "read" ? await storage.read(work) : await storage.transact(work);
    return `${result} ${seen.join(" ")}`;
  } catch (thrown) {
    return `${(thrown as Error).message} ${seen.join(" ")}`;
  }
}

async function perform(tx: ReadTransaction | WriteTransaction, operation: Operation): Promise<string> {
  if (operation.do === "scan") return digest(await tx.scan(operation));
  if (operation.do === "get") return short(await tx.get(operation.key));
  if (!("put" in tx)) return "";
  if (operation.do === "put") await tx.put(operation.key, operation.value);
  else await tx.delete(operation.key);
  return "";
}

const short = (bytes: Buffer | undefined) =>
  bytes === undefined ? "none" : createHash("sha1").update(bytes).digest("hex").slice(0, 12);

const digest = (entries: readonly Entry[]) =>
  `${entries.length}:${short(Buffer.concat(entries.flatMap(({ key, value }) => [key, Buffer.of(0), value, Buffer.of(1)])))}`;

const shown = ({ how, operations }: Call) =>
  `${how} ${operations.map((operation) => `${operation.do} ${("key" in operation ? operation.key : operation.from).toString("hex")}`)}`;

/** Reads alone, or what changes something: a read beside a change may see it or not. */
function groupOf(random: Random): Call[] {
  const reads = random.below(4) === 0;
  return Array.from({ length: 1 + random.below(6) }, () => ({
    how: reads ? "read" : random.below(4) === 0 ? "throw" : "transact",
    operations: Array.from({ length: random.below(8) }, () => operationOf(random)),
  }));
}

function operationOf(random: Random): Operation {
  const kind = random.below(10);
  if (kind < 4) return { do: "put", key: keyOf(random), value: bytesOf(random) };
  if (kind < 6) return { do: "delete", key: keyOf(random) };
  if (kind < 7) return { do: "get", key: keyOf(random) };
  const end = () => (random.below(8) === 0 ? Buffer.alloc(random.below(2) * 512, 0xff) : keyOf(random));
  const limit = random.below(3) === 0 ? {} : { limit: random.below(6) };
  return { do: "scan", from: end(), to: end(), reverse: random.below(2) === 0, ...limit };
}

/** Few and short, so that operations meet. */
function keyOf(random: Random): Buffer {
  if (random.below(30) === 0) return Buffer.alloc(512, 0xff - random.below(2));
  const letters = [0, 1, 0x61, 0x80, 0xff];
  return Buffer.from(Array.from({ length: 1 + random.below(3) }, () => letters[random.below(letters.length)] ?? 0));
}

function bytesOf(random: Random): Buffer {
  const length = random.below(40) === 0 ? random.below(70_000) : random.below(40);
  return Buffer.alloc(length, random.below(256));
}
