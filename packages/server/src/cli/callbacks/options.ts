import { PosternError } from "@postern/shared/errors";
import type { CallbackWish } from "../../services/challenges/callbacks.js";

/** What the commands of callbacks take as options, parsed. What they refuse is `usage`. */

export function parseCallbackName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(text)) {
    throw usage("--name takes 1 to 32 letters, digits and . _ - and begins with a letter or digit");
  }
  return text;
}

export interface TargetOptions {
  readonly kind: string;
  readonly url: string;
  readonly method?: string;
  readonly tokenFile?: string;
}

/** Options that do not go together are refused before a secret is read. */
export function parseTarget({ kind, url, method, tokenFile }: TargetOptions): Wish {
  if (kind === "template") return { kind, url, method: method === "GET" ? "GET" : "POST" };
  if (method !== undefined || tokenFile !== undefined) throw usage("--method and --token-file are for --kind template");
  return { kind: "webhook", url };
}

type Wish = CallbackWish["target"];

/** It stands in a header, or percent-encoded in a URL. */
export function parseCallbackToken(text: string): string {
  if (!/^[!-~]{1,256}$/.test(text)) throw usage("--token-file: a token has 1 to 256 visible ASCII characters");
  return text;
}

function usage(detail: string): PosternError {
  return new PosternError("usage", { detail });
}
