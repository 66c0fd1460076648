import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ScratchWorkspace } from "./scratch-workspace.js";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

let workspace: ScratchWorkspace;

beforeEach(() => {
  workspace = new ScratchWorkspace();
});

afterEach(() => {
  workspace.close();
});

describe("npm run setup", () => {
  it("installs with the pnpm that package.json names, then builds and bundles", async () => {
    const { code, stdout, stderr } = await workspace.setUp().ended;
    expect(code).toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^installing dependencies… .*\n(building…\n)?$/);
    expect(workspace.npxCalls).toHaveLength(1);
    expect(workspace.npxCalls[0]?.args).toEqual(
      expect.arrayContaining([manifest.packageManager, "install", "--frozen-lockfile", "--prefer-offline"]),
    );
    expect(workspace.tscCalls).toEqual(["-b"]);
    expect(workspace.rolldownCalls).toEqual(
      ["client", "server"].map((name) => join(workspace.folder, `packages/${name}/dist/main.js`)),
    );
  });

  it("installs nothing and says nothing when all is in step", async () => {
    await workspace.setUp().ended;
    const { code, stdout, stderr } = await workspace.setUp().ended;
    expect({ code, stdout, said: stderr.replace("building…\n", "") }).toEqual({ code: 0, stdout: "", said: "" });
    expect(workspace.npxCalls).toHaveLength(1);
    expect(workspace.tscCalls).toEqual(["-b", "-b"]);
    expect(workspace.rolldownCalls).toHaveLength(2);
  });

  it.each([
    ["compiled", "packages/shared/dist/.tsbuildinfo"],
    ["named", "packages/client/package.json"],
    ["bundled otherwise", "scripts/bundles.mjs"],
  ])("bundles anew what has been %s since, and only then", async (_, path) => {
    await workspace.setUp().ended;
    workspace.write(path, `${workspace.read(path)}\n`);
    for (let i = 0; i < 2; i++) expect((await workspace.setUp().ended).code).toBe(0);
    expect(workspace.rolldownCalls).toHaveLength(4);
  });

  it("leaves the files of four builds before, of which a program may run, and no more", async () => {
    for (const part of ["a", "b", "c", "d", "e", "f"]) {
      workspace.write("rolldown-says", part);
      workspace.write("packages/server/dist/.tsbuildinfo", part);
      expect((await workspace.setUp().ended).code).toBe(0);
      expect(workspace.read("packages/client/bundle/main.js")).toContain(`import "./${part}.js"`);
    }
    const there = readdirSync(join(workspace.folder, "packages/client/bundle"));
    expect(there.sort()).toEqual(["LICENSES.txt", "b.js", "c.js", "d.js", "e.js", "f.js", "files.json", "main.js"]);
  });

  it.each(["fail it makes no sense", "half"])("never puts a bundle in place that came to this: %s", async (says) => {
    await workspace.setUp().ended;
    const entry = "packages/client/bundle/main.js";
    const before = workspace.read(entry);
    workspace.write("packages/server/dist/.tsbuildinfo", "something else");
    workspace.write("rolldown-says", says);
    const { code, stderr } = await workspace.setUp().ended;
    expect(code).toBe(1);
    expect(stderr).toContain("\nerror: the programs could not be bundled\nhint: ");
    if (says !== "half") expect(stderr).toContain("it makes no sense\n");
    expect(workspace.read(entry)).toBe(before);

    workspace.remove("rolldown-says");
    expect((await workspace.setUp().ended).code).toBe(0);
    expect(workspace.read(entry)).not.toBe(before);
  });

  it("installs again when the lockfile has changed", async () => {
    await workspace.setUp().ended;
    workspace.write("pnpm-lock.yaml", "lockfileVersion: '9.1'\n");
    expect((await workspace.setUp().ended).code).toBe(0);
    expect(workspace.npxCalls).toHaveLength(2);
  });

  it("installs what the build needs under NODE_ENV=production too", async () => {
    await workspace.setUp({ NODE_ENV: "production" }).ended;
    expect(workspace.npxCalls).toHaveLength(1);
    expect(workspace.npxCalls[0]).not.toHaveProperty("NODE_ENV");
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("cut short by %s takes its installer along, and the next run installs again", async (signal, exit) => {
    workspace.npxSays("hang");
    const first = workspace.setUp();
    await first.hasCalledNpx();
    first.kill(signal);
    // It ends when all that hold its pipes have ended; the installer would never by itself.
    const { code, stderr } = await first.ended;
    expect(code).toBe(exit);
    expect(stderr).toContain("error: interrupted\nhint: ");
    expect(workspace.tscCalls).toEqual([]);

    workspace.remove("npx-says");
    expect((await workspace.setUp().ended).code).toBe(0);
    expect(workspace.npxCalls).toHaveLength(2);
  });

  it("killed by SIGKILL leaves a lock that the next run takes over, and the next run installs again", async () => {
    workspace.npxSays("hang");
    const first = workspace.setUp();
    await first.hasCalledNpx();
    first.kill("SIGKILL");
    workspace.remove("npx-says");
    expect((await first.ended).signal).toBe("SIGKILL");

    const { code, stderr } = await workspace.setUp().ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain("waiting");
    expect(workspace.npxCalls).toHaveLength(2);
  });

  it("waits for another one that runs in the same folder, and repeats none of its work", async () => {
    workspace.npxSays("hang");
    const first = workspace.setUp();
    await first.hasCalledNpx();
    const others = Array.from({ length: 4 }, () => workspace.setUp());
    await Promise.all(others.map((other) => other.says("waiting for process")));
    workspace.remove("npx-says");
    const ends = await Promise.all([first, ...others].map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(workspace.npxCalls).toHaveLength(1);
  });

  it.each([
    ["npm error code EAI_AGAIN", "is the network there?"],
    ["ERR_PNPM_META_FETCH_FAIL  error sending request: client error (Connect): dns error", "is the network there?"],
    ["ENOSPC: no space left on device, write", "the disk is full"],
    ["No space left on device (os error 28)", "the disk is full"],
    ["EACCES: permission denied, mkdir '/root/.npm'", "this user may not write"],
    ["Error: ERR_PNPM_OUTDATED_LOCKFILE", "`npx pnpm install`"],
  ])("says what to do when the install fails of: %s", async (failure, hint) => {
    workspace.npxSays(`fail ${failure}`);
    const { code, stderr } = await workspace.setUp().ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`${failure}\nerror: the dependencies could not be installed\nhint: `);
    expect(stderr).toContain(hint);
    expect(workspace.tscCalls).toEqual([]);
  });

  it("says what to do when there is no npx", async () => {
    workspace.remove("bin/npx");
    const { code, stderr } = await workspace.setUp({ PATH: workspace.folder }).ended;
    expect(code).toBe(1);
    expect(stderr).toContain("error: npx was not found\nhint: install npm");
  });

  it("shows what the compiler says on stderr, and fails", async () => {
    await workspace.setUp().ended;
    workspace.write("tsc-says", "a.ts(1,1): error TS0000: that is no program");
    const { code, stdout, stderr } = await workspace.setUp().ended;
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("TS0000: that is no program\n");
    expect(stderr).toContain("error: the workspace could not be built\n");
  });
});

describe("the check of Node's version", () => {
  const check = (version: string) => {
    const module = fileURLToPath(new URL("../../scripts/node-version.mjs", import.meta.url));
    const code = `import(${JSON.stringify(module)}).then(({ requireNode }) => requireNode("${version}"))`;
    return spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
  };
  const [, major = "", minor = ""] = /^>=(\d+)\.(\d+)$/.exec(manifest.engines.node) ?? [];

  it.each([`${major}.${minor}.0`, `${major}.${Number(minor) + 1}.0`, `${Number(major) + 1}.0.0`, "100.0.0"])(
    "lets %s pass",
    (version) => {
      expect(check(version)).toMatchObject({ status: 0, stderr: "" });
    },
  );

  it.each([`${major}.${Number(minor) - 1}.9`, `${Number(major) - 1}.99.0`, "8.17.0"])("refuses %s", (version) => {
    const { status, stderr } = check(version);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `error: Postern needs Node ${major}.${minor} or newer, and this is Node ${version}\n` +
        "hint: install a newer one from https://nodejs.org, or by your version manager\n",
    );
  });
});
