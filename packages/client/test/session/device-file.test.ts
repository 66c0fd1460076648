import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceMac } from "@postern/shared/channel";
import { parseServerAddress } from "@postern/shared/server-address";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Paths, pathsFrom } from "../../src/paths.js";
import { deviceProof, dropDevice, forgetDevices, keepDevice, knownDevice } from "../../src/session/device-file.js";

let home: string;
let paths: Paths;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "postern-devices-"));
  paths = pathsFrom({ HOME: home });
});
afterEach(() => rm(home, { recursive: true }));

const one = parseServerAddress("one.example");
const other = parseServerAddress("other.example");
const fingerprint = "SHA256:of-its-server";
const owner = (name: string, server = one) => ({ server, fingerprint, name });
const device = (digit: string) => ({ device: `dev_${digit.repeat(32)}`, secret: digit.repeat(64) }) as const;

describe("kept devices", () => {
  it("are found by every spelling of the name, at their server and its identity only", async () => {
    await keepDevice(paths, owner("Alice"), device("a"));
    for (const name of ["alice", "ALICE", "ａｌｉｃｅ"]) {
      expect(await knownDevice(paths, owner(name))).toMatchObject(device("a"));
    }
    expect(await knownDevice(paths, owner("bob"))).toBeUndefined();
    expect(await knownDevice(paths, owner("alice", other))).toBeUndefined();
    expect(await knownDevice(paths, { ...owner("alice"), fingerprint: "SHA256:of-another" })).toBeUndefined();
    expect((await stat(join(paths.state, "devices.json"))).mode & 0o777).toBe(0o600);
  });

  it("of many names, kept at one moment, are all there afterwards; `__proto__` is a name like any", async () => {
    const names = ["__proto__", "constructor", ...Array.from({ length: 8 }, (_, index) => `person-${index}`)];
    await Promise.all(names.map((name) => keepDevice(paths, owner(name), device("b"))));
    for (const name of names) expect(await knownDevice(paths, owner(name))).toMatchObject(device("b"));
    expect(await readdir(paths.state)).toEqual(["devices.json"]);
  });

  it("are replaced by a newer one for the same name, forgotten by id, and all at once for a server", async () => {
    await keepDevice(paths, owner("alice"), device("a"));
    await keepDevice(paths, owner("alice"), device("b"));
    await keepDevice(paths, owner("bob"), device("c"));
    await keepDevice(paths, owner("alice", other), device("d"));
    await dropDevice(paths, one, device("a").device);
    expect(await knownDevice(paths, owner("alice"))).toMatchObject(device("b"));
    await dropDevice(paths, one, device("b").device);
    expect(await knownDevice(paths, owner("alice"))).toBeUndefined();
    await forgetDevices(paths, one);
    expect(await knownDevice(paths, owner("bob"))).toBeUndefined();
    expect(await knownDevice(paths, owner("alice", other))).toMatchObject(device("d"));
  });

  it("are none for a name that is none, and in a file that is not understood", async () => {
    await keepDevice(paths, owner("two words"), device("a"));
    expect(await knownDevice(paths, owner("two words"))).toBeUndefined();
    await keepDevice(paths, owner("alice"), device("a"));
    await writeFile(join(paths.state, "devices.json"), '{"version":1,"devices":[{"secret":"short"}]}');
    expect(await knownDevice(paths, owner("alice"))).toBeUndefined();
    await keepDevice(paths, owner("alice"), device("b"));
    expect(await knownDevice(paths, owner("alice"))).toMatchObject(device("b"));
  });
});

describe("a device's proof", () => {
  it("is the MAC of its secret over the connection's exporter, and does not show the secret", () => {
    const exporter = Buffer.alloc(32, 7);
    const proof = deviceProof(device("a"), exporter);
    expect(proof).toEqual({
      device: device("a").device,
      mac: deviceMac(Buffer.from("a".repeat(64), "hex"), exporter).toString("hex"),
    });
    expect(deviceProof(device("a"), Buffer.alloc(32, 8)).mac).not.toBe(proof.mac);
  });
});
