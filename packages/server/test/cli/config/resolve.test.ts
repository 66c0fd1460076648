import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { createOutput } from "@postern/shared/terminal/output";
import { Command } from "commander";
import { parse } from "smol-toml";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { allOptions, attributeOf, variableOf } from "../../../src/cli/config/options.js";
import { type Resolution, reread, resolutionOf, resolveOptions, withOptions } from "../../../src/cli/config/resolve.js";
import { showConfig } from "../../../src/cli/config/show.js";

let folder = "";
let path = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "postern-config-"));
  path = join(folder, "p.toml");
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

/** A command with all options, parsed and settled. */
async function settled(args: readonly string[], file?: string): Promise<Command> {
  if (file !== undefined) await writeFile(path, file, { mode: 0o600 });
  const command = withOptions(new Command("start").exitOverride(), allOptions).action(() => undefined);
  command.configureOutput({ outputError: () => undefined });
  await command.parseAsync(["--config", file === undefined ? "off" : path, ...args], { from: "user" });
  await resolveOptions(command);
  return command;
}

function valueIn(resolution: Resolution, key: string) {
  const found = resolution.options.find(({ facts }) => facts.key === key);
  return [found?.value, found?.source.from];
}

/** A value for every option that differs from its default, and from that of the other places. */
const other = (key: string, place: "flag" | "environment" | "file"): string => {
  const index = ["flag", "environment", "file"].indexOf(place);
  const port = `127.0.0.1:${index + 1}`;
  const values: Record<string, string> = {
    store: `postgres://${place}@db.test/auth`,
    node: `node-${index}`,
    listen: port,
    workers: `${index + 2}`,
    http: port,
    registration: "closed",
    "public-url": `https://${place}.test`,
    "callback-hosts": `${place}.example`,
    "callback-private": `10.${index}.0.0/16`,
    "address-limits": `10.${index}.0.0/16`,
    metrics: `10.${index}.0.0/16`,
    "page-texts": `/texts-${index}`,
    "proxy-protocol": `198.51.100.${index}/32`,
    "trusted-proxy": `192.0.2.${index}/32`,
    "reply-to-hosts": `${place}.example`,
    "audit-retention": `${index + 1}d`,
    drain: `${index + 1}s`,
    smtp: `smtps://${"abc"[index]}.example`,
    "smtp-from": `${"abc"[index]}@example.org`,
    "log-level": ["error", "warn", "debug"][index] ?? "",
    "log-format": index === 0 ? "json" : "pretty",
  };
  return values[key] ?? `/${place}`;
};

describe("each option", () => {
  const valued = allOptions.filter(({ value }) => value !== undefined);

  it.each(valued.map((facts) => [facts.key, facts] as const))(
    "--%s: its flag wins over its variable, that over the file, and that over the default",
    async (key, facts) => {
      const file = `${key} = "${other(key, "file")}"`;
      const seen = async (args: readonly string[], text?: string) => {
        const command = await settled(args, text);
        const [value, from] = valueIn(resolutionOf(command), key);
        // The command itself is handed the same.
        expect(command.getOptionValue(attributeOf(facts))).toBe(value);
        return [value, from];
      };
      expect(await seen([])).toEqual([facts.fallback, "default"]);
      expect(await seen([], file)).toEqual([other(key, "file"), "file"]);
      vi.stubEnv(variableOf(facts), other(key, "environment"));
      expect(await seen([], file)).toEqual([other(key, "environment"), "environment"]);
      expect(await seen([`--${key}`, other(key, "flag")], file)).toEqual([other(key, "flag"), "flag"]);
    },
  );

  it("--init: a switch that the environment turns off as well as on", async () => {
    expect(valueIn(resolutionOf(await settled([], "init = true")), "init")).toEqual([true, "file"]);
    vi.stubEnv("POSTERND_INIT", "false");
    expect(valueIn(resolutionOf(await settled([], "init = true")), "init")).toEqual([undefined, "environment"]);
    vi.stubEnv("POSTERND_INIT", "maybe");
    await expect(settled([])).rejects.toMatchObject({ code: "usage", detail: "POSTERND_INIT takes true or false" });
  });

  it("with a value that it does not take is refused before anything is done, and says where that stands", async () => {
    const bad = settled([], '\nlisten = "nowhere"');
    await expect(bad).rejects.toMatchObject({ code: "address_invalid", detail: `${path}:2` });
    vi.stubEnv("POSTERND_AUDIT_RETENTION", "1y");
    const detail = expect.stringMatching(/^POSTERND_AUDIT_RETENTION: --audit-retention takes/);
    await expect(settled([])).rejects.toMatchObject({ code: "usage", detail });
  });

  it("has a key, a flag and a variable of its own", () => {
    expect(new Set(allOptions.map(({ key }) => key)).size).toBe(allOptions.length);
    for (const { key } of allOptions) expect(key).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });
});

describe("an option that is read anew", () => {
  it("follows the file, and neither a flag nor a variable gives way", async () => {
    const command = await settled([], 'log-level = "warn"');
    await writeFile(path, 'log-level = "debug"');
    expect((await reread(command, "log-level")).value).toBe("debug");
    await writeFile(path, "");
    expect((await reread(command, "log-level")).value).toBe("info");
    const flagged = await settled(["--log-level", "error"], 'log-level = "warn"');
    expect((await reread(flagged, "log-level")).value).toBe("error");
  });
});

describe("config show", () => {
  const shown = (resolution: Resolution, json: boolean) => {
    let text = "";
    const stdout = new Writable({
      write(chunk, _encoding, done) {
        text += chunk;
        done();
      },
    });
    showConfig(createOutput({ json, stdout, stderr: stdout, env: {} }), resolution);
    return text;
  };

  it("prints a file that says the same, in 80 columns where the values allow it", async () => {
    const file = 'listen = "0.0.0.0:1"\npublic-url = "https://a.test"\n';
    const resolution = resolutionOf(await settled(["--registration", "closed"], file));
    const text = shown(resolution, false);
    expect(text).toMatch(/^listen = "0\.0\.0\.0:1" +# line 1$/m);
    expect(text).toMatch(/^registration = "closed" +# command line$/m);
    expect(text).toMatch(/^# audit-retention: for good$/m);
    const again = resolutionOf(await settled([], text));
    const values = ({ options }: Resolution) => options.map(({ value }) => value).slice(1);
    expect(values(again)).toEqual(values(resolution));
    expect(Object.keys(parse(text))).toContain("data");
    for (const line of text.split("\n").slice(1)) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("never shows a secret, and says that there is one", () => {
    const facts = { key: "store-url", value: "<url>", what: "where", secret: true } as const;
    const resolution: Resolution = {
      file: "p.toml",
      options: [{ facts, value: "postgres://u:canary@h", source: { from: "file", path: "p.toml", line: 1 } }],
    };
    for (const json of [true, false]) expect(shown(resolution, json)).not.toContain("canary");
    expect(shown(resolution, false)).toContain("# store-url: not shown (line 1)");
    expect(JSON.parse(shown(resolution, true))).toMatchObject({
      options: { "store-url": { value: null, masked: true } },
    });
  });
});
