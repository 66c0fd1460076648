import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Command } from "commander";
import { dataDirectory } from "../data-directory.js";
import { type Resolution, type Resolved, resolutionOf, type Source } from "./resolve.js";

/**
 * Prints what `posternd start` would go by, with the same flags and in the same environment. For a person it is a
 * configuration file, with what is not in it as comments.
 */
export function configShowCommand(output: Output, command: Command): void {
  showConfig(output, resolutionOf(command));
}

export function showConfig(output: Output, { file, options }: Resolution): void {
  const shown = options.map(withDirectory);
  const entries = shown.map((option): [string, JsonObject] => [option.facts.key, fieldsOf(option)]);
  const width = Math.max(...shown.filter(isShort).map((option) => settingOf(option).length));
  output.result(
    { file: file ?? null, options: Object.fromEntries(entries) },
    file === undefined ? say`# no file is read` : say`# file: ${file}`,
    ...shown.map((option) => lineFor(option, width)),
  );
}

/** The one default that depends on the machine. */
function withDirectory(option: Resolved): Resolved {
  const asked = option.facts.key === "data" && option.value === undefined;
  return asked ? { ...option, value: dataDirectory(undefined) } : option;
}

const isShort = (option: Resolved) => settingOf(option).length <= 50;

function lineFor(option: Resolved, width: number): TerminalText {
  const { facts, value, source } = option;
  const from = whereFrom(source);
  if (value === undefined) return say`# ${facts.key}: ${facts.unset ?? "off"}${from === "default" ? "" : ` (${from})`}`;
  if (facts.secret === true) return say`# ${facts.key}: not shown (${from})`;
  return say`${settingOf(option).padEnd(width)}  # ${from}`;
}

/** A TOML basic string takes the escapes of JSON; DEL, which JSON leaves as it is, has to be escaped in it. */
function settingOf({ facts, value }: Resolved): string {
  const text = JSON.stringify(value ?? "").replaceAll("\u007f", "\\u007f");
  return `${facts.key} = ${text}`;
}

function whereFrom(source: Source): string {
  switch (source.from) {
    case "flag":
      return "command line";
    case "environment":
      return source.variable;
    case "file":
      return `line ${source.line}`;
    default:
      return "default";
  }
}

function fieldsOf({ facts, value, source }: Resolved): JsonObject {
  const masked = facts.secret === true && value !== undefined;
  return {
    value: masked ? null : (value ?? null),
    masked: masked || undefined,
    source: source.from,
    variable: source.from === "environment" ? source.variable : undefined,
    line: source.from === "file" ? source.line : undefined,
  };
}
