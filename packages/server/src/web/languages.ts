import type { PageLanguages, PageTexts } from "../page-texts.js";
import { en } from "./texts/en.js";
import { es } from "./texts/es.js";

const builtIn: PageLanguages = new Map([
  ["en", en],
  ["es", es],
]);
const FALLBACK = "en";

/** A language that pages are shown in. */
export interface Language {
  readonly tag: string;
  readonly texts: PageTexts;
}

/** The languages of a server: those that come with it, and the operator's, which may take a place of theirs. */
export class Languages {
  readonly #byTag: PageLanguages;

  constructor(own: PageLanguages = new Map()) {
    this.#byTag = new Map([...builtIn, ...own]);
  }

  get tags(): readonly string[] {
    return [...this.#byTag.keys()];
  }

  /** That of a page; without one of its own, the one that the person's browser likes best. */
  choose(tag: string | undefined, acceptLanguage: string | undefined): Language {
    const wanted = tag === undefined ? preferred(acceptLanguage) : [tag];
    for (const one of wanted) {
      const found = this.#find(one);
      if (found !== undefined) return found;
    }
    return this.#find(FALLBACK) as Language;
  }

  /** RFC 4647 section 3.4: what is asked for is cut from the end until something has that name. */
  #find(range: string): Language | undefined {
    for (let parts = range.toLowerCase().split("-"); parts.length > 0; parts = parts.slice(0, -1)) {
      const wanted = parts.join("-");
      const tag = this.tags.find((known) => known.toLowerCase() === wanted);
      const texts = tag === undefined ? undefined : this.#byTag.get(tag);
      if (tag !== undefined && texts !== undefined) return { tag, texts };
    }
    return undefined;
  }
}

const HEADER_LENGTH_MAX = 256;

/** The ranges of `Accept-Language`, best first (RFC 9110 section 12.5.4); what is none of its form is left out. */
function preferred(header: string | undefined): string[] {
  const ranges = (header ?? "")
    .slice(0, HEADER_LENGTH_MAX)
    .split(",")
    .flatMap((text) => {
      const [, range, quality = "1"] =
        /^ *([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*) *(?:; *q=([01](?:\.[0-9]{0,3})?))? *$/.exec(text) ?? [];
      return range === undefined || Number(quality) === 0 ? [] : [{ range, quality: Number(quality) }];
    });
  return ranges.sort((a, b) => b.quality - a.quality).map(({ range }) => range);
}
