import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, readdir, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withFileLock } from "../src/file-lock.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-lock-"));
  path = join(folder, "file");
});
afterEach(() => rm(folder, { recursive: true }));

/** The process id of one that has ended. */
const endedPid = () => spawnSync(process.execPath, ["--version"]).pid;
const done = async () => "done";

describe("file lock", () => {
  it("lets one at a time in, and all of them in the end", async () => {
    let inside = 0;
    let most = 0;
    let ran = 0;
    const one = () =>
      withFileLock(path, async () => {
        most = Math.max(most, ++inside);
        await writeFile(path, `${++ran}`);
        inside--;
      });
    await Promise.all(Array.from({ length: 20 }, one));
    expect({ most, ran }).toEqual({ most: 1, ran: 20 });
    expect(await readdir(folder)).toEqual(["file"]);
  });

  it("is given back when what it guards fails", async () => {
    const failure = new Error("inside");
    await expect(withFileLock(path, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await withFileLock(path, done, 1)).toBe("done");
  });

  it("of a killed process is broken, once, by many who find it", async () => {
    await symlink(`${hostname()}:${endedPid()}:00`, `${path}.lock`);
    let inside = 0;
    const most = await Promise.all(
      Array.from({ length: 10 }, () => withFileLock(path, async () => [++inside, await readdir(folder), inside--][0])),
    );
    expect(most).toEqual(Array.from({ length: 10 }, () => 1));
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ["a living process", () => `${hostname()}:${process.pid}:00`],
    ["a process on another machine", () => `elsewhere.example:${endedPid()}:00`],
    ["who knows whom", () => "???"],
    ["a process id that would mean a whole group", () => `${hostname()}:-${endedPid()}:00`],
  ])("of %s is not broken: it gives up, and says which file it is", async (_, holder) => {
    await symlink(holder(), `${path}.lock`);
    await expect(withFileLock(path, done, 2)).rejects.toMatchObject({
      code: "file_unwritable",
      detail: expect.stringContaining(`${path}.lock`),
    });
    expect(await readdir(folder)).toEqual(["file.lock"]);
  });

  it("taken over by hand is left to the new holder", async () => {
    await withFileLock(path, async () => {
      await unlink(`${path}.lock`);
      await symlink("another", `${path}.lock`);
    });
    expect(await readdir(folder)).toEqual(["file.lock"]);
  });

  it("is refused in a directory that others may write to", async () => {
    await chmod(folder, 0o777);
    await expect(withFileLock(path, done)).rejects.toMatchObject({ code: "file_unwritable" });
  });

  it("is refused when something that is no lock has its name", async () => {
    await writeFile(`${path}.lock`, "");
    await expect(withFileLock(path, done, 2)).rejects.toMatchObject({ code: "file_unwritable" });
  });
});
