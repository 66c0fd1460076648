import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sodium } from "@postern/shared/sodium";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HEADER_KEY, KEYRING_KEY } from "../../packages/server/src/barrier/storage-keys.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import type { Awaitable, WriteTransaction } from "../../packages/server/src/storage/storage.js";
import { adminPassword, commandOf, type Ended, Machine, onlyLine, Running } from "../support/programs.js";

const machine = new Machine();
const sound = join(machine.home, "sound");

beforeAll(async () => {
  const server = await machine.startServer(["--data", sound, "--http", "off"]);
  await server.process.stop();
});

afterAll(() => machine.close());

/** Starts posternd, which is allowed to make a store where there is none, on a directory; it must end by itself. */
function start(directory: string): Promise<Ended> {
  const file = join(machine.home, "admin-password");
  const options = ["--data", directory, "--admin-password-file", file, "--listen", "127.0.0.1:0", "--http", "off"];
  return machine.hosted("posternd", ["start", "--init", ...options, "--json"]);
}

let copies = 0;

/** A copy of the store, whose values are changed below the barrier. */
async function changed(change: (tx: WriteTransaction) => Awaitable<void>): Promise<string> {
  const directory = join(machine.home, `copy-${++copies}`);
  cpSync(sound, directory, { recursive: true });
  const storage = await openLmdbStorage({ directory, create: false });
  await storage.transact(change);
  await storage.close();
  return directory;
}

const hashOf = (directory: string) =>
  createHash("sha256")
    .update(readFileSync(join(directory, "store.mdb")))
    .digest("hex");

async function headerOf(tx: WriteTransaction): Promise<Buffer> {
  const header = await tx.get(HEADER_KEY);
  if (header === undefined) throw new Error("the store has no header");
  return header;
}

/** A header whose checksum was made to fit, as someone would who knows the format: BLAKE2b-256 of all before. */
function resummed(header: Buffer, edit: (header: Buffer) => void): Buffer {
  const edited = Buffer.from(header);
  edit(edited);
  sodium.crypto_generichash(edited.subarray(-32), edited.subarray(0, -32));
  return edited;
}

type Change = (header: Buffer) => Buffer;

const damages: readonly (readonly [what: string, code: string, exit: number, change: Change])[] = [
  ["zeroed", "store_damaged", 3, (header) => Buffer.alloc(header.length)],
  ["cut in the middle", "store_damaged", 3, (header) => header.subarray(0, 70)],
  ["huge", "store_damaged", 3, (header) => Buffer.concat([header, Buffer.alloc(4_000_000, header)])],
  ["of something else", "store_foreign", 2, (header) => Buffer.alloc(header.length, "something else ")],
  ["of a later format", "store_future", 2, (header) => resummed(header, (edited) => edited.writeUInt16BE(2, 8))],
  [
    "asking for 4 TiB",
    "store_damaged",
    3,
    (header) => resummed(header, (edited) => edited.writeUInt32BE(2 ** 32 - 1, 10)),
  ],
  ["with another salt", "admin_password_wrong", 1, (header) => resummed(header, (edited) => edited.fill(7, 18, 34))],
];

describe("attack 40: posternd start on a store whose header is not as it was", () => {
  it.each(damages)("%s: %s, exit code %i, and nothing is changed", async (_what, code, exit, change) => {
    const directory = await changed(async (tx) => tx.put(HEADER_KEY, change(await headerOf(tx))));
    const before = hashOf(directory);
    const ended = await start(directory);
    expect([ended.code, onlyLine(ended.stdout)]).toMatchObject([exit, { error: { code } }]);
    expect(hashOf(directory)).toBe(before);
  });

  it("missing: it is damaged, and no new store is made in its place", async () => {
    const directory = await changed((tx) => tx.delete(HEADER_KEY));
    const before = hashOf(directory);
    const ended = await start(directory);
    expect([ended.code, onlyLine(ended.stdout)]).toMatchObject([3, { error: { code: "store_damaged" } }]);
    expect(hashOf(directory)).toBe(before);
  });

  it("with one byte of its keyring another it is damaged, though the password is right", async () => {
    const directory = await changed(async (tx) => {
      const keyring = Buffer.from((await tx.get(KEYRING_KEY)) ?? Buffer.alloc(0));
      keyring.writeUInt8(keyring.readUInt8(60) ^ 1, 60);
      await tx.put(KEYRING_KEY, keyring);
    });
    const ended = await start(directory);
    expect([ended.code, onlyLine(ended.stdout)]).toMatchObject([3, { error: { code: "store_damaged" } }]);
  });
});

const NOBODY = 65534;

/** Runs `posternd start` as one whom permissions bind: root is not, and so becomes nobody. */
async function startBound(directory: string): Promise<Ended> {
  const args = ["start", "--init", "--data", directory, "--listen", "127.0.0.1:0", "--http", "off", "--json"];
  const [command, ...rest] = commandOf("posternd", [...args, "--admin-password-file", "-"]);
  const bound = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const child = spawn(command, rest, { ...bound, env: machine.env, cwd: "/", stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(`${adminPassword}\n`);
  const running = new Running(child);
  machine.adopt(running.pid, running.ended);
  return running.ended;
}

describe("attack 37: a data directory that cannot be written", () => {
  it("is store_unwritable, exit code 3, with a store in it and without, and stays as it was", async () => {
    chmodSync(machine.home, 0o755);
    const empty = join(machine.home, "empty");
    const full = join(machine.home, "full");
    mkdirSync(empty);
    cpSync(sound, full, { recursive: true });
    for (const directory of [empty, full]) {
      for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o444);
      if (process.getuid?.() === 0) chownSync(directory, NOBODY, NOBODY);
      chmodSync(directory, 0o555);
      const before = readdirSync(directory);
      const ended = await startBound(directory);
      expect([ended.code, onlyLine(ended.stdout)]).toMatchObject([3, { error: { code: "store_unwritable" } }]);
      expect(readdirSync(directory)).toEqual(before);
      chmodSync(directory, 0o755);
    }
  });
});
