import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { parseToken, type Token, type TokenKind } from "@postern/shared/token";
import type { Environment, ServerChoice } from "../environment.js";
import { failedWith } from "../failed-with.js";
import { passwordFrom } from "./options.js";

/** What an operator gave a person: where it comes from, and what it says of the server that it is for. */

/**
 * The token of a file, or with `-` of a line of standard input.
 * @throws PosternError `token_malformed`, `token_of_other_kind`; as `passwordFrom`
 */
export async function tokenFrom(
  output: Output,
  file: string,
  { stdin, kinds }: { readonly stdin: StdinLines | undefined; readonly kinds: readonly TokenKind[] },
): Promise<Token> {
  return requireToken(await passwordFrom(output, file, stdin), kinds);
}

/** Reads a token that must be for one of these. @throws PosternError `token_malformed`, `token_of_other_kind` */
export function requireToken(text: string, kinds: readonly TokenKind[]): Token {
  const token = parseToken(text);
  if (kinds.includes(token.kind)) return token;
  token.secret.fill(0);
  throw new PosternError("token_of_other_kind");
}

/** Asks a person for a token until it is one. It is a secret: what is pasted does not show. */
export async function askToken(
  { prompter }: Environment,
  message: string,
  kinds: readonly TokenKind[],
): Promise<Token> {
  const validate = (text: string) => {
    try {
      requireToken(text, kinds).secret.fill(0);
      return undefined;
    } catch (thrown) {
      if (failedWith(thrown, "token_malformed") || failedWith(thrown, "token_of_other_kind")) return thrown.message;
      throw thrown;
    }
  };
  return requireToken(await prompter.password(message, { validate }), kinds);
}

/** The server of a token is the one whose identity it carries: whatever else was said of trusting it must agree. */
export function serverOfToken(choice: ServerChoice, { fingerprint }: Token): ServerChoice {
  return { ...choice, fingerprintOfToken: fingerprint };
}
