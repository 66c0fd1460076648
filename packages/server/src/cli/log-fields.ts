/**
 * What may stand in the program's log. Fields are known by name: whatever else is handed to the log, by a slip of ours
 * or of a package, does not get there. Texts of errors are looked through for what has the form of a secret.
 */

/** Each field but those of every line (level, time, msg), and what it says: the table in docs/operations.md. */
export const logFields = {
  node: "which node this is, where it has a name",
  code: "an error's code, of the protocol's table or a `store_…` one",
  worker: "with `--workers`: who wrote the line, or whom it is about where the first process wrote it",
  pid: "the process id of that worker",
  end: "by which signal or exit code it ended",
  awaits: "the state of the connection",
  err: "what was thrown: `type`, `code`, `message`, `stack`, and its `cause` in the same form",
  exempt: "`--address-limits`, of which addresses it speaks",
  logLevel: "the level that is in force from now on",
  from: "where that level is from: `store`, `start` or `reload`",
  what: "what SIGHUP had read anew",
  connections: "how many connections were waited for, or were cut off",
  seconds: "for how long they may go on; how long the database was away",
  fingerprint: "of the identity that is shown from now on",
  why: "why a worker could not start; why a mail was not sent: the mail server's reply code and to which command, or what became of the connection; of the database, why it is away",
  expires: "when your own certificate ends",
  callback: "`cbk_…`, the callback that a message is for",
  challenge: "`chl_…`, the challenge that the message tells of",
  attempts: "how often it was tried",
  status: "the receiver's HTTP status",
  fault: "why there was none",
  dropped: "how many messages could not be opened",
  balancer: "an address of `--proxy-protocol` whose connection was closed before TLS",
  header: "what became of its header: `none`, `malformed`, `late`, `crowded`",
  closed: "how many connections were closed so since the last such line, this one included",
  callbacks: "how many callbacks nothing is delivered to",
} as const satisfies Record<string, string>;

const LEFT_OUT = "[left out]";

/** pino's `formatters.log`: every field that is not in the table loses its value. */
export function onlyKnownFields(facts: Record<string, unknown>): Record<string, unknown> {
  const shown = Object.entries(facts).map(([name, value]) => [
    name,
    Object.hasOwn(logFields, name) ? shownAs(value) : LEFT_OUT,
  ]);
  return Object.fromEntries(shown);
}

function shownAs(value: unknown): unknown {
  if (value === undefined) return undefined;
  if (value instanceof Error) return errorFacts(value);
  if (typeof value === "string") return withoutSecrets(value);
  return typeof value === "number" || typeof value === "boolean" ? value : LEFT_OUT;
}

interface ErrorShown {
  readonly type: string;
  readonly code?: string;
  readonly message: string;
  readonly stack: string;
  readonly cause?: ErrorShown;
}

/** How deep causes are followed: an error may be its own. */
const DEEPEST = 8;

/** No other property of an error is shown: packages hang inputs on them. */
export function errorFacts(error: Error, depth = 0): ErrorShown {
  const { name, cause } = error;
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return {
    type: name,
    ...(code !== undefined && { code: withoutSecrets(code) }),
    // V8 quotes what it could not parse, and that may be anything.
    message: error instanceof SyntaxError ? LEFT_OUT : withoutSecrets(error.message),
    stack: framesOf(error),
    ...(cause instanceof Error && depth < DEEPEST && { cause: errorFacts(cause, depth + 1) }),
  };
}

/** A stack begins with the message; the places alone are kept. */
function framesOf({ stack }: Error): string {
  const frames = (stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return withoutSecrets(frames.join("\n"));
}

/** The forms of our secrets, and of those that come near. */
const secretForms: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /otpauth:\/\/[^\s"']+/gi,
  /\bpss_[0-9a-f_]+/gi,
  /\bpk_[0-9a-f]{32}_[\w-]+/gi,
  /\beyJ[\w-]*\.[\w-]*\.?[\w-]*/g,
  // User and password of a URL.
  /(?<=:\/\/)[^\s/@]+(?=@)/g,
  // Verifiers, proofs, stretched passwords, session secrets; fingerprints and hashes go with them.
  /\b[0-9a-f]{64,}\b/gi,
  // Secrets of authenticators in base32.
  /\b[A-Z2-7]{26,}\b/g,
  // Recovery codes, with and without dashes.
  /\b[0-9a-hjkmnp-tv-z]{5}(?:-[0-9a-hjkmnp-tv-z]{5}){4}\b/gi,
  /\b(?=[a-z]*[0-9])[0-9a-hjkmnp-tv-z]{25}\b/gi,
  // One-time codes: six to ten digits by themselves. Shorter ones look like any other number.
  /(?<![\w.:-])[0-9]{6,10}(?![\w.:-])/g,
];

export function withoutSecrets(text: string): string {
  return secretForms.reduce((rest, form) => rest.replaceAll(form, LEFT_OUT), text);
}
