import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { KeyView } from "../services/key-schedule.js";
import { listSigningKeys, type Rotation, replaceSigningKeys, rotateSigningKeys } from "../services/signing-keys.js";
import { readSettings } from "../services/store.js";
import { type StoreOptions, unsealStore } from "./unseal.js";

const tools = { now: Date.now, random: randomBytes };

/** Prints the published keys, oldest first. */
export async function signingKeyListCommand(output: Output, options: StoreOptions): Promise<void> {
  const store = await unsealStore(output, options);
  try {
    const keys = await listSigningKeys({ barrier: store.barrier, ...tools });
    output.result({ keys: keys.map(fieldsOf) }, ...keys.flatMap(linesOf));
  } finally {
    await store.close();
  }
}

export interface RotateOptions extends StoreOptions {
  readonly now?: boolean;
  readonly yes?: boolean;
}

/**
 * Publishes the next key; with `--now`, replaces all keys at once, after a person or `--yes` has confirmed it.
 * @throws PosternError `input_needed` without either, before the store is opened; `cancelled`
 */
export async function signingKeyRotateCommand(output: Output, options: RotateOptions): Promise<void> {
  const atOnce = options.now === true;
  if (atOnce && options.yes !== true) await confirmReplacement(output, options);
  const store = await unsealStore(output, options);
  try {
    const { barrier } = store;
    const { node } = await readSettings(barrier);
    const context = { barrier, node, ...tools };
    if (!atOnce) return printRotation(output, await rotateSigningKeys(context));
    const seen = await listSigningKeys(context);
    const ids = seen.map(({ id }) => id);
    printReplacement(output, await replaceSigningKeys(context, ids));
  } finally {
    await store.close();
  }
}

async function confirmReplacement(output: Output, { input }: RotateOptions): Promise<void> {
  const interactive = input && process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (!interactive)
    throw new PosternError("input_needed", { detail: "--now asks to confirm it, unless --yes is given" });
  output.note(...consequences);
  const yes = await createPrompter().confirm("Replace all signing keys now?", false);
  if (!yes) throw new PosternError("cancelled");
}

const consequences = [
  say`All keys that sign tokens are removed, and a new one signs at once.`,
  say`Tokens signed so far are refused by whoever fetches the keys again.`,
  say`A verifier with a cached key set refuses the new tokens, and still accepts`,
  say`those of the old keys, for up to five minutes.`,
];

function printRotation(output: Output, { rotated, keys }: Rotation): void {
  const newest = newestOf(keys);
  const what = rotated ? say`Published ${newest.id}` : say`A rotation is under way already: ${newest.id}`;
  output.result(
    { rotated, ...fieldsOf(newest) },
    what,
    say`It signs from ${shown(newest.signsFrom)} UTC; until then the one before does.`,
  );
}

function printReplacement(output: Output, { rotated, keys }: Rotation): void {
  const newest = newestOf(keys);
  const what = rotated ? say`Replaced all keys: ${newest.id} signs` : say`Somebody else has just replaced all keys`;
  output.result({ rotated, ...fieldsOf(newest) }, what);
  if (!rotated) return;
  output.note(
    say`Verifiers with a cached key set refuse its tokens, and still accept those of`,
    say`the old keys, for up to five minutes.`,
  );
}

function newestOf(keys: readonly KeyView[]): KeyView {
  const newest = keys.at(-1);
  if (newest === undefined) throw new PosternError("bug", { detail: "there is no signing key" });
  return newest;
}

function fieldsOf({ id, state, createdAt, signsFrom, signsUntil, retiresAt }: KeyView): JsonObject {
  return {
    id,
    state,
    made: iso(createdAt),
    signs_from: iso(signsFrom),
    signs_until: signsUntil === undefined ? undefined : iso(signsUntil),
    published_until: retiresAt === undefined ? undefined : iso(retiresAt),
  };
}

/** Times in UTC, as the audit log has them. */
function linesOf({ id, state, createdAt, signsFrom, signsUntil, retiresAt }: KeyView): TerminalText[] {
  const open = "there is a next one";
  return [
    say`${id}  ${state}`,
    say`  made ${shown(createdAt)}, signs from ${shown(signsFrom)}`,
    say`  signs until ${signsUntil === undefined ? open : shown(signsUntil)}`,
    say`  published until ${retiresAt === undefined ? "some minutes after that" : shown(retiresAt)}`,
  ];
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function shown(time: number): string {
  return iso(time).slice(0, 19).replace("T", " ");
}
