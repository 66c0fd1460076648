import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What a person does who installs Postern from its packages: this test needs the npm registry. */

const root = fileURLToPath(new URL("../../", import.meta.url));
const { packageManager, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const parent = mkdtempSync(join(tmpdir(), "postern-packing-"));
const packed = join(parent, "packed");
const home = join(parent, "an empty folder");

/** The npm that runs the tests tells its scripts of its own folders; a person's shell knows nothing of them. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD|NODE_ENV)/.test(name)));

function run(folder: string, command: string, ...parameters: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { cwd: folder, env, encoding: "utf8" });
  const output = `${stdout}${stderr}`;
  if (status !== 0) throw new Error(`${command} ${parameters.join(" ")}: ${error?.message ?? output}`);
  return output;
}

afterAll(() => {
  rmSync(parent, { recursive: true, force: true });
});

describe("the packages, packed and installed by npm into an empty folder", () => {
  let tarballs: string[];
  let installed: string;

  beforeAll(() => {
    mkdirSync(packed);
    mkdirSync(home);
    for (const name of ["shared", "server", "client"]) {
      const pack = ["--yes", "--prefer-offline", packageManager, "pack", "--pack-destination", packed];
      run(join(root, "packages", name), "npx", ...pack);
    }
    tarballs = readdirSync(packed).map((name) => join(packed, name));
    installed = run(home, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...tarballs);
  }, 600_000);

  it("are three tarballs with programs and licence, and without sources, tests and build notes", () => {
    expect(tarballs).toHaveLength(3);
    for (const tarball of tarballs) {
      const files = run(packed, "tar", "-tzf", tarball).trim().split("\n");
      expect(files).toContain("package/LICENSE");
      expect(files.filter((file) => !/^package\/(package\.json|LICENSE|README\.md|bin\/|dist\/)/.test(file))).toEqual(
        [],
      );
      expect(files.filter((file) => /tsbuildinfo|\.map$|\.test\./.test(file))).toEqual([]);
    }
  });

  it("bring no part that asks for a newer Node", () => {
    expect(installed).not.toContain("EBADENGINE");
  });

  it.each(["postern", "posternd"])("bring %s, which tells its version", (program) => {
    expect(run(home, "npx", "--no-install", program, "--version").trim()).toContain(version);
  });
});
