import { PosternError } from "@postern/shared/errors";
import { escapeForTerminal } from "@postern/shared/escape";

/** A one-time code on its way to whom it is for. `expiresAt` in milliseconds since 1970. */
export interface CodeMail {
  readonly to: string;
  readonly code: string;
  readonly expiresAt: number;
  /** What the code is for, and which application asked for it, in that application's words. */
  readonly purpose?: string;
  readonly application: string;
}

/** The same for every mail: a subject stands in notifications, lists and logs, where no code has business. */
export const SUBJECT = "Your one-time code";

const COLUMNS = 80;

/**
 * The text of the mail, in lines of 80 columns at most. What an application says stays on the line that it has, so
 * that it cannot write a mail of its own (attack 46).
 */
export function textOf({ code, expiresAt, purpose, application }: CodeMail, now: number): string {
  if (!/^[0-9]{4,10}$/.test(code)) throw new PosternError("bug", { detail: "what is to be mailed is no code" });
  const name = escapeForTerminal(application, { max: COLUMNS });
  return [
    "Your one-time code for",
    name,
    "",
    `    ${grouped(code)}`,
    "",
    "The same in one piece, to copy:",
    "",
    code,
    "",
    ...(purpose === undefined ? [] : ["What it is for:", escapeForTerminal(purpose, { max: COLUMNS }), ""]),
    `It is valid for ${validFor(expiresAt - now)}, until ${timeOf(expiresAt)} UTC, and works once.`,
    "",
    "If you did not ask for it, ignore this mail. Enter the code only where you",
    "asked for it: nobody from us will ask you for it, by mail, phone or chat.",
    "",
  ].join("\n");
}

/** In two groups, as people read digits out. */
function grouped(code: string): string {
  const half = Math.floor(code.length / 2);
  return code.length < 5 ? code : `${code.slice(0, half)} ${code.slice(half)}`;
}

/** Whole minutes, rounded down, as nobody is to rely on more; what issuing has taken of the last one is not counted. */
function validFor(ms: number): string {
  const minutes = Math.floor((ms + 5_000) / 60_000);
  if (minutes < 1) return "less than a minute";
  return minutes === 1 ? "1 minute" : `${minutes} minutes`;
}

const timeOf = (instant: number) => new Date(instant).toISOString().slice(11, 16);
