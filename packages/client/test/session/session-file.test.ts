import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseServerAddress } from "@postern/shared/server-address";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Paths, pathsFrom } from "../../src/paths.js";
import {
  checkSessionFile,
  dropSession,
  forgetSession,
  keepSession,
  keptSession,
} from "../../src/session/session-file.js";

let home: string;
let paths: Paths;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "postern-sessions-"));
  paths = pathsFrom({ HOME: home });
});
afterEach(() => rm(home, { recursive: true }));

const server = (index: number) => parseServerAddress(`server-${index}.example`);
const session = (secret: string) => ({ name: "alice", secret, fingerprint: "SHA256:of-its-server" });

describe("kept sessions", () => {
  it("of many servers, kept at one moment, are all there afterwards, and no lock is", async () => {
    const all = Array.from({ length: 12 }, (_, index) => index);
    await Promise.all(all.map((index) => keepSession(paths, server(index), session(`secret ${index}`))));
    const kept = await Promise.all(all.map((index) => keptSession(paths, server(index))));
    expect(kept).toEqual(all.map((index) => session(`secret ${index}`)));
    expect(await readdir(paths.state)).toEqual(["sessions.json"]);
  });

  it("are dropped only when they are the one that ended", async () => {
    await keepSession(paths, server(1), session("newer"));
    await dropSession(paths, server(1), session("ended"));
    expect(await keptSession(paths, server(1))).toEqual(session("newer"));
    await dropSession(paths, server(1), session("newer"));
    await expect(keptSession(paths, server(1))).rejects.toMatchObject({ code: "not_logged_in" });
  });

  it("are forgotten for one server, and stay for the others", async () => {
    await keepSession(paths, server(1), session("one"));
    await keepSession(paths, server(2), session("two"));
    await forgetSession(paths, server(1));
    await expect(keptSession(paths, server(1))).rejects.toMatchObject({ code: "not_logged_in" });
    expect(await keptSession(paths, server(2))).toEqual(session("two"));
  });

  it("without the identity that gave them count as none: they could be shown to anybody", async () => {
    await keepSession(paths, server(1), session("one"));
    const file = join(paths.state, "sessions.json");
    await writeFile(file, (await readFile(file, "utf8")).replace("fingerprint", "print"));
    await expect(keptSession(paths, server(1))).rejects.toMatchObject({ code: "not_logged_in" });
  });
});

describe("the check before a code is spent", () => {
  it("passes where there is nothing yet, and leaves no lock", async () => {
    await checkSessionFile(paths);
    expect(await readdir(paths.state)).toEqual([]);
  });

  it("fails where a file stands in the folder's place", async () => {
    await mkdir(join(home, ".local", "state"), { recursive: true });
    await writeFile(paths.state, "");
    await expect(checkSessionFile(paths)).rejects.toMatchObject({ code: "file_unwritable" });
  });

  it("fails where others may write to the folder or the file", async () => {
    await keepSession(paths, server(1), session("one"));
    await chmod(join(paths.state, "sessions.json"), 0o666);
    await expect(checkSessionFile(paths)).rejects.toMatchObject({ code: "file_unreadable" });
    await chmod(paths.state, 0o777);
    await expect(checkSessionFile(paths)).rejects.toMatchObject({ code: "file_unwritable" });
  });
});
