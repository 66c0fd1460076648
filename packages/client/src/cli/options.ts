import { PosternError } from "@postern/shared/errors";
import { parseFingerprint } from "@postern/shared/fingerprint";
import { parseServerAddress } from "@postern/shared/server-address";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { say } from "@postern/shared/terminal/terminal-text";
import type { Environment, ServerChoice } from "../environment.js";
import { pathsFrom } from "../paths.js";
import { DEFAULT_SERVER } from "./default-server.js";

/** The options that every command takes, as commander hands them over. */
export interface GlobalOptions {
  readonly server: string;
  readonly fingerprint?: string;
  readonly trustOnFirstUse?: boolean;
  readonly input: boolean;
}

export function environmentOf(output: Output, { input }: GlobalOptions): Environment {
  return {
    output,
    prompter: createPrompter({ noInput: !input }),
    interactive: input && process.stdin.isTTY === true && process.stderr.isTTY === true,
    paths: pathsFrom(process.env),
    now: Date.now,
    window: () => {
      const { columns, rows } = process.stdout.isTTY === true ? process.stdout : process.stderr;
      return { columns, rows };
    },
  };
}

/**
 * Ends a command that would have to ask, before it speaks to a server, when there is nobody to ask: no connection, no
 * half login in the audit log. `missing` is the first thing that was not given, or undefined.
 * @throws PosternError `input_needed`
 */
export function requireInput({ interactive }: Environment, missing: string | undefined): void {
  if (missing !== undefined && !interactive) throw new PosternError("input_needed", { detail: missing });
}

/** @throws PosternError `address_invalid`, `fingerprint_invalid` */
export function serverChoiceOf({ server, fingerprint, trustOnFirstUse }: GlobalOptions): ServerChoice {
  return {
    address: parseServerAddress(server === "" ? DEFAULT_SERVER : server),
    fingerprint: fingerprint === undefined ? undefined : parseFingerprint(fingerprint),
    trustOnFirstUse: trustOnFirstUse === true,
  };
}

/** What the protocol takes for a name, in UTF-16 units: the server has the rules for what it is made of. */
const NAME_LENGTH_MAX = 256;

/**
 * The name that was given, or that a person types.
 * @throws PosternError `name_invalid` for one that cannot be sent
 */
export async function nameFrom({ prompter }: Environment, given: string | undefined): Promise<string> {
  const canBeSent = (name: string) => name !== "" && name.length <= NAME_LENGTH_MAX;
  if (given === undefined) {
    const validate = (name: string) => (canBeSent(name) ? undefined : "A name has 1 to 64 characters");
    return prompter.text("Name", { validate });
  }
  if (!canBeSent(given)) throw new PosternError("name_invalid");
  return given;
}

/** Standard input as lines, for what is piped in; undefined when it is a terminal. */
export function pipedLines(): StdinLines | undefined {
  return process.stdin.isTTY === true ? undefined : new StdinLines(process.stdin);
}

/** The password of `--password-file`. A file that others can read is used, and said. */
export async function passwordFrom(output: Output, file: string, stdin: StdinLines | undefined): Promise<string> {
  const { secret, warning } = await readSecretFile(file, { stdin, env: process.env });
  if (warning !== undefined) output.warn(say`${warning}`);
  return secret;
}
