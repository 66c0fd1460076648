import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { foreignHand, readPrivateFile, writePrivateFile } from "../src/private-file.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-private-"));
  path = join(folder, "file");
});
afterEach(() => rm(folder, { recursive: true }));

const unreadable = (detail: string) =>
  expect.objectContaining({ code: "file_unreadable", detail: expect.stringContaining(detail) });

async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777;
}

describe("writing a private file", () => {
  it("is read back, whatever the text", async () => {
    for (const text of ["", "one\n", "\ufeffü€😀\u0000\ufeff", "x".repeat(1000)]) {
      await writePrivateFile(path, text);
      expect(await readPrivateFile(path, 4096)).toBe(text);
    }
  });

  it("makes the file 0600 and its directories 0700 under any umask", async () => {
    const umask = process.umask(0o000);
    try {
      await writePrivateFile(join(folder, "a", "b", "open"), "text");
      process.umask(0o277);
      await writePrivateFile(path, "text");
    } finally {
      process.umask(umask);
    }
    expect(await modeOf(join(folder, "a"))).toBe(0o700);
    expect(await modeOf(join(folder, "a", "b"))).toBe(0o700);
    expect(await modeOf(join(folder, "a", "b", "open"))).toBe(0o600);
    expect(await modeOf(path)).toBe(0o600);
  });

  it("narrows the permissions of a file that was there", async () => {
    await writeFile(path, "old", { mode: 0o644 });
    await writePrivateFile(path, "new");
    expect(await modeOf(path)).toBe(0o600);
  });

  it("replaces a symbolic link, and leaves alone what it leads to", async () => {
    const target = join(folder, "target");
    await writeFile(target, "untouched");
    await symlink(target, path);
    await writePrivateFile(path, "new");
    expect(await readPrivateFile(target, 100)).toBe("untouched");
    expect(await readPrivateFile(path, 100)).toBe("new");
  });

  it("leaves the old file and nothing else behind when it fails", async () => {
    await mkdir(path);
    await expect(writePrivateFile(path, "text")).rejects.toMatchObject({ code: "file_unwritable" });
    expect(await readdir(folder)).toEqual(["file"]);
    await writeFile(join(path, "kept"), "");
    await expect(writePrivateFile(join(path, "kept", "below"), "text")).rejects.toMatchObject({
      code: "file_unwritable",
    });
  });

  it("refuses a directory that others may write to", async () => {
    await chmod(folder, 0o777);
    await expect(writePrivateFile(path, "text")).rejects.toMatchObject({ code: "file_unwritable" });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("reading a private file", () => {
  it("gives undefined only when there is none", async () => {
    expect(await readPrivateFile(path, 100)).toBeUndefined();
    expect(await readPrivateFile(join(folder, "none", "file"), 100)).toBeUndefined();
    await writeFile(path, "");
    expect(await readPrivateFile(path, 100)).toBe("");
    await expect(readPrivateFile(join(path, "below"), 100)).rejects.toEqual(unreadable("ENOTDIR"));
  });

  it("takes as many bytes as allowed and not one more", async () => {
    await writePrivateFile(path, "x".repeat(100));
    expect(await readPrivateFile(path, 100)).toHaveLength(100);
    await expect(readPrivateFile(path, 99)).rejects.toEqual(unreadable("it is too long"));
  });

  it("refuses what is not UTF-8", async () => {
    await writeFile(path, Buffer.from([0x7b, 0xff, 0x7d]), { mode: 0o600 });
    await expect(readPrivateFile(path, 100)).rejects.toEqual(unreadable("ERR_ENCODING_INVALID_ENCODED_DATA"));
  });

  it("refuses directories, links and pipes, and does not hang on them", async () => {
    await mkdir(join(folder, "directory"));
    await writeFile(path, "text", { mode: 0o600 });
    await symlink(path, join(folder, "link"));
    execFileSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
    await expect(readPrivateFile(join(folder, "directory"), 100)).rejects.toEqual(unreadable("not a regular file"));
    await expect(readPrivateFile(join(folder, "link"), 100)).rejects.toEqual(unreadable("ELOOP"));
    await expect(readPrivateFile(join(folder, "pipe"), 100)).rejects.toEqual(unreadable("not a regular file"));
  });

  it.each([0o620, 0o602, 0o666])("refuses a file that others could have written, mode %o", async (mode) => {
    await writeFile(path, "text");
    await chmod(path, mode);
    await expect(readPrivateFile(path, 100)).rejects.toEqual(unreadable("other users may write to it"));
  });

  it.each([0o770, 0o707, 0o1777])(
    "refuses a directory that others may write to, mode %o, file or none",
    async (mode) => {
      await chmod(folder, mode);
      await expect(readPrivateFile(path, 100)).rejects.toEqual(unreadable("other users may write to it"));
      await writeFile(path, "text", { mode: 0o600 });
      await expect(readPrivateFile(path, 100)).rejects.toEqual(unreadable("other users may write to it"));
    },
  );

  it.each([
    ["ours", 1000, undefined],
    ["root's", 0, undefined],
    ["another user's", 1001, "it belongs to another user"],
  ])("goes by the owner: %s", (_, uid, reason) => {
    expect(foreignHand({ uid, mode: 0o100600 }, 1000)).toBe(reason);
  });
});
