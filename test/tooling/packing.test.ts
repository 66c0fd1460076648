import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** What a person does who installs Postern from its packages: this test needs the npm registry. */

const root = fileURLToPath(new URL("../../", import.meta.url));
const { packageManager, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const parent = mkdtempSync(join(tmpdir(), "postern-packing-"));
const packed = join(parent, "packed");
const prefix = join(parent, "opt");
const destdir = join(parent, "root");

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

/** macOS has another man, which does not know --warnings. */
const checkers = [
  { probe: ["mandoc", "-h"], command: "mandoc", options: ["-T", "lint"] },
  { probe: ["man", "--warnings", "--version"], command: "man", options: ["--warnings", "-l", "-Tutf8", "-Z"] },
].filter(({ probe: [command = "", ...options] }) => {
  const { error, status } = spawnSync(command, options);
  return error === undefined && (command === "mandoc" || status === 0);
});
if (checkers.length === 0) console.info("neither mandoc nor man is installed: they do not judge the manual pages");

describe("the packages, packed and installed by packaging/install.sh", () => {
  let tarballs: string[];
  let installed: string;

  beforeAll(() => {
    mkdirSync(packed);
    for (const name of ["shared", "server", "client"]) {
      const pack = ["--yes", "--prefer-offline", packageManager, "pack", "--pack-destination", packed];
      run(join(root, "packages", name), "npx", ...pack);
    }
    tarballs = readdirSync(packed).map((name) => join(packed, name));
    const options = ["--prefix", prefix, "--destdir", destdir, "--node", process.execPath];
    installed = run(parent, "sh", join(root, "packaging/install.sh"), ...options, ...tarballs);
  }, 600_000);

  it("are three tarballs with programs and licence, and without sources, tests and build notes", () => {
    expect(tarballs).toHaveLength(3);
    for (const tarball of tarballs) {
      const files = run(packed, "tar", "-tzf", tarball).trim().split("\n");
      expect(files).toContain("package/LICENSE");
      const known = /^package\/(package\.json|LICENSE|README\.md|bin\/|bundle\/|dist\/|man\/|completions\/)/;
      expect(files.filter((file) => !known.test(file))).toEqual([]);
      const bundled = tarball.includes("shared") ? [] : ["main.js", "LICENSES.txt"];
      expect(files).toEqual(expect.arrayContaining(bundled.map((name) => `package/bundle/${name}`)));
      expect(files.some((file) => file.startsWith("package/dist/"))).toBe(bundled.length === 0);
      expect(files.filter((file) => /tsbuildinfo|\.map$|\.test\./.test(file))).toEqual([]);
    }
  });

  it("bring no part that asks for a newer Node", () => {
    expect(installed).not.toContain("EBADENGINE");
  });

  it.each(["postern", "posternd"])("bring %s, which tells its version", (program) => {
    expect(run(parent, join(destdir, "usr/local/bin", program), "--version").trim()).toBe(version);
  });

  it.each([
    ["postern", "man1/postern.1"],
    ["posternd", "man8/posternd.8"],
  ])("bring %s's manual page and completion to where man and shells look", (program, page) => {
    const share = join(destdir, "usr/local/share");
    const text = readFileSync(join(share, "man", page), "utf8");
    expect(text).toMatch(new RegExp(`^\\.SS ${program} completion <shell>$`, "m"));
    for (const title of ["EXIT STATUS", "ERRORS", "ENVIRONMENT", "FILES"]) expect(text).toContain(`\n.SH ${title}\n`);
    for (const { command, options } of checkers) {
      const { stdout, stderr, status } = spawnSync(command, [...options, join(share, "man", page)], {
        encoding: "utf8",
      });
      expect([status, stderr, command === "mandoc" ? stdout : ""]).toEqual([0, "", ""]);
    }
    expect(existsSync(join(share, "bash-completion/completions", program))).toBe(true);
    expect(existsSync(join(share, "zsh/site-functions", `_${program}`))).toBe(true);
    expect(existsSync(join(share, "fish/vendor_completions.d", `${program}.fish`))).toBe(true);
  });

  it("have npm tell the system of the manual pages", () => {
    const { man, bin } = JSON.parse(readFileSync(join(prefix, "node_modules/@postern/server/package.json"), "utf8"));
    for (const file of [...man, ...Object.values<string>(bin)]) {
      expect(existsSync(join(prefix, "node_modules/@postern/server", file))).toBe(true);
    }
  });

  it("bring the service, which starts the node that was given", () => {
    const unit = readFileSync(join(destdir, "etc/systemd/system/posternd.service"), "utf8");
    const [, node = "", script = ""] = /^ExecStart=(\S+) (\S+)/m.exec(unit) ?? [];
    expect(run(parent, node, script, "--version").trim()).toBe(version);
    expect(unit).not.toContain("/opt/postern/bin");
    for (const file of ["sysusers.d/postern.conf", "tmpfiles.d/postern.conf"]) {
      expect(existsSync(join(destdir, "etc", file))).toBe(true);
    }
  });
});
