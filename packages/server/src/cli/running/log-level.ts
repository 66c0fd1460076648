import { PosternError } from "@postern/shared/errors";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { type LogLevel, logLevels, type StoredLogLevel } from "../../records/log-level.js";
import { clearLogLevel, setLogLevel, storedLogLevel } from "../../services/log-level.js";
import { withAudit } from "../audit.js";
import { isoTime, shownTime } from "../shown.js";
import { parseFor } from "../spans.js";
import type { StoreOptions } from "../unseal.js";

export async function logLevelShowCommand(output: Output, options: StoreOptions): Promise<void> {
  const stored = await withAudit(output, options, ({ barrier, now }) => storedLogLevel(barrier, now()));
  output.result(fieldsOf(stored), lineOf(stored));
}

/** @throws PosternError `usage` */
export async function logLevelSetCommand(
  output: Output,
  level: string,
  options: StoreOptions & { readonly for?: string },
): Promise<void> {
  const wanted = parseLevel(level);
  const forMs = options.for === undefined ? undefined : parseFor(options.for);
  const stored = await withAudit(output, options, (context) => setLogLevel(context, wanted, forMs));
  output.result(fieldsOf(stored), lineOf(stored));
  output.note(say`Servers that run take it up within seconds.`);
}

export async function logLevelClearCommand(output: Output, options: StoreOptions): Promise<void> {
  const cleared = await withAudit(output, options, clearLogLevel);
  output.result({ cleared }, cleared ? say`Each server logs at its own level again.` : say`None was set.`);
}

function parseLevel(text: string): LogLevel {
  const level = logLevels.find((one) => one === text);
  if (level === undefined) throw new PosternError("usage", { detail: `the level is one of ${logLevels.join(", ")}` });
  return level;
}

function fieldsOf(stored: StoredLogLevel | undefined): JsonObject {
  if (stored === undefined) return { level: null };
  const { level, setAt, until } = stored;
  return { level, set_at: isoTime(setAt), until: until === undefined ? null : isoTime(until) };
}

function lineOf(stored: StoredLogLevel | undefined): TerminalText {
  if (stored === undefined) return say`Each server logs at its own level.`;
  const { level, until } = stored;
  const end = until === undefined ? "until `posternd log-level clear`" : `until ${shownTime(until)} UTC`;
  return say`All servers of this store log at ${level}, ${end}.`;
}
