import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { type FormerView, type IdentityView, rotateIdentity, viewIdentity } from "../../services/server-identity.js";
import { readSettings } from "../../services/store.js";
import { isoTime, shownTime } from "../shown.js";
import { type StoreOptions, unsealStore } from "../unseal.js";

export interface IdentityShowOptions extends StoreOptions {
  readonly pem?: boolean;
}

/** Prints by what clients know this server, and what became of earlier identities; or its certificate and nothing else. */
export async function identityShowCommand(output: Output, options: IdentityShowOptions): Promise<void> {
  const store = await unsealStore(output, options);
  try {
    const identity = await viewIdentity(store.barrier);
    if (options.pem === true) printPem(output, identity);
    else output.result(fieldsOf(identity), ...linesOf(identity));
  } finally {
    await store.close();
  }
}

function printPem(output: Output, { fingerprint, certificate }: IdentityView): void {
  output.result(
    { fingerprint, certificate },
    ...certificate
      .trimEnd()
      .split("\n")
      .map((line) => say`${line}`),
  );
}

export interface IdentityRotateOptions extends StoreOptions {
  readonly successor: boolean;
  readonly yes?: boolean;
}

/**
 * Replaces the identity, after a person or `--yes` has confirmed it.
 * @throws PosternError `input_needed` without either, before the store is opened; `cancelled`
 */
export async function identityRotateCommand(output: Output, options: IdentityRotateOptions): Promise<void> {
  const { successor } = options;
  if (options.yes !== true) await confirmRotation(output, options);
  const store = await unsealStore(output, options);
  try {
    const { barrier } = store;
    const { node } = await readSettings(barrier);
    const { fingerprint: seen } = await viewIdentity(barrier);
    const tools = { barrier, node, now: Date.now, random: randomBytes };
    const { rotated, identity } = await rotateIdentity(tools, { seen, successor });
    output.result(
      { rotated, ...fieldsOf(identity) },
      rotated
        ? say`${bold("Replaced the identity.")} Its fingerprint is`
        : say`Somebody else has just replaced it. It is`,
      say`  ${identity.fingerprint}`,
    );
    if (rotated) output.note(...(successor ? withSuccessor : withoutSuccessor));
  } finally {
    await store.close();
  }
}

async function confirmRotation(output: Output, { input, successor }: IdentityRotateOptions): Promise<void> {
  const interactive = input && process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (!interactive) {
    throw new PosternError("input_needed", { detail: "rotating asks to confirm it, unless --yes is given" });
  }
  output.note(...(successor ? consequences : consequencesOfTheft));
  const yes = await createPrompter().confirm("Replace the identity of this server?", false);
  if (!yes) throw new PosternError("cancelled");
}

const consequences = [
  say`The server gets a new identity, for which the old one vouches; then the old`,
  say`key is destroyed. Clients that know the old one go on at their next login;`,
  say`until then their other commands are refused. Invites and reset tokens that`,
  say`were handed out so far are of no use any more.`,
];

const consequencesOfTheft = [
  say`The server gets a new identity, for which nothing vouches. Every client`,
  say`refuses it until its person has forgotten the old one (postern server`,
  say`forget) and compared the new fingerprint, which you must hand out again.`,
  say`Invites and reset tokens that were handed out so far are of no use any more.`,
];

const withSuccessor = [
  say`Servers that run show it within seconds. Whoever connects for the first time`,
  say`must compare this one; clients that know the old one go on at their next login.`,
];

const withoutSuccessor = [
  say`Servers that run show it within seconds. Tell everybody the new fingerprint:`,
  say`their clients refuse the server until they forget the old one.`,
];

function fieldsOf({ fingerprint, createdAt, leaf, former }: IdentityView): JsonObject {
  return {
    fingerprint,
    since: isoTime(createdAt),
    leaf: { expires: isoTime(leaf.expiresAt), hosts: leaf.hosts },
    earlier: former.map((one) => ({
      fingerprint: one.fingerprint,
      since: isoTime(one.createdAt),
      until: isoTime(one.endedAt),
      successor: one.successor,
    })),
  };
}

/** Times in UTC, as the audit log has them. */
function linesOf({ fingerprint, createdAt, leaf, former }: IdentityView): TerminalText[] {
  return [
    say`${bold(fingerprint)}`,
    say`  since ${shownTime(createdAt)}`,
    say`  certificate until ${shownTime(leaf.expiresAt)}, for`,
    ...leaf.hosts.map((host) => say`    ${host}`),
    ...(former.length === 0 ? [] : [say``, say`Before it:`]),
    ...former.flatMap(formerLines),
  ];
}

const led: Record<FormerView["successor"], string> = {
  published: "clients that know it go on at their next login",
  "cut-off": "clients that know it refuse this server: nothing leads from it any more",
  none: "clients that know it refuse this server: it was replaced with --no-successor",
};

function formerLines({ fingerprint, createdAt, endedAt, successor }: FormerView): TerminalText[] {
  return [
    say`${fingerprint}`,
    say`  from ${shownTime(createdAt)} until ${shownTime(endedAt)}`,
    say`  ${led[successor]}`,
  ];
}
