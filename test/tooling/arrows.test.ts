import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cruiser = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
const sources = ["packages/shared/src", "packages/server/src", "packages/client/src"];

/** The rule that must speak up, the file that imports, and what it imports: a file of the tree, or a name. */
type Arrow = readonly [rule: string, from: string, to: string];

const server = (from: string, to: string): Arrow => [
  `server-${posix.dirname(from)}`,
  `packages/server/src/${from}`,
  `packages/server/src/${to}`,
];
const client = (from: string, to: string): Arrow => [
  `client-${posix.dirname(from)}`,
  `packages/client/src/${from}`,
  `packages/client/src/${to}`,
];

const reversed: readonly Arrow[] = [
  server("storage/a.ts", "barrier/x.ts"),
  server("barrier/a.ts", "records/x.ts"),
  server("barrier/b.ts", "identity/x.ts"),
  server("records/a.ts", "services/x.ts"),
  server("records/b.ts", "storage/x.ts"),
  server("services/a.ts", "wire/x.ts"),
  server("services/b.ts", "http/x.ts"),
  server("services/c.ts", "web/x.ts"),
  server("services/d.ts", "cli/x.ts"),
  server("services/e.ts", "storage/x.ts"),
  server("services/f.ts", "store.ts"),
  server("identity/a.ts", "records/x.ts"),
  server("wire/a.ts", "http/x.ts"),
  server("wire/b.ts", "storage/x.ts"),
  server("wire/c.ts", "server.ts"),
  server("http/a.ts", "wire/x.ts"),
  server("http/b.ts", "storage/x.ts"),
  server("web/a.ts", "wire/x.ts"),
  server("web/b.ts", "storage/x.ts"),
  server("http/e.ts", "web/x.ts"),
  server("services/g.ts", "outward/x.ts"),
  server("outward/a.ts", "services/x.ts"),
  server("http/d.ts", "outward/x.ts"),
  server("wire/d.ts", "workers/x.ts"),
  server("workers/a.ts", "services/x.ts"),
  server("cli/a.ts", "wire/x.ts"),
  server("cli/b.ts", "storage/x.ts"),
  server("proxy-protocol/a.ts", "services/x.ts"),
  server("proxy-protocol/b.ts", "wire/x.ts"),
  server("services/h.ts", "proxy-protocol/x.ts"),
  server("mail/a.ts", "services/x.ts"),
  server("services/g.ts", "mail/x.ts"),
  server("http/c.ts", "mail/x.ts"),
  ["server-plain", "packages/server/src/a.ts", "packages/server/src/services/x.ts"],
  ["server-plain", "packages/server/src/b.ts", "packages/server/src/server.ts"],
  ["server-unknown-room", "packages/server/src/cellar/a.ts", "packages/server/src/log.ts"],

  client("flows/a.ts", "cli/x.ts"),
  client("connection/a.ts", "flows/x.ts"),
  client("connection/b.ts", "terminal/x.ts"),
  client("connection/c.ts", "cli/x.ts"),
  client("trust/a.ts", "terminal/x.ts"),
  client("trust/b.ts", "cli/x.ts"),
  client("trust/c.ts", "connection/x.ts"),
  client("terminal/a.ts", "flows/x.ts"),
  client("session/a.ts", "connection/x.ts"),
  client("flows/b.ts", "main.ts"),
  ["client-plain", "packages/client/src/a.ts", "packages/client/src/trust/x.ts"],
  ["client-unknown-room", "packages/client/src/cellar/a.ts", "packages/client/src/paths.ts"],

  ["packages-apart", "packages/server/src/c.ts", "packages/client/src/paths.ts"],
  ["packages-apart", "packages/client/src/b.ts", "packages/server/src/log.ts"],
  ["packages-apart", "packages/shared/src/a.ts", "packages/server/src/log.ts"],
  ["packages-apart", "packages/shared/src/b.ts", "packages/client/src/paths.ts"],
  ["packages-apart", "packages/client/src/c.ts", "@postern/server/log"],
  ["shared-by-name", "packages/server/src/d.ts", "packages/shared/src/x.ts"],
  ["shared-by-name", "packages/client/src/d.ts", "packages/shared/dist/x.js"],
  ["resolvable", "packages/client/src/e.ts", "@postern/shared/dist/x.js"],

  ...["net", "tls", "http", "https", "http2", "dgram", "fs", "fs/promises", "child_process"].flatMap(
    (builtin, number): readonly Arrow[] => [
      ["shared-pure", `packages/shared/src/otp/builtin-${number}.ts`, `node:${builtin}`],
      ["rules-pure", `packages/server/src/services/builtin-${number}.ts`, `node:${builtin}`],
      ["rules-pure", `packages/server/src/records/builtin-${number}.ts`, `node:${builtin}`],
    ],
  ),
  ["shared-no-prompts", "packages/shared/src/c.ts", "inquirer"],
];

const allowed: readonly Arrow[] = [
  server("barrier/a.ts", "storage/x.ts"),
  server("records/a.ts", "barrier/x.ts"),
  server("services/a.ts", "records/x.ts"),
  server("services/b.ts", "identity/x.ts"),
  server("services/c.ts", "log.ts"),
  server("wire/a.ts", "services/x.ts"),
  server("http/a.ts", "services/x.ts"),
  server("web/a.ts", "services/x.ts"),
  server("cli/a.ts", "services/x.ts"),
  server("cli/b.ts", "server.ts"),
  ["", "packages/server/src/store.ts", "packages/server/src/storage/x.ts"],
  ["", "packages/server/src/server.ts", "packages/server/src/wire/x.ts"],
  ["", "packages/server/src/main.ts", "packages/server/src/cli/x.ts"],
  ["", "packages/server/src/wire/b.ts", "@postern/shared/x"],
  ["", "packages/server/src/wire/c.ts", "node:tls"],
  ["", "packages/server/src/storage/a.ts", "node:fs"],
  client("cli/a.ts", "flows/x.ts"),
  client("flows/a.ts", "connection/x.ts"),
  client("connection/a.ts", "trust/x.ts"),
  ["", "packages/client/src/terminal/a.ts", "@postern/shared/x"],
  ["", "packages/shared/src/terminal/a.ts", "node:fs"],
  ["", "packages/shared/src/terminal/b.ts", "inquirer"],
];

/** The ways to import a thing, each of which makes an arrow. */
const forms: Readonly<Record<string, (module: string) => string>> = {
  "an import for its effects": (module) => `import "${module}";`,
  "a named import": (module) => `import { x } from "${module}";\nexport const y = x;`,
  "an import of a type": (module) => `import type { X } from "${module}";\nexport type Y = X;`,
  "an export of another file's names": (module) => `export { x } from "${module}";`,
  "an import when needed": (module) => `export const y = () => import("${module}");`,
  "an import in a file that says `using`": (module) =>
    `import { x } from "${module}";\nexport function f(): unknown {\n  using y = x;\n  return y;\n}`,
  "an import within `using`": (module) =>
    `export async function f(): Promise<unknown> {\n  using y = await import("${module}");\n  return y;\n}`,
};

interface Cruise {
  readonly modules: readonly { source: string; dependencies: readonly { module: string; resolved: string }[] }[];
  readonly summary: {
    readonly error: number;
    readonly violations: readonly { rule: { name: string }; from: string; to: string }[];
  };
}

const trees: string[] = [];

/** A folder that looks like the workspace, with an empty file for each that is imported. */
function plant(files: Readonly<Record<string, string>>): string {
  const tree = mkdtempSync(join(tmpdir(), "postern-arrows-"));
  trees.push(tree);
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  for (const source of sources) mkdirSync(join(tree, source), { recursive: true });
  cpSync(join(root, "packages/shared/package.json"), join(tree, "packages/shared/package.json"));
  write("packages/shared/dist/x.js", "export const x = undefined;");
  write("node_modules/inquirer/package.json", '{ "name": "inquirer", "main": "index.js" }');
  write("node_modules/inquirer/index.js", "");
  mkdirSync(join(tree, "node_modules/@postern"));
  symlinkSync("../../packages/shared", join(tree, "node_modules/@postern/shared"));
  for (const [path, text] of Object.entries(files)) write(path, text);
  return tree;
}

/** The files of some arrows, their targets included. */
function filesOf(arrows: readonly Arrow[], form: (module: string) => string): Record<string, string> {
  const targets = arrows.map(([, , to]) => to).filter((to) => to.startsWith("packages/"));
  return {
    ...Object.fromEntries(targets.map((to) => [to, "export const x = undefined;\nexport type X = undefined;\n"])),
    ...Object.fromEntries(arrows.map(([, from, to]) => [from, `${form(specifier(from, to))}\n`])),
  };
}

function specifier(from: string, to: string): string {
  if (!to.startsWith("packages/")) return to;
  const path = posix.relative(posix.dirname(from), to).replace(/\.ts$/, ".js");
  return path.startsWith(".") ? path : `./${path}`;
}

function run(folder: string, reporter: "json" | "err"): { status: number | null; stdout: string } {
  const config = join(root, ".dependency-cruiser.cjs");
  const parameters = [cruiser, "--config", config, "--output-type", reporter, ...sources];
  const { status, stdout, stderr } = spawnSync(process.execPath, parameters, {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (stderr.includes("ERROR")) throw new Error(stderr);
  return { status, stdout };
}

function cruise(folder: string): Cruise {
  return JSON.parse(run(folder, "json").stdout);
}

function saidOf(result: Cruise, file: string): string[] {
  return result.summary.violations.filter(({ from }) => from === file).map(({ rule }) => rule.name);
}

afterAll(() => {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true });
});

describe("the check of the arrows", () => {
  describe("catches each arrow that is turned around", () => {
    let result: Cruise;
    beforeAll(() => {
      result = cruise(plant(filesOf(reversed, (module) => `import "${module}";`)));
    });

    it.each(reversed)("%s: %s imports %s", (rule, from) => {
      expect(saidOf(result, from)).toContain(rule);
    });
  });

  describe("catches it however it is written", () => {
    const inForm = Object.values(forms).map((form, number) => ({
      form,
      arrow: server(`services/form-${number}.ts`, "wire/x.ts"),
    }));
    let result: Cruise;
    beforeAll(() => {
      const files = inForm.map(({ form, arrow }) => filesOf([arrow], form));
      result = cruise(plant(Object.assign({}, ...files)));
    });

    it.each(Object.keys(forms).map((name, number) => [name, number] as const))("%s", (_, number) => {
      expect(saidOf(result, `packages/server/src/services/form-${number}.ts`)).toEqual(["server-services"]);
    });
  });

  it("catches a cycle, also of types alone", () => {
    const result = cruise(
      plant({
        "packages/shared/src/a.ts": 'import "./b.js";\n',
        "packages/shared/src/b.ts": 'import "./a.js";\n',
        "packages/server/src/services/a.ts": 'import type { B } from "./b.js";\nexport type A = B;\n',
        "packages/server/src/services/b.ts": 'import type { A } from "./a.js";\nexport type B = A;\n',
      }),
    );
    expect(saidOf(result, "packages/shared/src/a.ts")).toEqual(["no-cycle"]);
    expect(saidOf(result, "packages/server/src/services/a.ts")).toEqual(["no-cycle"]);
  });

  it("lets pass what points the right way, and has seen it", () => {
    const result = cruise(plant(filesOf(allowed, (module) => `import "${module}";`)));
    expect(result.summary.violations).toEqual([]);
    const seen = result.modules.flatMap(({ source, dependencies }) => dependencies.map(() => source));
    expect(seen).toEqual(expect.arrayContaining(allowed.map(([, from]) => from)));
  });

  it("fails as a command", () => {
    const { status, stdout } = run(plant(filesOf(reversed.slice(0, 1), (module) => `import "${module}";`)), "err");
    expect(status).not.toBe(0);
    expect(stdout).toContain("server-storage");
  });
});

describe("this workspace", () => {
  it("keeps the arrows", () => {
    const { summary, modules } = cruise(root);
    expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual([]);
    expect(modules.length).toBeGreaterThan(50);
  });
});
