import { PosternError } from "@postern/shared/errors";

declare const replyTo: unique symbol;

/** Where a page sends its person in the end: a URL as the WHATWG's parser writes it, which a browser reads alike. */
export type ReplyTo = string & { readonly [replyTo]: true };

/** Hosts of https links, as `URL.host` has them. */
export type ReplyToHosts = ReadonlySet<string>;

/** Back into the conversation that the link was sent in. */
export const DEFAULT_REPLY_TO_HOSTS = "wa.me,api.whatsapp.com,t.me,m.me,signal.me";

/** Schemes that a phone opens an app by, in which the person sees what it does before it is done. */
const appSchemes: ReadonlySet<string> = new Set(["whatsapp:", "tg:", "fb-messenger:", "sgnl:", "sms:", "tel:"]);

const LENGTH_MAX = 1024;

/** The characters of RFC 3986, and a scheme in front: no controls, spaces, quotes, backslashes, nothing beyond ASCII. */
const PLAIN = /^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#[\]@!$&'()*+,;=%-]+$/;

/**
 * The link comes from an application, and a person follows it: no script, no data, no name and password, and no host that
 * the operator has not named.
 * @throws PosternError `reply_to_refused`
 */
export function parseReplyTo(text: string, hosts: ReplyToHosts): ReplyTo {
  const url = text.length <= LENGTH_MAX && PLAIN.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== "" || url.password !== "" || !isAllowed(text, url, hosts)) {
    throw new PosternError("reply_to_refused");
  }
  return url.href as ReplyTo;
}

function isAllowed(text: string, { protocol, host }: URL, hosts: ReplyToHosts): boolean {
  if (protocol !== "https:") return appSchemes.has(protocol);
  // The parser takes `https:wa.me` too, and other readers something else in it.
  return /^https:\/\/[^/]/i.test(text) && hosts.has(host);
}

/**
 * Reads `--reply-to-hosts`: names of hosts with commas between, each with its port where that is not 443.
 * @throws PosternError `usage`
 */
export function parseReplyToHosts(text: string): ReplyToHosts {
  return new Set(text.split(",").map((host) => parseReplyToHost(host.trim())));
}

function parseReplyToHost(text: string): string {
  const url =
    /^[A-Za-z0-9.:[\]-]+$/.test(text) && URL.canParse(`https://${text}`) ? new URL(`https://${text}`) : undefined;
  if (url === undefined || url.pathname !== "/") {
    throw new PosternError("usage", { detail: "--reply-to-hosts takes names such as wa.me,bot.example:8443" });
  }
  return url.host;
}
