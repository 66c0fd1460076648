import { PosternError } from "./errors.js";
import { parseHost } from "./server-address.js";

declare const mailAddress: unique symbol;

/** One mailbox, `name@domain`, in ASCII: nothing in it can end a header, a command or an address. */
export type MailAddress = string & { readonly [mailAddress]: true };

/** RFC 5321 4.5.3.1: a path has 256 octets at most, its angle brackets among them. */
const MAX_LENGTH = 254;
const MAX_LOCAL_LENGTH = 64;

/** RFC 5322 3.2.3, dot-atom: no quoted string, and so no space, comma, bracket or line end. */
const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
/** RFC 5321 2.3.5: letters, digits and hyphens. The last label of an IPv4 address is a number, that of no name is. */
const DOMAIN = /^(?:(?!-)[a-z0-9-]+(?<!-)\.)*(?!-|[0-9]+$)[a-z0-9-]+(?<!-)$/;

/**
 * Reads one addr-spec of RFC 5322 and nothing around it: no display name, no comment, no quoted string, no address in
 * brackets. The part before the `@` is ASCII, since many servers take no other (SMTPUTF8), and keeps its case; the
 * domain is mapped to lower-case ASCII by UTS 46. Throws `mail_address_invalid`.
 */
export function parseMailAddress(text: string): MailAddress {
  const at = text.lastIndexOf("@");
  const local = text.slice(0, Math.max(at, 0));
  const domain = asciiDomain(text.slice(at + 1));
  const address = `${local}@${domain}`;
  const fits = address.length <= MAX_LENGTH && local.length <= MAX_LOCAL_LENGTH;
  if (!fits || !LOCAL.test(local) || !DOMAIN.test(domain)) throw new PosternError("mail_address_invalid");
  return address as MailAddress;
}

/** Whether `parseMailAddress` reads it. */
export function isMailAddress(text: string): boolean {
  try {
    return parseMailAddress(text) !== "";
  } catch {
    return false;
  }
}

/** The part behind the `@`. */
export function domainOf(address: MailAddress): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

/** Mapping takes its time: more than this is not looked at. */
const MAX_TEXT = 1024;

/** Empty where it is no host. The last dot, which a host may have, no address has. */
function asciiDomain(text: string): string {
  if (text.length > MAX_TEXT || /[.\u3002\uFF0E\uFF61]$/.test(text)) return "";
  try {
    return parseHost(text);
  } catch {
    return "";
  }
}
