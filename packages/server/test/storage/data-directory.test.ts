import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findRoom, prepareDataDirectory } from "../../src/storage/data-directory.js";
import { temporaryDirectory } from "./processes.js";

const EXT4 = 0xef53;
const on = (type: number) => async () => ({ type, bsize: 4096, bavail: 1000 });

describe("prepareDataDirectory", () => {
  it("makes a missing directory with its parents, open to its owner only", async () => {
    const top = join(await temporaryDirectory(), "made");
    const prepared = await prepareDataDirectory({ directory: join(top, "data"), create: true });
    expect(prepared).toMatchObject({ path: join(top, "data"), warnings: [] });
    for (const path of [top, prepared.path]) expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  it("makes nothing when it may not", async () => {
    const directory = join(await temporaryDirectory(), "data");
    await expect(prepareDataDirectory({ directory, create: false })).rejects.toMatchObject({ code: "store_missing" });
    await expect(stat(directory)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("refuses a file in its place, or above it", async () => {
    const file = join(await temporaryDirectory(), "file");
    await writeFile(file, "");
    const inPlace = prepareDataDirectory({ directory: file, create: true });
    await expect(inPlace).rejects.toMatchObject({ code: "store_foreign" });
    const above = prepareDataDirectory({ directory: join(file, "data"), create: true });
    await expect(above).rejects.toMatchObject({ code: "store_unwritable" });
  });

  it.runIf(process.platform === "linux").each([
    ["NFS", 0x6969],
    ["SMB", 0x517b],
    ["CIFS", 0xff534d42],
    ["CIFS, sign extended", 0xff534d42 - 2 ** 32],
    ["SMB 2", 0xfe534d42],
    ["9P", 0x01021997],
    ["FUSE", 0x65735546],
    ["Ceph", 0x00c36400],
  ])("refuses %s, whose locks and maps another machine may not keep", async (_, type) => {
    const directory = await temporaryDirectory();
    const preparing = prepareDataDirectory({ directory, create: true, fileSystemOf: on(type) });
    await expect(preparing).rejects.toMatchObject({ code: "store_networked" });
  });

  it("takes local file systems, and tells the room that is left", async () => {
    const directory = await temporaryDirectory();
    for (const type of [EXT4, 0x9123683e, 0x58465342, 0x2fc12fc1, 0x01021994, 0x794c7630]) {
      const prepared = await prepareDataDirectory({ directory, create: true, fileSystemOf: on(type) });
      expect(prepared.free).toBe(4_096_000);
    }
  });

  it("warns of a directory that others may enter, and does not refuse it", async () => {
    const directory = join(await temporaryDirectory(), "open");
    await mkdir(directory);
    for (const mode of [0o750, 0o705, 0o777]) {
      await chmod(directory, mode);
      const { warnings } = await prepareDataDirectory({ directory, create: false });
      expect(warnings).toEqual([expect.stringContaining("other users")]);
    }
    await chmod(directory, 0o700);
    expect((await prepareDataDirectory({ directory, create: false })).warnings).toEqual([]);
  });
});

describe("findRoom", () => {
  it("leaves nothing behind, and fails where nothing can be written", async () => {
    const directory = await temporaryDirectory();
    await findRoom(directory);
    expect(await readdir(directory)).toEqual([]);
    await expect(findRoom(join(directory, "gone"))).rejects.toMatchObject({ code: "store_failed" });
  });
});
