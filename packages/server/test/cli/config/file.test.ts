import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configPath, parseConfig, readConfigFile } from "../../../src/cli/config/file.js";
import type { OptionFacts } from "../../../src/cli/config/options.js";

/** What a text is refused with: the code, and where. */
function refusal(text: string): string {
  try {
    parseConfig(text, "p.toml");
    return "taken";
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown;
    return `${thrown.code} ${thrown.detail}`;
  }
}

describe("a configuration file", () => {
  it("gives each option as its flag takes it, and the line where it begins", () => {
    const text = [
      "# a comment",
      "",
      'listen = "0.0.0.0:7465"',
      "init = true",
      "address-limits = [",
      '  "10.0.0.0/8",',
      '  "::1/128",',
      "]",
      '"log-level" = "debug"',
    ].join("\n");
    expect([...parseConfig(text, "p.toml")]).toEqual([
      ["listen", { value: "0.0.0.0:7465", line: 3 }],
      ["init", { value: true, line: 4 }],
      ["address-limits", { value: "10.0.0.0/8,::1/128", line: 5 }],
      ["log-level", { value: "debug", line: 9 }],
    ]);
  });

  it.each([
    ["an unknown key", '\nlissten = "x"', 'config_invalid p.toml:2: unknown key "lissten"; did you mean "listen"?'],
    [
      "another spelling",
      'log_level = "info"',
      'config_invalid p.toml:1: unknown key "log_level"; did you mean "log-level"?',
    ],
    ["a key near to none", 'colour = "red"', 'config_invalid p.toml:1: unknown key "colour"'],
    ["a table", "\n[listen]\nx = 1", 'config_invalid p.toml:2: "listen" takes text in quotes'],
    ["a number for text", "audit-retention = 365", 'config_invalid p.toml:1: "audit-retention" takes text in quotes'],
    ["text for a switch", 'init = "yes"', 'config_invalid p.toml:1: "init" takes true or false'],
    [
      "no choice",
      'registration = "ajar"',
      'config_invalid p.toml:1: "registration" takes one of: open, invite, closed',
    ],
    [
      "an array of numbers",
      "metrics = [1]",
      'config_invalid p.toml:1: "metrics" takes text in quotes, or an array of such',
    ],
    ["an array for one value", 'listen = ["a:1"]', 'config_invalid p.toml:1: "listen" takes text in quotes'],
    ["`__proto__`", '__proto__ = "x"', 'config_invalid p.toml:1: unknown key "__proto__"'],
  ])("is refused for %s, with its line", (_what, text, expected) => {
    expect(refusal(text)).toBe(expected);
  });

  it("is refused for a key that stands twice, and for what is no TOML", () => {
    expect(refusal('listen = "a:1"\nhttp = "off"\nlisten = "b:2"')).toMatch(/^config_invalid p\.toml:3: /);
    expect(refusal("listen = \n")).toMatch(/^config_invalid p\.toml:1: /);
  });

  it("says nothing of a value when it is refused, be it in a broken line", () => {
    for (const text of ['admin-password-file = "canary\n', 'x = "canary"', 'listen = 1 # canary\n"', "canary"]) {
      const found = refusal(text);
      expect(found).toMatch(/^config_invalid/);
      if (text !== "canary") expect(found).not.toContain("canary");
    }
  });
});

describe("the file of options", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "postern-config-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const table: readonly OptionFacts[] = [
    { key: "store-url", value: "<url>", what: "where", secret: true },
    { key: "listen", value: "<a>", what: "where" },
  ];
  const warningsOf = async (text: string, mode: number) => {
    const path = join(folder, "p.toml");
    await writeFile(path, text);
    await chmod(path, mode);
    return (await readConfigFile({ path, required: true }, table))?.warnings;
  };

  it("may be readable by others, unless it holds a secret", async () => {
    expect(await warningsOf('listen = "a:1"', 0o644)).toEqual([]);
    expect(await warningsOf('store-url = "x"', 0o600)).toEqual([]);
    expect(await warningsOf('store-url = "x"', 0o644)).toEqual([expect.stringContaining("holds a secret")]);
  });

  it("is warned of when others can change it: it says which store is opened", async () => {
    expect(await warningsOf('listen = "a:1"', 0o666)).toEqual([expect.stringContaining("can be changed by others")]);
  });

  it("need not be there where nobody named it, and must where somebody did", async () => {
    const path = join(folder, "nowhere.toml");
    expect(await readConfigFile({ path, required: false })).toBeUndefined();
    await expect(readConfigFile({ path, required: true })).rejects.toMatchObject({ code: "file_unreadable" });
    await expect(readConfigFile({ path: folder, required: false })).rejects.toMatchObject({ code: "file_unreadable" });
  });

  it("is the named one, else that of the XDG directory, else none", () => {
    expect(configPath("off", {})).toBeUndefined();
    expect(configPath("/x/y.toml", {})).toEqual({ path: "/x/y.toml", required: true });
    const xdg = { path: "/xdg/postern/posternd.toml", required: false };
    expect(configPath(undefined, { XDG_CONFIG_HOME: "/xdg" })).toEqual(xdg);
    expect(configPath(undefined, { XDG_CONFIG_HOME: "xdg" })?.path).toMatch(/\/\.config\/postern\/posternd\.toml$/);
  });
});
