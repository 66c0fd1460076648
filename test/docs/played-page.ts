import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * A page whose commands are played one after another in a shell. What stands in fences behind `$ ` is typed, and what
 * follows it is printed; `<!-- 60 minutes later -->` between them moves the clock. What differs from run to run (ids,
 * keys, secrets, codes, ports, the time at which the page begins) is read as what stands in its place on the page.
 */
export type Part =
  | { readonly kind: "text"; readonly lines: readonly string[] }
  | { readonly kind: "later"; readonly line: string; readonly milliseconds: number }
  | { readonly kind: "command"; readonly command: string; readonly printed: readonly string[] };

const spans: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000 };

export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  const lines = text.split("\n");
  let inFence = false;
  while (lines.length > 0) {
    const line = lines.shift() ?? "";
    if (line.startsWith("```")) inFence = !inFence;
    const [, count, unit = ""] = /^<!-- (\d+) (second|minute|hour)s? later -->$/.exec(line) ?? [];
    if (inFence && line.startsWith("$ ")) {
      parts.push({ kind: "command", command: commandOf(line.slice(2), lines), printed: printedOf(lines) });
    } else if (count !== undefined) {
      parts.push({ kind: "later", line, milliseconds: Number(count) * (spans[unit] ?? 0) });
    } else parts.push({ kind: "text", lines: [line] });
  }
  return parts;
}

/** With the lines that a shell reads on: behind a backslash, within quotes, and of a text up to END. */
function commandOf(first: string, rest: string[]): string {
  let read = first;
  while (goesOn(read) && rest.length > 0) read += `\n${rest.shift()}`;
  return read;
}

function goesOn(read: string): boolean {
  if (read.includes("<<END")) return !read.endsWith("\nEND");
  return read.endsWith("\\") || (read.match(/'/g) ?? []).length % 2 === 1;
}

function printedOf(rest: string[]): string[] {
  const printed: string[] = [];
  while (rest.length > 0 && !/^(?:\$ |```)/.test(rest[0] ?? "")) printed.push(rest.shift() ?? "");
  return printed;
}

/** JSON is one line of output, which the page breaks behind commas. */
const WIDTH = 116;

/** A line of output as the page has it. */
export function folded(line: string): string[] {
  if (!line.startsWith("{") || line.length <= WIDTH) return [line];
  const lines = [""];
  for (const piece of line.match(/(?:"(?:[^"\\]|\\.)*"|[^",])*(?:,|$)/g) ?? []) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + piece.length > WIDTH) lines.push(` ${piece}`);
    else lines[lines.length - 1] = last + piece;
  }
  return lines;
}

export function unfolded(lines: readonly string[]): string {
  return lines.join("\n").replaceAll("\n ", "");
}

/** Headers that every reply has, or that say nothing of what was asked. */
const left =
  /^(?:x-content-type-options|referrer-policy|content-security-policy|content-length|content-type|date|connection|keep-alive|cache-control): /i;

const LONG = 300;
const SHOWN = 40;

/** What a command printed, without what the page leaves out: headers that every reply has, the ends of pictures. */
export function withoutBallast(output: string): string {
  const lines = output.replaceAll("\r", "").trimEnd().split("\n");
  return lines
    .filter((line) => !left.test(line))
    .map((line) => (line.startsWith("{") ? JSON.stringify(JSON.parse(line), cut) : line))
    .join("\n");
}

function cut(_name: string, value: unknown): unknown {
  return typeof value === "string" && value.length > LONG ? `${value.slice(0, SHOWN)}…` : value;
}

/** What is another one in each run, by its kind. */
const varying: Readonly<Record<string, RegExp>> = {
  ...Object.fromEntries(
    ["app", "key", "otp", "totp", "hotp", "chl", "cbk", "acc", "ses"].map((kind) => [
      kind,
      new RegExp(`\\b${kind}_[0-9a-f]{32}\\b`, "g"),
    ]),
  ),
  page: /(?<=\/c\/)[\w-]{22}(?="|$)/gm,
  apiKey: /\bpk_[0-9a-f]{32}_[\w-]{43}/g,
  code: /(?<="code":")\d{4,10}(?=")|^\d{6}$/gm,
  secret: /(?<="secret":")[A-Z2-7]{16,}(?=")/g,
  fingerprint: /SHA256:[A-Za-z0-9+/]{43}/g,
  digest: /(?<=")[0-9a-f]{64}(?=")/g,
};

/** Figures of the machine, and of the program: any stands for any. */
export function withoutFigures(text: string): string {
  return text
    .replaceAll(/(?<="(?:pid|bytes|free|records|length)":)\d+/g, "0")
    .replaceAll(/(?<="version":)"\d+\.\d+\.\d+[^"]*"/g, '""')
    .replaceAll(/(?<="host":)"[^"]*"/g, '""');
}

/** Which word of the server's stands for which of the page's. */
export class Names {
  readonly #ofPage = new Map<string, string>();

  set(ofPage: string, ofServer: string): void {
    this.#ofPage.set(ofPage, ofServer);
  }

  /** Hears what the page shows and what the server has said in its place. */
  learn(shown: string, said: string): void {
    for (const pattern of Object.values(varying)) {
      const ofServer = [...said.matchAll(pattern)].map(([word]) => word);
      for (const [index, [word]] of [...shown.matchAll(pattern)].entries()) {
        const other = ofServer[index];
        if (other !== undefined && !(this.#ofPage.has(word) && word.includes("_"))) this.set(word, other);
      }
    }
  }

  toServer(text: string): string {
    return replaced(text, [...this.#ofPage]);
  }

  toPage(text: string): string {
    return replaced(
      text,
      [...this.#ofPage].map(([ofPage, ofServer]) => [ofServer, ofPage]),
    );
  }
}

function replaced(text: string, pairs: readonly (readonly [string, string])[]): string {
  const byWord = new Map(pairs);
  if (byWord.size === 0) return text;
  const words = [...byWord.keys()].map((word) => word.replaceAll(/[+./]/g, "\\$&")).join("|");
  return text.replaceAll(
    new RegExp(`(?<![0-9A-Za-z])(?:${words})(?![0-9A-Za-z])`, "g"),
    (word) => byWord.get(word) ?? word,
  );
}

/** Times of a run that began `shift` milliseconds after the page, as those of the page. */
export function withoutShift(text: string, shift: number): string {
  const moved = (time: number) => new Date(time - shift).toISOString();
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (time) => moved(Date.parse(time)))
    .replaceAll(
      /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/g,
      (_, day, hour) =>
        `${moved(Date.parse(`${day}T${hour}.000Z`))
          .slice(0, 19)
          .replace("T", " ")} UTC`,
    )
    .replaceAll(/(?<="(?:exp|iat|auth_time)":)\d+/g, (seconds) => String(Number(seconds) - shift / 1000));
}

const run = promisify(execFile);

/** A shell in a folder; what is set in it stays so. */
export class Shell {
  readonly #folder: string;
  readonly #env: () => NodeJS.ProcessEnv;
  readonly #set: string[] = [];

  constructor(folder: string, env: () => NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#env = env;
  }

  /** Runs a command, and returns all that it prints. */
  async run(command: string): Promise<string> {
    if (/^(?:umask \d+|(?:[a-z]+=\S+ ?)+)$/.test(command)) {
      this.#set.push(command);
      return "";
    }
    const script = ["exec 2>&1", ...this.#set, command].join("\n");
    const { stdout } = await run("sh", ["-c", script], { cwd: this.#folder, env: this.#env() });
    return stdout;
  }
}
