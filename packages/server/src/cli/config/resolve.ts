import { PosternError } from "@postern/shared/errors";
import { type Command, Option } from "commander";
import type { ConfigFile } from "./file.js";
import { attributeOf, flagsOf, type OptionFacts, variableOf } from "./options.js";

/** Where the value of an option is from. Each one wins over those behind it. */
export type Source =
  | { readonly from: "flag" }
  | { readonly from: "environment"; readonly variable: string }
  | { readonly from: "file"; readonly path: string; readonly line: number }
  | { readonly from: "default" };

export interface Resolved {
  readonly facts: OptionFacts;
  /** As its flag takes it; true for a switch that is on. Undefined: not given, and no default. */
  readonly value: string | true | undefined;
  readonly source: Source;
}

export interface Resolution {
  /** The file that was read, if any. */
  readonly file: string | undefined;
  readonly options: readonly Resolved[];
}

const tables = new WeakMap<Command, readonly OptionFacts[]>();
const resolutions = new WeakMap<Command, Resolution>();

/** Commands that settle their options themselves, and tell what comes of it in their own way. */
const bySelf = new WeakSet<Command>();

/** Gives a command these options, and `--config`. */
export function withOptions(
  command: Command,
  table: readonly OptionFacts[],
  { settled = "before" }: { readonly settled?: "before" | "by-itself" } = {},
): Command {
  for (const facts of table) {
    const { what, choices, fallback, unset, value } = facts;
    const inWords = value === undefined || unset === undefined ? what : `${what} (else: ${unset})`;
    const option = new Option(flagsOf(facts), inWords).env(variableOf(facts));
    if (choices !== undefined) option.choices(choices);
    if (fallback !== undefined) option.default(fallback);
    command.addOption(option);
  }
  if (!tables.has(command)) {
    command.addOption(new Option("--config <file|off>", "read options from this file").env("POSTERND_CONFIG"));
  }
  if (settled === "by-itself") bySelf.add(command);
  tables.set(command, [...(tables.get(command) ?? []), ...table]);
  return command;
}

/** What is done in front of every command. Gives warnings. @throws PosternError as `resolveOptions` */
export async function settleBefore(command: Command): Promise<readonly string[]> {
  return bySelf.has(command) ? [] : resolveOptions(command);
}

/**
 * Settles the options of a command that is about to run: flags over POSTERND_* over the file over defaults.
 * @throws PosternError `config_invalid`, `file_unreadable`; `usage` and its kin for a value that its option does not
 *   take, naming where it stands unless that is the command line
 */
export async function resolveOptions(
  command: Command,
  env: NodeJS.ProcessEnv = process.env,
): Promise<readonly string[]> {
  const table = tables.get(command);
  if (table === undefined) return [];
  const file = await readFileOf(command, env);
  const options = table.map((facts) => settle(command, facts, { env, file }));
  for (const option of options) await check(option);
  resolutions.set(command, { file: file?.path, options });
  return file?.warnings ?? [];
}

/** What `resolveOptions` found for this command. */
export function resolutionOf(command: Command): Resolution {
  const resolution = resolutions.get(command);
  if (resolution === undefined) throw new PosternError("bug", { detail: "the options are not settled" });
  return resolution;
}

/**
 * One option of a command that runs, settled anew: the file may say something else by now.
 * @throws PosternError as `resolveOptions`
 */
export async function reread(command: Command, key: string, env: NodeJS.ProcessEnv = process.env): Promise<Resolved> {
  const facts = tables.get(command)?.find((option) => option.key === key);
  if (facts === undefined) throw new PosternError("bug", { detail: `no option ${key}` });
  const settled = settle(command, facts, { env, file: await readFileOf(command, env) });
  await check(settled);
  return settled;
}

async function readFileOf(command: Command, env: NodeJS.ProcessEnv): Promise<ConfigFile | undefined> {
  const { configPath, readConfigFile } = await import("./file.js");
  const place = configPath(command.opts<{ config?: string }>().config, env);
  return place && readConfigFile(place);
}

interface Places {
  readonly env: NodeJS.ProcessEnv;
  readonly file: ConfigFile | undefined;
}

function settle(command: Command, facts: OptionFacts, { env, file }: Places): Resolved {
  const attribute = attributeOf(facts);
  const variable = variableOf(facts);
  const given = command.getOptionValueSource(attribute);
  if (given === "cli") return { facts, value: command.getOptionValue(attribute), source: { from: "flag" } };
  if (given === "env") {
    const value = facts.value === undefined ? switchOf(variable, env[variable]) : command.getOptionValue(attribute);
    command.setOptionValueWithSource(attribute, value, "env");
    return { facts, value, source: { from: "environment", variable } };
  }
  const setting = file?.settings.get(facts.key);
  if (file !== undefined && setting !== undefined) {
    command.setOptionValueWithSource(attribute, setting.value, "config");
    return { facts, value: setting.value, source: { from: "file", path: file.path, line: setting.line } };
  }
  return { facts, value: facts.fallback, source: { from: "default" } };
}

/** commander takes any text for a switch that is on. */
function switchOf(variable: string, text: string | undefined): true | undefined {
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0" || text === "") return undefined;
  throw new PosternError("usage", { detail: `${variable} takes true or false` });
}

async function check({ facts, value, source }: Resolved): Promise<void> {
  if (typeof value !== "string" || source.from === "default") return;
  try {
    await facts.check?.(value);
  } catch (thrown) {
    if (!(thrown instanceof PosternError) || source.from === "flag") throw thrown;
    const where = source.from === "file" ? `${source.path}:${source.line}` : source.variable;
    const detail = thrown.detail === undefined ? where : `${where}: ${thrown.detail}`;
    throw new PosternError(thrown.code, { detail, cause: thrown });
  }
}
