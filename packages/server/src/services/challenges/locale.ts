import { PosternError } from "@postern/shared/errors";

declare const locale: unique symbol;

/** A language that there are pages in, as the server spells its tag (BCP 47). */
export type Locale = string & { readonly [locale]: true };

/** Tags of languages count without regard to case (RFC 5646 section 2.1.1). @throws PosternError `locale_unknown` */
export function parseLocale(text: string, known: readonly string[]): Locale {
  const found = known.find((tag) => tag.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new PosternError("locale_unknown");
  return found as Locale;
}

const TAG_LENGTH_MAX = 35;

/** A tag for the log; what is none is `und`, as BCP 47 says what is not determined. */
export function tagForLog(text: string): string {
  return text.length <= TAG_LENGTH_MAX && /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(text) ? text : "und";
}
