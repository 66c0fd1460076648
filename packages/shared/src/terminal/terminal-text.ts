/**
 * Text that is fit for a terminal. It can only be built by `say`, which escapes whatever it interpolates, and by the
 * styles; so a name, an address or a server's answer cannot bring a control sequence along (OSC 52, CSI, bidi).
 * Whether a style shows is decided where the text is printed, for the stream that it goes to.
 */
import { escapeForTerminal } from "../escape.js";

class RenderedText {
  readonly #render: (colour: boolean) => string;

  constructor(render: (colour: boolean) => string) {
    this.#render = render;
  }

  render(colour: boolean): string {
    return this.#render(colour);
  }
}

export type TerminalText = RenderedText;

/** What may stand in a `say`: strings are escaped. */
export type Sayable = string | number | TerminalText;

/** One line (or several, with the `\n` written in the template) for a person: say`logged in as ${name}`. */
export function say(ours: TemplateStringsArray, ...outside: readonly Sayable[]): TerminalText {
  return new RenderedText((colour) =>
    ours.reduce((text, part, index) => text + renderAny(outside[index - 1] ?? "", colour) + part),
  );
}

/** Text that was drawn for the terminal and shows as it is, colours included, also under NO_COLOR: the QR code. */
export function drawn(text: string): TerminalText {
  return new RenderedText(() => text);
}

/** SGR parameters that begin and end each style (ECMA-48, 8.3.117). */
const sgr = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

export const bold = styler(sgr.bold);
export const dim = styler(sgr.dim);
export const red = styler(sgr.red);
export const green = styler(sgr.green);
export const yellow = styler(sgr.yellow);

function styler([begin, end]: readonly [number, number]): (text: Sayable) => TerminalText {
  return (text) =>
    new RenderedText((colour) => {
      const plain = renderAny(text, colour);
      return colour ? `\u001b[${begin}m${plain}\u001b[${end}m` : plain;
    });
}

function renderAny(value: Sayable, colour: boolean): string {
  if (value instanceof RenderedText) return value.render(colour);
  return typeof value === "string" ? escapeForTerminal(value) : String(value);
}

/** What is asked of a stream before anything is printed on it. */
export interface TerminalStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean | undefined;
}

/** Colours show on a terminal only, unless TERM=dumb or a non-empty NO_COLOR (no-color.org) forbids them. */
export function showsColour(stream: TerminalStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}
