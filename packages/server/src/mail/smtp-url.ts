import { PosternError } from "@postern/shared/errors";
import { parseServerAddress, type ServerAddress } from "@postern/shared/server-address";

/** Where mail is handed in, and how. */
export interface SmtpServer {
  readonly address: ServerAddress;
  /** TLS from the first byte; or by STARTTLS (RFC 3207), without which nothing is sent; or none, when the URL says so. */
  readonly tls: "implicit" | "starttls" | "off";
  /** Who logs in there. Undefined: nobody does. */
  readonly user: string | undefined;
}

const schemes = {
  smtp: { tls: "starttls", port: 587 },
  smtps: { tls: "implicit", port: 465 },
} as const;

const FORM = "--smtp takes smtp://[USER@]HOST[:PORT], with ?tls=off where it must, or smtps://[USER@]HOST[:PORT]";

/**
 * Reads `--smtp`. A password in it is refused: it would stand in the list of processes.
 * @throws PosternError `usage`, which never repeats what it was given
 */
export function parseSmtpUrl(text: string): SmtpServer {
  const [, scheme, rest = ""] = /^(smtps?):\/\/(.*)$/is.exec(text) ?? [];
  // Before anything else may refuse it: whoever writes a password there should hear of that first.
  const credentials = rest.slice(0, Math.max(rest.lastIndexOf("@"), 0));
  if (credentials.includes(":")) {
    throw refusal("--smtp takes no password: give it by --smtp-password-file, and a : in the name as %3A");
  }
  const [, user, host = "", query] = /^(?:([^@/?#:]+)@)?([^@/?#]+)\/?(?:\?(.*))?$/s.exec(rest) ?? [];
  const facts = schemes[scheme?.toLowerCase() as keyof typeof schemes];
  if (facts === undefined || (query !== undefined && query !== "tls=off")) throw refusal(FORM);
  const address = addressOf(host, facts.port);
  const tls = query === undefined ? facts.tls : "off";
  if (tls === "off" && facts.tls === "implicit") throw refusal("--smtp: smtps:// is TLS, and tls=off says otherwise");
  if (tls === "off" && user !== undefined && !isLoopback(address)) {
    throw refusal("--smtp: with tls=off the password would go over the network in the clear");
  }
  return { address, tls, user: user === undefined ? undefined : userOf(user) };
}

/** What is sent there does not leave this machine. */
export function isLoopback({ host }: ServerAddress): boolean {
  return host === "localhost" || host === "::1" || /^127\.[0-9.]+$/.test(host);
}

function addressOf(text: string, port: number): ServerAddress {
  try {
    return parseServerAddress(text, port);
  } catch {
    throw refusal(FORM);
  }
}

function userOf(text: string): string {
  try {
    const user = decodeURIComponent(text);
    if (!/[\p{Cc}\p{Cs}]/u.test(user)) return user;
  } catch {
    // Not UTF-8, or no escapes.
  }
  throw refusal("--smtp: the user's name is not spelt as in a URL");
}

const refusal = (detail: string) => new PosternError("usage", { detail });
