import { createReadStream } from "node:fs";
import { PosternError } from "@postern/shared/errors";
import { mayReplace, writeNewFile, writeToStream } from "@postern/shared/terminal/new-file";
import type { Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { badEntryText } from "../records/audit-chain.js";
import { type Checkpoint, checkpointLine, damaged, parseCheckpoint } from "../records/audit-checkpoint.js";
import { MAX_LINE_BYTES } from "../records/audit-export.js";
import { exportAudit, takeCheckpoint } from "../services/audit-export.js";
import { type BadExport, type ExportedTrail, verifyExport } from "../services/audit-offline.js";
import { type SoundTrail, verifyTrail } from "../services/audit-trail.js";
import type { AuditContext } from "../services/context.js";
import { withAudit } from "./audit.js";
import { parseKeyOption } from "./audit-options.js";
import type { StoreOptions } from "./unseal.js";

export interface ExportOptions extends StoreOptions {
  readonly checkpointOnly?: boolean;
  readonly force?: boolean;
}

/** Writes the log, or a checkpoint of it alone, to a new file or to stdout. */
export async function auditExportCommand(output: Output, file: string, options: ExportOptions): Promise<void> {
  const force = options.force === true;
  const toStdout = file === "-";
  if (!toStdout) await mayReplace(file, force);
  await withAudit(output, options, async (context) => {
    let checkpoint: Checkpoint | undefined;
    const pieces = async function* () {
      checkpoint = yield* options.checkpointOnly === true ? checkpointAlone(context) : exportAudit(context);
    };
    if (toStdout) return writeToStream(process.stdout, pieces());
    await writeNewFile(file, pieces(), force);
    const time = timeOf(checkpoint);
    output.result({ file, time }, say`Written to ${file}: the audit log of ${time}.`);
  });
}

async function* checkpointAlone(context: AuditContext): AsyncGenerator<string, Checkpoint> {
  const checkpoint = await takeCheckpoint(context);
  yield `${checkpointLine(checkpoint)}\n`;
  return checkpoint;
}

export interface VerifyOptions extends StoreOptions {
  readonly publicKey?: string;
  readonly checkpoint?: string;
}

/**
 * Verifies the log of the store, or without a store that of an exported file.
 * @throws PosternError `audit_damaged`, naming the first bad entry; `usage` for a file without a public key
 */
export async function auditVerifyCommand(
  output: Output,
  file: string | undefined,
  options: VerifyOptions,
): Promise<void> {
  const publicKey = options.publicKey === undefined ? undefined : parseKeyOption(options.publicKey);
  if (file !== undefined && publicKey === undefined) {
    const detail = "a file needs --public-key KEY, as `posternd audit key` prints it: a key of its own proves nothing";
    throw new PosternError("usage", { detail });
  }
  const checkpoint = options.checkpoint === undefined ? undefined : await readCheckpoint(options.checkpoint);
  if (file !== undefined && publicKey !== undefined) {
    reportExport(output, await verifyExport(chunksOf(file), { publicKey, checkpoint }));
    return;
  }
  const verdict = await withAudit(output, options, ({ barrier }) => verifyTrail(barrier, { publicKey, checkpoint }));
  if (!verdict.ok) {
    throw damaged(badEntryText(verdict));
  }
  const { first, length, chains } = verdict;
  const entries = length - first;
  const since = checkpoint && timeOf(checkpoint);
  output.result(
    { ok: true, entries, first, chains: [...chains], checkpoint: since },
    say`The audit log holds: ${entries} entries${chains.length > 1 ? ` of ${chains.length} nodes` : fromOn(first)}.`,
    ...(chains.length > 1 ? chains.map((chain) => chainLine(chain)) : []),
    ...(since === undefined ? [] : [say`Nothing of what the checkpoint of ${since} names is gone or changed.`]),
  );
}

const fromOn = (first: number) => (first > 0 ? `, from entry ${first} on` : "");

function chainLine({ node, first, length }: SoundTrail["chains"][number]): TerminalText {
  return say`  ${node}: ${length - first} entries${fromOn(first)}`;
}

function reportExport(output: Output, verdict: ExportedTrail | BadExport): void {
  if (!verdict.ok) {
    const { line, entry, why } = verdict;
    throw damaged(entry === undefined ? `line ${line} ${why}` : badEntryText({ ...verdict, firstBad: entry }));
  }
  const { entries, erased, checkpoint } = verdict;
  const time = timeOf(checkpoint);
  output.result(
    { ok: true, entries, erased, time },
    say`The export holds: ${entries} entries, until ${time}.`,
    ...(erased === 0 ? [] : [say`Of ${erased} of them personal fields were erased.`]),
  );
}

/** The bytes of a file, or with `-` of standard input. */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  try {
    yield* path === "-" ? process.stdin : createReadStream(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * A file with one checkpoint in it, as `audit export --checkpoint-only` writes it.
 * @throws PosternError `file_unreadable`, `usage`
 */
async function readCheckpoint(path: string): Promise<Checkpoint> {
  let text = "";
  for await (const chunk of chunksOf(path)) {
    text += chunk.toString("latin1");
    if (text.length > MAX_LINE_BYTES + 1) break;
  }
  const checkpoint = parseCheckpoint(text.endsWith("\n") ? text.slice(0, -1) : text);
  if (checkpoint === undefined) throw new PosternError("usage", { detail: `${path} holds no audit checkpoint` });
  return checkpoint;
}

function unreadable(path: string, cause: unknown): PosternError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "failed";
  return new PosternError("file_unreadable", { detail: `${path}: ${code}`, cause });
}

function timeOf(checkpoint: Checkpoint | undefined): string {
  return new Date(checkpoint?.time ?? 0).toISOString();
}
