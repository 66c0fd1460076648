import { PosternError } from "@postern/shared/errors";
import type { Params } from "@postern/shared/messages";
import { type OtpAlgorithm, otpAlgorithms } from "@postern/shared/otp/parameters";
import { abbreviate, resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { ServerChoice } from "../../environment.js";
import { addFactor, type Factor } from "../../flows/add-factor.js";
import type { AskCode } from "../../flows/give-code.js";
import { forgetting, type LiveSession, withSession } from "../../flows/live-session.js";
import { withStepUp } from "../../flows/step-up.js";
import { enrolmentDialogueOf } from "../enrolment.js";
import { sessionUseOf } from "../kept-session.js";
import { localTime } from "../local-time.js";
import { environmentOf, pipedLines, requireInput } from "../options.js";
import { commandFor } from "../own-command.js";
import { parsePeriod } from "../period.js";
import { type AccountOptions, isConfirmed, missingYes } from "./options.js";
import { stepUpCodeOf } from "./step-up-code.js";

export interface FactorAddOptions extends AccountOptions {
  readonly hotp?: boolean;
  readonly label?: string;
  readonly algorithm?: OtpAlgorithm;
  readonly digits?: string;
  readonly period?: string;
}

export async function factorListCommand(output: Output, options: AccountOptions): Promise<void> {
  const use = await sessionUseOf(output, options);
  const askCode = stepUpCodeOf(use.environment, options);
  await withSession(use, async (session) => {
    const factors = await listFactors(session, askCode);
    const ids = abbreviate(factors.map(({ factor }) => factor));
    const rows = factors.map((factor, index) => [
      ids[index] ?? "",
      factor.label,
      kindOf(factor),
      factor.last_used_at === undefined ? "never" : localTime(factor.last_used_at),
    ]);
    output.result({ factors }, ...table(["authenticator", "label", "codes", "last used"], rows));
  });
}

/** @throws PosternError `usage`, `label_invalid`, `label_taken`, `too_many_factors`, `code_refused` */
export async function factorAddCommand(output: Output, options: FactorAddOptions): Promise<void> {
  const wish = wishOf(options);
  const stdin = pipedLines();
  requireInput(environmentOf(output, options), stdin === undefined ? "the first code" : undefined);
  const use = await sessionUseOf(output, options);
  const askCode = stepUpCodeOf(use.environment, options);
  await withSession(use, async (session) => {
    const dialogue = { ...enrolmentDialogueOf(use.environment, stdin), askCode };
    showAdded(output, await addFactor(session, wish, dialogue));
  });
}

/**
 * Removes an authenticator; a person may choose it from a menu.
 * @throws PosternError `id_unknown`, `last_factor`
 */
export async function factorRemoveCommand(
  output: Output,
  typed: string | undefined,
  options: AccountOptions,
): Promise<void> {
  const environment = environmentOf(output, options);
  requireInput(environment, typed === undefined ? "the id or label" : missingYes(options));
  const askCode = stepUpCodeOf(environment, options);
  await withSession(await sessionUseOf(output, options), async (session) => {
    const factors = await listFactors(session, askCode);
    const factor = typed === undefined ? await chooseFactor(session, factors) : findFactor(factors, typed);
    if (!(await isConfirmed(environment, options, `Remove the authenticator "${factor.label}"?`))) return;
    const id = resolveId(
      "factor",
      factors.map((one) => one.factor),
      factor.factor,
    );
    await withStepUp(session, askCode, () => session.call("factor.remove", { factor: id }));
    output.result({ removed: id, label: factor.label }, say`Removed ${factor.label}.`);
  });
}

/** After a login with a recovery code: whoever has lost an authenticator makes another one at once. */
export async function offerAuthenticator(session: LiveSession): Promise<void> {
  const { environment, choice } = session;
  const { prompter, output } = environment;
  try {
    const question = "Is your authenticator lost? Then add another one now";
    if (!(await prompter.confirm(question, false))) return output.note(...afterLoss(choice));
    const dialogue = { ...enrolmentDialogueOf(environment, undefined), askCode: stepUpCodeOf(environment) };
    const added = await forgetting(session, () => addFactor(session, { kind: "totp" }, dialogue));
    showAdded(output, added);
    output.note(say`The lost one still counts. End it: ${bold(`${commandFor(choice)} factor remove`)}`);
  } finally {
    session.close();
  }
}

/** What to do without an authenticator, later. */
export function afterLoss(choice: ServerChoice): TerminalText[] {
  const factor = `${commandFor(choice)} factor`;
  return [
    say`Where your authenticator is lost, add another one: ${bold(`${factor} add`)}`,
    say`and end the lost one: ${bold(`${factor} remove`)}`,
  ];
}

/** Label lengths that the protocol carries, in UTF-16 units: the server has the rules for what it is made of. */
const LABEL_LENGTH_MAX = 64;

function wishOf({ hotp, label, algorithm, digits, period }: FactorAddOptions): Params<"factor.add"> {
  if (label !== undefined && (label === "" || label.length > LABEL_LENGTH_MAX)) {
    throw new PosternError("label_invalid");
  }
  if (hotp === true && period !== undefined) {
    throw new PosternError("usage", { detail: "--hotp codes go by a counter: they have no --period" });
  }
  return {
    kind: hotp === true ? "hotp" : "totp",
    ...(label !== undefined && { label }),
    ...(algorithm !== undefined && { algorithm }),
    ...(digits !== undefined && { digits: Number(digits) }),
    ...(period !== undefined && { period: parsePeriod(period) }),
  };
}

async function listFactors(session: LiveSession, askCode: AskCode): Promise<readonly Factor[]> {
  return (await withStepUp(session, askCode, () => session.call("factor.list", {}))).factors;
}

/** By its label as it is, or by the beginning of its id. */
function findFactor(factors: readonly Factor[], typed: string): Factor {
  const named = factors.find(({ label }) => label === typed.normalize("NFC"));
  if (named !== undefined) return named;
  const id = resolveId(
    "factor",
    factors.map(({ factor }) => factor),
    typed,
  );
  const found = factors.find(({ factor }) => factor === id);
  if (found === undefined) throw new PosternError("id_unknown");
  return found;
}

function chooseFactor({ environment }: LiveSession, factors: readonly Factor[]): Promise<Factor> {
  const choices = factors.map((factor) => ({ label: `${factor.label}  (${kindOf(factor)})`, value: factor }));
  return environment.prompter.choose("Which authenticator?", choices);
}

/** `TOTP SHA1, 6 digits, 30 s` */
function kindOf({ kind, algorithm, digits, period }: Factor): string {
  const name = Object.hasOwn(otpAlgorithms, algorithm) ? algorithm : "?";
  return `${kind.toUpperCase()} ${name}, ${digits} digits${period === undefined ? "" : `, ${period} s`}`;
}

function showAdded(output: Output, factor: Factor): void {
  output.result({ ...factor }, say``, say`${bold("Added")} ${factor.label}. Its codes let you in from now on.`);
}
