/**
 * HTML that is made of templates alone: what is put into one is escaped, unless it is HTML of a template itself. So no
 * text of an application's, a person's or a file's can be anything but text; there is no other way to make `Html`.
 *
 * A place for something is between tags, or in an attribute's double quotes.
 */
export class Html {
  readonly #markup: string;

  private constructor(markup: string) {
    this.#markup = markup;
  }

  static of(parts: TemplateStringsArray, values: readonly Piece[]): Html {
    return new Html(String.raw({ raw: parts }, ...values.map(markupOf)));
  }

  toString(): string {
    return this.#markup;
  }
}

export type Piece = string | number | Html | readonly Html[];

export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Html {
  return Html.of(parts, values);
}

function markupOf(piece: Piece): string {
  if (piece instanceof Html) return piece.toString();
  return Array.isArray(piece) ? piece.join("") : escaped(String(piece));
}

const references: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => references[character] ?? "");
}
