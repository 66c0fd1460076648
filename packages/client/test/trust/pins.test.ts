import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { parseServerAddress } from "@postern/shared/server-address";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addPin, forgetPin, movePin, readPins } from "../../src/trust/pins.js";

const now = Date.parse("2026-11-21T12:00:00.000Z");
const one = fingerprintOf(Buffer.from("one"));
const other = fingerprintOf(Buffer.from("other"));
const address = parseServerAddress("otp.example");

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-pins-"));
  path = join(folder, "postern", "known-servers.json");
});
afterEach(() => rm(folder, { recursive: true }));

const unreadable = { code: "pins_unreadable" };

async function writeText(text: string | Buffer): Promise<void> {
  await mkdir(join(folder, "postern"), { recursive: true, mode: 0o700 });
  await writeFile(path, text, { mode: 0o600 });
}

describe("known servers", () => {
  it("are none when there is no file, and none is made by reading", async () => {
    expect(await readPins(path)).toEqual(new Map());
    expect(await readdir(folder)).toEqual([]);
  });

  it("are kept, listed in order, and forgotten", async () => {
    await addPin(path, parseServerAddress("[::1]:9000"), other, now + 1);
    await addPin(path, address, one, now);
    expect([...(await readPins(path))]).toEqual([
      ["[::1]:9000", { fingerprint: other, firstSeen: now + 1 }],
      ["otp.example:7465", { fingerprint: one, firstSeen: now }],
    ]);
    expect(await forgetPin(path, address)).toBe(true);
    expect(await forgetPin(path, address)).toBe(false);
    expect([...(await readPins(path)).keys()]).toEqual(["[::1]:9000"]);
  });

  it("stand in a file that a person can read, and nobody else: 0600 in a 0700 directory", async () => {
    await addPin(path, address, one, now);
    expect(await readFile(path, "utf8")).toBe(
      `{
  "version": 1,
  "servers": {
    "otp.example:7465": {
      "fingerprint": "${one}",
      "first_seen": "2026-11-21T12:00:00.000Z"
    }
  }
}
`,
    );
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "postern"))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, "postern"))).toEqual(["known-servers.json"]);
  });

  it("attack 60: have one pin for all forms of a host", async () => {
    await addPin(path, parseServerAddress("LOCALHOST.:7465"), one, now);
    await addPin(path, parseServerAddress("localhost"), one, now);
    await expect(addPin(path, parseServerAddress("LocalHost"), other, now)).rejects.toMatchObject({
      code: "server_identity_changed",
    });
    expect([...(await readPins(path)).keys()]).toEqual(["localhost:7465"]);
  });

  it("attack 57: a stored pin is never replaced, and keeps its first day", async () => {
    await addPin(path, address, one, now);
    await addPin(path, address, one, now + 1000);
    await expect(addPin(path, address, other, now)).rejects.toMatchObject({ code: "server_identity_changed" });
    expect((await readPins(path)).get(address.key)).toEqual({ fingerprint: one, firstSeen: now });
  });

  it("attack 59: a pin moves from the identity that vouched to its successor, and from nothing else", async () => {
    const move = { from: one, to: other };
    await expect(movePin(path, address, move)).rejects.toMatchObject({ code: "server_identity_changed" });
    await addPin(path, address, one, now);
    await movePin(path, address, move);
    expect((await readPins(path)).get(address.key)).toEqual({ fingerprint: other, firstSeen: now });
    await movePin(path, address, move);
    const third = fingerprintOf(Buffer.from("a third one"));
    await expect(movePin(path, address, { from: one, to: third })).rejects.toMatchObject({
      code: "server_identity_changed",
    });
    expect((await readPins(path)).get(address.key)?.fingerprint).toBe(other);
  });

  it("keep a server called __proto__ a server", async () => {
    await addPin(path, parseServerAddress("__proto__"), one, now);
    expect((await readPins(path)).get("__proto__:7465")?.fingerprint).toBe(one);
  });
});

describe("attack 58: a file of known servers that is not wholly understood", () => {
  it("is refused truncated at any byte, and left as it is", async () => {
    await addPin(path, address, one, now);
    const whole = await readFile(path);
    for (let length = 0; length < whole.length - 1; length++) {
      await writeText(whole.subarray(0, length));
      await expect(readPins(path), `${length} bytes`).rejects.toMatchObject(unreadable);
    }
    await expect(addPin(path, address, one, now)).rejects.toMatchObject(unreadable);
    await expect(forgetPin(path, address)).rejects.toMatchObject(unreadable);
    expect(await readFile(path)).toEqual(whole.subarray(0, whole.length - 2));
  });

  const pin = { fingerprint: one, first_seen: "2026-11-21T12:00:00.000Z" };
  const servers = { "a:1": pin };
  it.each<[string, unknown]>([
    ["null", null],
    ["an array", []],
    ["a string", "servers"],
    ["no version", { servers }],
    ["a later version", { version: 2, servers }],
    ["a version of another type", { version: "1", servers }],
    ["no servers", { version: 1 }],
    ["servers in an array", { version: 1, servers: [pin] }],
    ["servers in an empty array", { version: 1, servers: [] }],
    ["servers null", { version: 1, servers: null }],
    ["a field more", { version: 1, servers, trust_all: true }],
    ["a pin that is a string", { version: 1, servers: { "a:1": one } }],
    ["a pin that is null", { version: 1, servers: { "a:1": null } }],
    ["a pin with a field more", { version: 1, servers: { "a:1": { ...pin, any: 1 } } }],
    ["a pin without a time", { version: 1, servers: { "a:1": { fingerprint: one } } }],
    ["a pin with a time that is none", { version: 1, servers: { "a:1": { ...pin, first_seen: "yesterday" } } }],
    ["a pin with a time in another form", { version: 1, servers: { "a:1": { ...pin, first_seen: "2026-11-21" } } }],
    ["a shortened fingerprint", { version: 1, servers: { "a:1": { ...pin, fingerprint: one.slice(0, -1) } } }],
    ["a fingerprint of another type", { version: 1, servers: { "a:1": { ...pin, fingerprint: [one] } } }],
    ["a key in a form that is never looked up", { version: 1, servers: { "LOCALHOST:7465": pin } }],
    ["a key without a port", { version: 1, servers: { localhost: pin } }],
    ["a key that is no address", { version: 1, servers: { "": pin } }],
  ])("is refused: %s", async (_, content) => {
    await writeText(JSON.stringify(content));
    await expect(readPins(path)).rejects.toMatchObject(unreadable);
  });

  it.each<[string, string | Buffer]>([
    ["empty", ""],
    ["zeros", Buffer.alloc(500)],
    ["not UTF-8", Buffer.from([0xff, 0xfe, 0x7b, 0x00])],
    ["longer than a mebibyte", `${" ".repeat(1024 * 1024)}{"version":1,"servers":{}}`],
    ["followed by more", '{"version":1,"servers":{}}{}'],
  ])("is refused: %s", async (_, text) => {
    await writeText(text);
    await expect(readPins(path)).rejects.toMatchObject(unreadable);
  });

  it("is refused when others could have written it, or put it there, or taken it away", async () => {
    await addPin(path, address, one, now);
    await chmod(path, 0o666);
    await expect(readPins(path)).rejects.toMatchObject(unreadable);
    await chmod(path, 0o600);
    await chmod(join(folder, "postern"), 0o777);
    await expect(readPins(path)).rejects.toMatchObject(unreadable);
    await rm(path);
    await expect(readPins(path)).rejects.toMatchObject(unreadable);
  });

  it("is refused when it is no file", async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await expect(readPins(path)).rejects.toMatchObject(unreadable);
    await expect(addPin(path, address, one, now)).rejects.toMatchObject(unreadable);
  });
});

describe("several clients at once", () => {
  it("lose no pin", async () => {
    const addresses = Array.from({ length: 20 }, (_, index) => parseServerAddress(`server-${index}.example`));
    await Promise.all(addresses.map((each) => addPin(path, each, one, now)));
    expect(new Set((await readPins(path)).keys())).toEqual(new Set(addresses.map(({ key }) => key)));
  });

  it("agree on one identity when all meet a server for the first time", async () => {
    const shown = Array.from({ length: 10 }, (_, index) => fingerprintOf(Buffer.from(`${index}`)));
    const results = await Promise.allSettled(shown.map((each) => addPin(path, address, each, now)));
    const accepted = shown.filter((_, index) => results[index]?.status === "fulfilled");
    expect(accepted).toHaveLength(1);
    expect((await readPins(path)).get(address.key)?.fingerprint).toBe(accepted[0]);
  });

  it("lose no pin as processes of their own, nor when one is killed in between", async () => {
    const built = new URL("../../dist/trust/pins.js", import.meta.url);
    const writer = `
      const { addPin } = await import(${JSON.stringify(built.href)});
      const [path, name, count] = process.argv.slice(1);
      for (let n = 0; n < Number(count); n++) {
        await addPin(path, { key: name + n + ".example:7465" }, ${JSON.stringify(one)}, ${now});
        process.stdout.write(n + "\\n");
      }`;
    const start = (name: string, count: number) =>
      spawn(process.execPath, ["--input-type=module", "-e", writer, path, name, `${count}`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
    const victim = start("victim-", 1000);
    let acknowledged = "";
    victim.stdout.on("data", (chunk: Buffer) => {
      acknowledged += chunk.toString();
      if (acknowledged.includes("5\n")) victim.kill("SIGKILL");
    });
    const writers = [start("a-", 15), start("b-", 15)];
    const ends = await Promise.all([victim, ...writers].map((child) => once(child, "close")));
    expect(ends.map(([code, signal]) => code ?? signal)).toEqual(["SIGKILL", 0, 0]);
    const pins = await readPins(path);
    const expected = ["a-", "b-"].flatMap((name) => Array.from({ length: 15 }, (_, n) => `${name}${n}.example:7465`));
    const lines = acknowledged.split("\n").slice(0, -1);
    for (const key of [...expected, ...lines.map((n) => `victim-${n}.example:7465`)]) {
      expect(pins.has(key), key).toBe(true);
    }
  });
});
