import { PosternError } from "@postern/shared/errors";
import { parseHost } from "@postern/shared/server-address";

/**
 * URLs of callbacks. A template's placeholders stand in its path and in values of its query alone, and what takes their
 * place is percent-encoded: no value changes where a request goes, or adds a parameter to it.
 */

/** What can stand in a template, as `{name}`. */
export const placeholders = ["client_id", "flow", "result", "validated", "challenge_id", "token"] as const;
export type Placeholder = (typeof placeholders)[number];
export type Values = Readonly<Partial<Record<Placeholder, string>>>;

const URL_LENGTH_MAX = 1024;

/** Scheme and authority, path, query. Only what RFC 3986 lets stand in them, and braces. No userinfo, no fragment. */
const FORM = /^(https?):\/\/([^/?]+)(\/[\w\-.~%!$&'()*+,;=:@/{}]*)?(?:\?([\w\-.~%!$&'()*+,;=:@/?{}]*))?$/;
const PLACEHOLDER = /\{([^{}]*)\}/g;

/**
 * Checks the URL of a webhook, or with placeholders that of a template, and returns it with its host in canonical form.
 * @throws PosternError `callback_url_invalid`
 */
export function parseCallbackUrl(text: string, allowed: readonly Placeholder[] = placeholders): string {
  const [whole, scheme = "", authority = "", path = "/", query] = FORM.exec(text) ?? [];
  if (whole === undefined || text.length > URL_LENGTH_MAX) throw refusal("it does not have the form of one");
  refuseStrange(text, allowed);
  refuseDotSegments(path);
  for (const pair of (query ?? "").split("&")) {
    if (pair.split("=", 1)[0]?.includes("{")) throw refusal("a placeholder stands in a parameter's name");
  }
  const parsed = `${scheme}://${canonical(scheme, authority)}${path}${query === undefined ? "" : `?${query}`}`;
  // What connects reads it by another parser: both must mean the same host.
  const { host, username, password } = new URL(parsed.replace(PLACEHOLDER, "x"));
  if (host !== hostOf(parsed) || username !== "" || password !== "") throw refusal("its host is ambiguous");
  return parsed;
}

/** The authority of a URL that was parsed: `host`, or `host:port` where that is not the scheme's own. */
export function hostOf(url: string): string {
  return /^https?:\/\/([^/?]+)/.exec(url)?.[1] ?? "";
}

/** `host:port`, as `--callback-hosts` is compared with. */
export function hostAndPort(url: string): string {
  const host = hostOf(url);
  return /:\d+$/.test(host) ? host : `${host}:${url.startsWith("https:") ? 443 : 80}`;
}

/** Which values a template takes. */
export function placeholdersOf(template: string): Placeholder[] {
  return placeholders.filter((name) => template.includes(`{${name}}`));
}

/**
 * The URL of one message.
 * @throws PosternError `callback_value_invalid` for a value that is missing or no text, or makes a segment of the path
 *   that parsers take for a step up (`..`), which no encoding prevents
 */
export function fillTemplate(template: string, values: Values): string {
  const filled = template.replace(PLACEHOLDER, (_whole, name: Placeholder) => encode(values[name]));
  if (hasDotSegment(filled.split("?", 1)[0] ?? "")) throw new PosternError("callback_value_invalid");
  return filled;
}

const VALUE_LENGTH_MAX = 256;

function encode(value: string | undefined): string {
  const isText = value !== undefined && value.length >= 1 && value.length <= VALUE_LENGTH_MAX;
  // A lone surrogate is of \p{C} too: it could not be encoded.
  if (!isText || /[\p{C}\p{Zl}\p{Zp}]/u.test(value)) throw new PosternError("callback_value_invalid");
  return encodeURIComponent(value).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonical(scheme: string, authority: string): string {
  const [, host = "", port] = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]+)(?::([1-9][0-9]{0,4}))?$/.exec(authority) ?? [];
  if (host === "" || Number(port ?? 1) > 65_535) throw refusal("its host or port cannot be");
  const parsed = parsedHost(host);
  // A last dot, an IPv4 address in an IPv6 form: one host must have one spelling.
  if (host.endsWith(".") || host.startsWith("[") !== parsed.includes(":")) throw refusal("write its host plainly");
  const shown = parsed.includes(":") ? `[${parsed}]` : parsed;
  const standing = scheme === "https" ? "443" : "80";
  return port === undefined || port === standing ? shown : `${shown}:${port}`;
}

function parsedHost(host: string): string {
  try {
    return parseHost(host);
  } catch {
    throw refusal("its host cannot be one");
  }
}

/** Percent signs that begin no octet, braces that hold no placeholder, placeholders that are not for this. */
function refuseStrange(text: string, allowed: readonly Placeholder[]): void {
  const known = (name: string) => allowed.some((one) => one === name);
  for (const [, name = ""] of text.matchAll(PLACEHOLDER)) {
    if (!known(name)) throw refusal(`its placeholders can be ${allowed.map((one) => `{${one}}`).join(" ")}`);
  }
  const rest = text.replace(PLACEHOLDER, "");
  if (/[{}]|%(?![0-9A-Fa-f]{2})/.test(rest)) throw refusal("a brace or percent sign stands alone");
}

function refuseDotSegments(path: string): void {
  if (hasDotSegment(path)) throw refusal("its path has a segment of dots");
}

function hasDotSegment(path: string): boolean {
  return path.split("/").some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment));
}

function refusal(detail: string): PosternError {
  return new PosternError("callback_url_invalid", { detail });
}
