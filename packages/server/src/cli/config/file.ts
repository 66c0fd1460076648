import { type FileHandle, open } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { parse, TomlError } from "smol-toml";
import { nearest } from "./nearest.js";
import { allOptions, type OptionFacts } from "./options.js";

/** What stands in the file for an option, in the form that its flag takes, and in which line. */
export interface Setting {
  readonly value: string | true | undefined;
  readonly line: number;
}

export interface ConfigFile {
  readonly path: string;
  readonly settings: ReadonlyMap<string, Setting>;
  /** What is wrong with how the file is kept. It is used nevertheless. */
  readonly warnings: readonly string[];
}

const MAX_BYTES = 64 * 1024;

/** `--config`, else the file in the XDG configuration directory. XDG Base Directory Specification 0.8. */
export function configPath(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): { readonly path: string; readonly required: boolean } | undefined {
  if (option === "off") return undefined;
  if (option !== undefined && option !== "") return { path: resolve(option), required: true };
  const { XDG_CONFIG_HOME: xdg } = env;
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".config");
  return { path: join(base, "postern", "posternd.toml"), required: false };
}

/**
 * Reads a file of options. Undefined when it is not there, and need not be.
 * @throws PosternError `file_unreadable`; `config_invalid`, naming file and line, and never a value
 */
export async function readConfigFile(
  { path, required }: { readonly path: string; readonly required: boolean },
  table: readonly OptionFacts[] = allOptions,
): Promise<ConfigFile | undefined> {
  const handle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT" && !required) return undefined;
    throw new PosternError("file_unreadable", { detail: `${path}: ${cause.code}`, cause });
  });
  if (handle === undefined) return undefined;
  try {
    const text = await textOf(handle, path);
    const settings = parseConfig(text, path, table);
    return { path, settings, warnings: await warningsAbout(handle, { path, settings, table }) };
  } finally {
    await handle.close();
  }
}

/** @throws PosternError `config_invalid` */
export function parseConfig(
  text: string,
  path: string,
  table: readonly OptionFacts[] = allOptions,
): Map<string, Setting> {
  const settings = new Map<string, Setting>();
  const values = parsed(text, path);
  const lines = linesOf(text);
  for (const [key, value] of Object.entries(values)) {
    const line = lines.get(key) ?? 1;
    const refuse = (why: string) => new PosternError("config_invalid", { detail: `${path}:${line}: ${why}` });
    const facts = table.find((option) => option.key === key);
    if (facts === undefined) throw refuse(unknownKey(key, table));
    settings.set(key, { value: takenBy(facts, value, refuse), line });
  }
  return settings;
}

function parsed(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    // Behind the first line stands a piece of the file, with whatever secret is in it; a cause would show it too.
    const [first = ""] = thrown.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new PosternError("config_invalid", { detail: `${path}:${thrown.line}: ${first}` });
  }
}

function unknownKey(key: string, table: readonly OptionFacts[]): string {
  const near = nearest(
    key,
    table.map((option) => option.key),
  );
  return `unknown key "${key}"${near === undefined ? "" : `; did you mean "${near}"?`}`;
}

function takenBy(facts: OptionFacts, value: unknown, refuse: (why: string) => PosternError): string | true | undefined {
  const { key, choices, list } = facts;
  if (facts.value === undefined) {
    if (typeof value !== "boolean") throw refuse(`"${key}" takes true or false`);
    return value || undefined;
  }
  const text = list === true && Array.isArray(value) && value.every(isText) ? value.join(",") : value;
  if (!isText(text)) throw refuse(`"${key}" takes text in quotes${list === true ? ", or an array of such" : ""}`);
  if (choices !== undefined && !choices.includes(text)) throw refuse(`"${key}" takes one of: ${choices.join(", ")}`);
  return text;
}

const isText = (value: unknown): value is string => typeof value === "string";

/**
 * The lines in which keys are set: each that of the first one of the piece that, added to what is whole without it,
 * makes the key appear. An operator's file has some lines, so it may be read once for each.
 */
function linesOf(text: string): Map<string, number> {
  const found = new Map<string, number>();
  const lines = text.split("\n");
  let begins = 1;
  for (const [index, line] of lines.entries()) {
    const nothing = /^\s*(#.*)?$/.test(line);
    if (nothing && begins === index + 1) begins += 1;
    const table = nothing ? undefined : tryParse(lines.slice(0, index + 1).join("\n"));
    if (table === undefined) continue;
    for (const key of Object.keys(table)) if (!found.has(key)) found.set(key, begins);
    begins = index + 2;
  }
  return found;
}

function tryParse(text: string): Record<string, unknown> | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

async function textOf(handle: FileHandle, path: string): Promise<string> {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null).catch((cause) => {
      throw new PosternError("file_unreadable", { detail: path, cause });
    });
    length += bytesRead;
    if (bytesRead === 0 || length > MAX_BYTES) break;
  }
  if (length > MAX_BYTES) throw new PosternError("config_invalid", { detail: `${path}: it is longer than 64 KiB` });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, length));
  } catch {
    throw new PosternError("config_invalid", { detail: `${path}: it is not UTF-8` });
  }
}

/** Who can write the file says which store is opened, and with whose password: no secret in it is needed for that. */
async function warningsAbout(
  handle: FileHandle,
  { path, settings, table }: { path: string; settings: ReadonlyMap<string, Setting>; table: readonly OptionFacts[] },
): Promise<string[]> {
  const facts = await handle.stat();
  if (!facts.isFile()) return [];
  const warnings: string[] = [];
  if ((facts.mode & 0o022) !== 0) warnings.push(`${path} can be changed by others than its owner: chmod go-w it`);
  const secret = table.some((option) => option.secret === true && settings.has(option.key));
  if (secret && (facts.mode & 0o044) !== 0) {
    warnings.push(`${path} holds a secret and can be read by others than its owner: chmod 600 it`);
  }
  return warnings;
}
