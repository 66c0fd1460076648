import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { factsOf, withDescendants } from "@postern/shared/terminal/commands/tree";
import { createOutput } from "@postern/shared/terminal/output";
import { afterAll, describe, expect, it } from "vitest";
import { buildProgram } from "../../packages/server/src/cli/program.js";

/** The systemd unit. What runs it is not here; systemd's own judgement of it is, where that is installed. */

const packaging = fileURLToPath(new URL("../../packaging/", import.meta.url));
const unit = readFileSync(join(packaging, "systemd/posternd.service"), "utf8");

/** All that a directive is set to, in their order. */
const settings = (name: string) =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value ?? "");

const analyze = (...parameters: readonly string[]) => spawnSync("systemd-analyze", parameters, { encoding: "utf8" });
const installed = analyze("--version").error === undefined;
if (!installed) console.info("systemd-analyze is not installed: its judgement of the unit is not asked");

const scratch = mkdtempSync(join(tmpdir(), "postern-unit-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.runIf(installed)("systemd", () => {
  it("finds nothing wrong with the unit, and does find what is", () => {
    const stub = join(scratch, "bin/node");
    mkdirSync(join(scratch, "bin"));
    writeFileSync(stub, "#!/bin/sh\n");
    chmodSync(stub, 0o755);
    const there = unit.replaceAll("/opt/postern/", `${scratch}/`);
    expect(verified(there)).toEqual([]);
    expect(verified(there.replace("ProtectHome", "ProtectHouse"))).toHaveLength(1);
  });

  it("gives the unit an exposure below 2.0", () => {
    const { status, stdout, stderr } = analyze(
      "security",
      "--offline=true",
      "--threshold=20",
      "--no-pager",
      join(packaging, "systemd/posternd.service"),
    );
    expect(stdout + stderr).toMatch(/Overall exposure level.* [01]\.\d/);
    expect(status).toBe(0);
  });
});

describe("the systemd unit", () => {
  it("starts a server whose options and variables there are", () => {
    const [command = ""] = settings("ExecStart");
    const [, , ...words] = command.split(" ");
    const { stdout, stderr } = process;
    const program = buildProgram(createOutput({ json: false, stdout, stderr, env: {} }));
    const options = withDescendants(factsOf(program)).find(({ path }) => path[0] === "start")?.options ?? [];
    const names = (text: string) => [...text.matchAll(/POSTERND_\w+/g)].map(([name]) => name);
    expect(options.map(({ variable }) => variable)).toEqual(expect.arrayContaining(names(unit)));
    program.commands.find((one) => one.name() === "start")?.action(() => undefined);
    expect(() => program.parse(words, { from: "user" })).not.toThrow();
    expect(command).toMatch(/--init --no-input --admin-password-file \$\{CREDENTIALS_DIRECTORY\}\/admin-password$/);
    expect(settings("LoadCredential")).toEqual(["admin-password:/etc/postern/admin.password"]);
  });

  it("runs as the user, and keeps its data in the folder, that sysusers and tmpfiles make", () => {
    const sysusers = readFileSync(join(packaging, "systemd/postern.sysusers.conf"), "utf8");
    const tmpfiles = readFileSync(join(packaging, "systemd/postern.tmpfiles.conf"), "utf8");
    expect(settings("User")).toEqual(["postern"]);
    expect(sysusers).toMatch(/^u postern - ".*" \/var\/lib\/postern$/m);
    expect(tmpfiles).toMatch(/^d \/var\/lib\/postern +0700 postern postern -$/m);
    expect(tmpfiles).toMatch(/^z \/etc\/postern\/admin\.password +0600 root +root +-$/m);
  });

  it("gives a server that stops more time than it takes to answer what is under way", () => {
    expect(Number(settings("TimeoutStopSec")[0])).toBeGreaterThan(30);
  });

  it("lets Node.js compile, and sodium lock its keys, but no core file have them", () => {
    expect(settings("MemoryDenyWriteExecute")).toEqual([]);
    expect(settings("SystemCallFilter")[0]).toContain("@system-service");
    expect(settings("SystemCallFilter").slice(1).join(" ")).not.toContain("@memlock");
    expect(settings("LimitMEMLOCK")).toEqual(["16M"]);
    expect(settings("LimitCORE")).toEqual(["0"]);
  });
});

describe("packaging/install.sh", () => {
  const install = (...parameters: readonly string[]) =>
    spawnSync("sh", [join(packaging, "install.sh"), ...parameters], { encoding: "utf8", cwd: scratch });

  it.each([
    [["--prefix"], "--prefix takes a value"],
    [["--colour"], "unknown option --colour"],
    [["one.tgz"], "three tarballs are installed together"],
    [["--destdir", "d", "a.tgz", "b.tgz", "c.tgz"], "a.tgz cannot be read"],
    [["--prefix", "opt", "a", "b", "c"], "--prefix takes a path from the root on"],
    [["--prefix", "/opt/a b", "a", "b", "c"], "--prefix and --destdir take letters"],
  ])("refuses %j before it changes anything", (parameters, message) => {
    const { status, stderr } = install(...parameters);
    expect(status).toBe(1);
    expect(stderr).toContain(`error: ${message}`);
  });

  it("refuses a Node.js that is too old, or none", () => {
    const old = join(scratch, "old-node");
    writeFileSync(old, `#!/bin/sh\n[ "$1" = -p ] && echo ${old} && exit 0\nexit 1\n`, { mode: 0o755 });
    for (const name of ["a", "b", "c"]) writeFileSync(join(scratch, name), "");
    const refused = install("--destdir", "d", "--node", old, "--prefix", join(scratch, "p"), "a", "b", "c");
    expect(refused.stderr).toContain("is older than 20.19");
    const absent = install("--destdir", "d", "--node", join(scratch, "no-node"), "a", "b", "c");
    expect(absent.stderr).toContain("does not run");
    expect(absent.status).toBe(1);
  });

  it("explains itself", () => {
    expect(install("--help").stdout).toContain("--destdir DIR");
  });
});

/** What systemd says of a unit that stands in a file. */
function verified(text: string): string[] {
  const file = join(scratch, "posternd.service");
  writeFileSync(file, text);
  const { stderr } = analyze("verify", "--man=no", "--recursive-errors=no", file);
  return stderr.split("\n").filter((line) => line.includes("posternd"));
}
