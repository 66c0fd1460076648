/**
 * Whether a Content-Type is this one, of lower-case letters, in UTF-8: another charset, or any other parameter, would be
 * read in two ways.
 */
export function isOfType(header: string | undefined, type: string): boolean {
  const [, name, rest = ""] = /^([a-z0-9/.+-]+)[ \t]*(;.*)?$/i.exec(header ?? "") ?? [];
  return name?.toLowerCase() === type && /^(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?$/i.test(rest);
}
