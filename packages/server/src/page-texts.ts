import { PosternError } from "@postern/shared/errors";
import { z } from "zod";

/**
 * What pages say, in one language. It is text, never HTML: whatever stands in it is shown as it is. A translation is a
 * file of these members; `{…}` stands for what a page puts there.
 */
const line = z.string().min(1).max(300);
const withTime = line.refine((text) => text.split("{time}").length === 2, "{time} has to stand in it exactly once");

export const pageTextsSchema = z.strictObject({
  /** Whether the language is written from the left. */
  direction: z.enum(["ltr", "rtl"]),
  /** The title of a page that asks. */
  title: line,
  birthDateChoice: line,
  birthDateSum: line,
  /** How the sum is meant, by a date that is always the same. */
  sumExample: line,
  noneOfThese: line,
  /** Says that there is one try, and where it leads. */
  oneAnswer: line,
  /** `{time}`: a time of day in UTC. */
  answerBefore: withTime,
  /** `{time}`: minutes and seconds. */
  timeLeft: withTime,
  timeIsOver: line,
  send: line,
  /** Says that none of the answers was chosen. */
  chooseOne: line,
  goneTitle: line,
  gone: line,
  indexTitle: line,
  index: line,
});
export type PageTexts = z.infer<typeof pageTextsSchema>;

/** Texts by the tag of their language (BCP 47). */
export type PageLanguages = ReadonlyMap<string, PageTexts>;

/**
 * Puts the files of a folder together, each by its name.
 * @throws PosternError `page_texts_invalid`, also for two files of one language: which of them counts would be chance
 */
export function gatherPageTexts(files: readonly (readonly [name: string, content: string])[]): PageLanguages {
  const languages = new Map<string, PageTexts>();
  const names = new Map<string, string>();
  for (const [name, content] of files) {
    const [tag, texts] = parsePageTexts(name, content);
    const other = names.get(tag);
    if (other !== undefined) throw refusal(`${other} and ${name} are of one language, ${tag}`);
    names.set(tag, name);
    languages.set(tag, texts);
  }
  return languages;
}

/** The file of a language: `fr.json`, `pt-BR.json`. */
const FILE_NAME = /^([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)\.json$/;

/**
 * Reads one file of `--page-texts`, by its name and what is in it.
 * @throws PosternError `page_texts_invalid`, saying which member of which file
 */
export function parsePageTexts(name: string, content: string): readonly [tag: string, texts: PageTexts] {
  const [, typed] = FILE_NAME.exec(name) ?? [];
  const tag = typed && canonicalTag(typed);
  if (tag === undefined) throw refusal(`${name}: a file is named by the tag of its language, such as fr.json`);
  const parsed = pageTextsSchema.safeParse(jsonOf(name, content));
  if (parsed.success) return [tag, parsed.data];
  const [issue] = parsed.error.issues;
  throw refusal(`${name}: ${issue?.path.join(".") || "it"}: ${issue?.message ?? "not as it should be"}`);
}

function canonicalTag(text: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(text)[0];
  } catch {
    return undefined;
  }
}

function jsonOf(name: string, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw refusal(`${name}: it is no JSON`, cause);
  }
}

function refusal(detail: string, cause?: unknown): PosternError {
  return new PosternError("page_texts_invalid", { detail, cause });
}
