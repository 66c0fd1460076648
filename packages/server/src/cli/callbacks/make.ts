import { PosternError } from "@postern/shared/errors";
import { newId } from "@postern/shared/ids";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { parseCallbackUrl } from "../../services/challenges/callback-url.js";
import { createCallback } from "../../services/challenges/callbacks.js";
import { testRequestOf } from "../../services/challenges/webhook.js";
import { withAudit } from "../audit.js";
import { parseApplication } from "../audit-options.js";
import { type StoreOptions, secretOfFile } from "../unseal.js";
import { type DestinationOptions, destinationsOf, openPost, warningsOf } from "./destinations.js";
import { callbackFacts, resolveCallback } from "./list.js";
import { parseCallbackName, parseCallbackToken, parseTarget, type TargetOptions } from "./options.js";

export interface CallbackCreateOptions extends StoreOptions, DestinationOptions, TargetOptions {
  readonly application: string;
  readonly name: string;
}

/**
 * Makes a callback. A webhook's secret alone goes to stdout: it can be piped to where it is wanted.
 * @throws PosternError `callback_url_invalid`, `callback_host_refused`, `application_unknown`, `callback_exists`,
 *   `too_many_callbacks`
 */
export async function callbackCreateCommand(output: Output, options: CallbackCreateOptions): Promise<void> {
  const application = parseApplication("--application", options.application);
  const name = parseCallbackName(options.name);
  const target = parseTarget(options);
  const warnings = warningsOf(parseCallbackUrl(target.url), options);
  const token = options.tokenFile === undefined ? undefined : await readToken(output, options.tokenFile);
  const wish = { application, name, target: target.kind === "template" ? { ...target, token } : target };
  await withAudit(output, options, async (context) => {
    const { callback, secret } = await createCallback(context, wish);
    output.note(say`The callback ${name} of ${application}`, say`is ${callback.id}.`);
    const facts = callbackFacts({ callback, waiting: 0, dead: 0 });
    if (secret === undefined) output.result(facts, say`${callback.id}`);
    else {
      output.note(say`The secret by which its receiver verifies what comes is shown this one time:`);
      output.result({ ...facts, secret }, say`${secret}`);
    }
    for (const warning of warnings) output.warn(say`${warning}`);
  });
}

/** Standard input has the admin password, where it has one. */
async function readToken(output: Output, path: string): Promise<string> {
  if (path === "-") throw new PosternError("usage", { detail: "--token-file takes a file" });
  return parseCallbackToken(await secretOfFile(output, path));
}

/** @throws PosternError `callback_failed`, `id_unknown`; `usage` without `--callback-hosts` */
export async function callbackTestCommand(
  output: Output,
  typed: string,
  options: StoreOptions & DestinationOptions,
): Promise<void> {
  const destinations = destinationsOf(options);
  if (destinations === undefined) {
    throw new PosternError("usage", { detail: "--callback-hosts is needed: where the server lets callbacks go" });
  }
  await withAudit(output, options, async (context) => {
    const { callback } = await resolveCallback(context, typed);
    const post = await openPost(destinations);
    const request = testRequestOf(callback, newId("challenge", context.random), context.now());
    const outcome = await post(request, new AbortController().signal);
    if ("fault" in outcome) throw new PosternError("callback_failed", { detail: outcome.fault });
    const { status } = outcome;
    if (status < 200 || status > 299) throw new PosternError("callback_failed", { detail: `http_${status}` });
    output.result({ id: callback.id, delivered: true, status }, say`The receiver has taken it: HTTP ${status}.`);
  });
}
