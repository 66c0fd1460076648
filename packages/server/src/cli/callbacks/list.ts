import { PosternError } from "@postern/shared/errors";
import { escapeForTerminal } from "@postern/shared/escape";
import { resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { drawn, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { type CallbackState, listCallbacks } from "../../services/challenges/callbacks.js";
import { type DeadFilter, type DeadLetter, deadLetters } from "../../services/challenges/dead-letters.js";
import type { AuditContext } from "../../services/context.js";
import { withAudit } from "../audit.js";
import { parseApplication, parseLimit } from "../audit-options.js";
import { isoTime, shownMinute } from "../shown.js";
import type { StoreOptions } from "../unseal.js";

const WIDTH = 80;

/** Prints the callbacks, the one made last first; under `--json` a line for each. */
export async function callbackListCommand(output: Output, options: StoreOptions): Promise<void> {
  await withAudit(output, options, async (context) => {
    const states = await listCallbacks(context);
    for (const state of states) output.result(callbackFacts(state), ...callbackLines(state));
    if (states.length === 0) output.note(say`No callback.`);
  });
}

/** @throws PosternError `id_unknown`; `usage` when several ids begin so */
export async function resolveCallback(context: AuditContext, typed: string): Promise<CallbackState> {
  const states = await listCallbacks(context);
  const ids = states.map(({ callback }) => callback.id);
  const id = resolveId("callback", ids, typed);
  const found = states.find(({ callback }) => callback.id === id);
  if (found === undefined) throw new PosternError("id_unknown");
  return found;
}

export function callbackFacts({ callback, waiting, dead }: CallbackState): JsonObject {
  const { id, application, name, createdAt, target } = callback;
  const { kind, url } = target;
  const ofTemplate = target.kind === "template" && { method: target.method, token: target.token !== undefined };
  return { id, application, name, kind, url, ...ofTemplate, created_at: isoTime(createdAt), waiting, dead };
}

/** Three lines of at most 80 columns. */
export function callbackLines({ callback, waiting, dead }: CallbackState): TerminalText[] {
  const { id, application, name, target } = callback;
  const method = target.kind === "template" ? target.method : "POST";
  return [
    say`${id}  ${target.kind}  ${name}`,
    say`  ${application}  ${waiting} waiting, ${dead} dead`,
    say`  ${method} ${drawn(escapeForTerminal(target.url, { max: WIDTH - 3 - method.length }))}`,
  ];
}

export interface DeadOptions extends StoreOptions {
  readonly application?: string;
  readonly callback?: string;
}

/** @throws PosternError `id_unknown`, `usage` */
export async function deadFilterOf(
  context: AuditContext,
  { application, callback }: DeadOptions,
): Promise<Omit<DeadFilter, "challenge">> {
  return {
    application: application === undefined ? undefined : parseApplication("--application", application),
    callback: callback === undefined ? undefined : (await resolveCallback(context, callback)).callback.id,
  };
}

/** Prints the messages that could not be delivered; under `--json` a line for each. */
export async function deadListCommand(
  output: Output,
  options: DeadOptions & { readonly limit: string },
): Promise<void> {
  const limit = parseLimit(options.limit);
  await withAudit(output, options, async (context) => {
    let printed = 0;
    for await (const letter of deadLetters(context, await deadFilterOf(context, options))) {
      if (printed === limit) {
        output.note(say`There are more: --limit.`);
        break;
      }
      output.result(deadFacts(letter), ...deadLines(letter));
      printed += 1;
    }
    if (printed === 0) output.note(say`No dead letter.`);
  });
}

export function deadFacts({ callback, message }: DeadLetter): JsonObject {
  const { challenge, event, result, subject, occurredAt, dueAt, attempts, fault } = message;
  return {
    challenge,
    callback: callback.id,
    callback_name: callback.name,
    application: callback.application,
    event,
    result,
    subject,
    occurred_at: isoTime(occurredAt),
    dead_at: isoTime(dueAt),
    attempts,
    fault,
  };
}

/** Two lines of at most 80 columns. */
function deadLines({ callback, message }: DeadLetter): TerminalText[] {
  const { challenge, result, subject, dueAt, attempts, fault = "" } = message;
  const tries = attempts === 1 ? "1 try" : `${attempts} tries`;
  const about = `  ${callback.name}  ${result}  `;
  return [
    say`${challenge}  ${shownMinute(dueAt)}  ${tries}  ${fault}`,
    say`${about}${drawn(escapeForTerminal(subject, { max: WIDTH - about.length }))}`,
  ];
}
