import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sodium } from "@postern/shared/sodium";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, onlyLine } from "../support/programs.js";
import { plainServer } from "./fake-servers.js";

const operator = new Machine();
const sound = join(operator.home, "sound.mdb");
const passwordFile = join(operator.home, "admin-password");
beforeAll(async () => {
  const { process } = await operator.startServer();
  expect((await process.stop("SIGTERM")).code).toBe(0);
  copyFileSync(join(operator.data, "store.mdb"), sound);
});
afterAll(() => operator.close());

/** Starts a server on this data directory, which is expected to fail. */
async function start(data: string, ...options: string[]) {
  const args = ["start", "--data", data, "--listen", "127.0.0.1:0", "--http", "off", "--json", ...options];
  const { code, stdout } = await operator.hosted("posternd", args);
  const { error } = onlyLine(stdout) as { error?: { code: string; message: string } };
  return { code, error: error?.code, message: error?.message };
}

let directories = 0;

/** A data directory with this as its store. */
function directoryWith(store: Buffer): string {
  const directory = join(operator.home, `store-${++directories}`);
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(join(directory, "store.mdb"), store, { mode: 0o600 });
  return directory;
}

/** The header of our own, in every page where LMDB has put it: 138 bytes, of which the last 32 are a checksum. */
function withHeader(store: Buffer, edit: (header: Buffer) => void): Buffer {
  const magic = Buffer.from("POSTERN\0", "latin1");
  const first = store.indexOf(magic);
  expect(first).toBeGreaterThan(0);
  for (let at = first; at !== -1; at = store.indexOf(magic, at + 1)) edit(store.subarray(at, at + 138));
  return store;
}

const flip = (bytes: Buffer, at: number) => bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);

/** Both copies of LMDB's own header. */
function withLmdbVersion(store: Buffer, version: number): Buffer {
  const pageSize = store.readUInt32LE(48);
  for (const page of [0, pageSize]) store.writeUInt16LE(version, page + 28);
  return store;
}

function asFutureFormat(header: Buffer): void {
  header.writeUInt16BE(2, 8);
  sodium.crypto_generichash(header.subarray(-32), header.subarray(0, -32));
}

describe.concurrent("posternd start ends with a code of its own, and changes nothing,", () => {
  const cases: readonly (readonly [string, number, string, (sound: Buffer) => Buffer])[] = [
    ["when the store is a text", 2, "store_foreign", () => Buffer.from("dear diary\n".repeat(1000))],
    ["when the store is empty", 3, "store_damaged", () => Buffer.alloc(0)],
    ["when the store is of zeros", 3, "store_damaged", ({ length }) => Buffer.alloc(length)],
    ["when the store is cut short", 3, "store_damaged", (store) => store.subarray(0, store.length / 2)],
    [
      "when one bit of its header is wrong",
      3,
      "store_damaged",
      (store) => withHeader(store, (header) => flip(header, 40)),
    ],
    ["when a newer LMDB wrote it", 2, "store_future", (store) => withLmdbVersion(store, 3)],
    ["when a newer Postern wrote it", 2, "store_future", (store) => withHeader(store, asFutureFormat)],
  ];
  it.for(cases)("%s", async ([, exit, error, spoil]) => {
    const spoilt = spoil(readFileSync(sound));
    const directory = directoryWith(spoilt);
    const outcome = await start(directory, "--init", "--admin-password-file", passwordFile);
    expect(outcome).toMatchObject({ code: exit, error });
    expect(readFileSync(join(directory, "store.mdb")).equals(spoilt)).toBe(true);
  });

  it("when the admin password of the file is wrong", async () => {
    const directory = directoryWith(readFileSync(sound));
    const wrong = operator.write("wrong-password", "violet harbour umbrellas\n");
    expect(await start(directory, "--admin-password-file", wrong)).toMatchObject({
      code: 1,
      error: "admin_password_wrong",
    });
    expect(readFileSync(join(directory, "store.mdb")).equals(readFileSync(sound))).toBe(true);
  });

  it("when the data directory is a file", async () => {
    const file = operator.write("not-a-directory", "");
    const outcome = await start(file, "--init", "--admin-password-file", passwordFile);
    expect(outcome).toMatchObject({ code: 2, error: "store_foreign" });
  });

  it("when there is no store, and nobody at a terminal and no --init to make one", async () => {
    const missing = join(operator.home, "missing");
    expect(await start(missing, "--admin-password-file", passwordFile)).toMatchObject({
      code: 2,
      error: "store_missing",
    });
    expect(() => rmSync(missing)).toThrow("ENOENT");
  });

  it("when the password for a new store is weak", async () => {
    const weak = operator.write("weak-password", "postern admin\n");
    const missing = join(operator.home, "never-made");
    expect(await start(missing, "--init", "--admin-password-file", weak)).toMatchObject({
      code: 1,
      error: "password_too_weak",
    });
    expect(() => rmSync(missing)).toThrow("ENOENT");
  });

  it("when another program listens on its address, which is named", async () => {
    const other = await plainServer();
    const options = ["--admin-password-file", passwordFile];
    try {
      const address = other.listen.replace(":", " port ");
      const inUse = { code: 3, error: "address_in_use", message: expect.stringContaining(address) };
      const wire = await start(directoryWith(readFileSync(sound)), ...options, "--listen", other.listen);
      expect(wire).toMatchObject(inUse);
      const http = await start(directoryWith(readFileSync(sound)), ...options, "--http", other.listen);
      expect(http).toMatchObject(inUse);
    } finally {
      other.close();
    }
  });
});

describe.concurrent("a command line that is not understood ends with exit code 2 and says what is wrong:", () => {
  const lines = [
    ["postern frobnicate", "unknown command 'frobnicate'"],
    ["postern login --frobnicate", "unknown option '--frobnicate'"],
    ["postern login alice bob", "too many arguments"],
    ["postern whoami --server no:port", "that is not an address"],
    ["postern whoami --fingerprint SHA256:short", "that is not a fingerprint"],
    ["posternd frobnicate", "unknown command 'frobnicate'"],
    ["posternd start --listen nonsense", "that is not an address"],
    ["posternd start --registration maybe", "Allowed choices are"],
  ] as const;
  it.for(lines)("`%s`", async ([line, reason]) => {
    const [program, ...args] = line.split(" ") as ["postern" | "posternd", ...string[]];
    const { code, stdout, stderr } = await operator.hosted(program, args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(reason);
  });
});
