import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, putAccount } from "../records/account.js";
import { type Budget, untouchedBudget } from "../records/budget.js";
import { devicesOf, putDevice } from "../records/device.js";
import { deleteStrangerCounter, getStrangerCounter } from "../records/stranger-counter.js";
import { removeAccount } from "./account-removal.js";
import { runErasures } from "./audit-erasure.js";
import { type AuditContext, aboutAccount, audit } from "./context.js";
import { isLive } from "./live-session.js";
import { type Found, findLocated, locate, type Who } from "./people.js";
import { endSessionsBut } from "./sessions.js";
import { ensureStretchCensus } from "./stretching.js";

/**
 * What an operator does about people. Each is one transaction with its audit record, and holds in every process from
 * then on, since nothing but the store says who may get in.
 */

/** One change to a person, recorded in its transaction unless there was nothing to change. */
async function change<T>(
  context: AuditContext,
  who: Who,
  event: string,
  act: (tx: SealedWriteTransaction, found: Found) => Promise<{ changed: boolean; value: T }>,
): Promise<T & { readonly account: Account; readonly changed: boolean }> {
  const { barrier } = context;
  const located = await locate(barrier, who);
  return barrier.transact(async (tx) => {
    const found = await findLocated(barrier, tx, located);
    const { changed, value } = await act(tx, found);
    if (changed) await audit(context, tx, undefined, { ...aboutAccount(found.account), event, outcome: "done" });
    return { ...value, account: found.account, changed };
  });
}

/**
 * Closes an account and ends its sessions, of which `ended` were live. Who logs in is told so once both factors are
 * proved, and nobody else. Known devices stay, and give nothing.
 * @throws PosternError `user_unknown`
 */
export function disablePerson(context: AuditContext, who: Who) {
  return change(context, who, "user.disable", async (tx, { nameIndex, account }) => {
    const now = context.now();
    const ended = (await endSessionsBut(tx, account.id)).filter((session) => isLive(session, now)).length;
    const changed = account.disabledAt === undefined;
    if (changed) await putAccount(tx, nameIndex, { ...account, disabledAt: now });
    return { changed, value: { ended } };
  });
}

/** @throws PosternError `user_unknown` */
export function enablePerson(context: AuditContext, who: Who) {
  return change(context, who, "user.enable", async (tx, { nameIndex, account }) => {
    const { disabledAt, ...open } = account;
    if (disabledAt !== undefined) await putAccount(tx, nameIndex, open);
    return { changed: disabledAt !== undefined, value: {} };
  });
}

/**
 * Forgets the wrong guesses at an account: those of strangers, at its password and its codes, and those of its known
 * devices. Codes that were refused for good are taken again. `devices`: how many of them had any.
 * @throws PosternError `user_unknown`
 */
export function unlockPerson(context: AuditContext, who: Who) {
  return change(context, who, "user.unlock", async (tx, { nameIndex, account }) => {
    const passwords = isTouched(await getStrangerCounter(tx, nameIndex));
    if (passwords) await deleteStrangerCounter(tx, nameIndex);
    const codes = isTouched(account.codeBudget);
    if (codes) await putAccount(tx, nameIndex, { ...account, codeBudget: untouchedBudget });
    const devices = (await devicesOf(tx, account.id)).filter(
      ({ passwordBudget, codeBudget }) => isTouched(passwordBudget) || isTouched(codeBudget),
    );
    for (const device of devices) {
      await putDevice(tx, { ...device, passwordBudget: untouchedBudget, codeBudget: untouchedBudget });
    }
    const value = { passwords, codes, devices: devices.length };
    return { changed: passwords || codes || devices.length > 0, value };
  });
}

const isTouched = ({ failures, blockedUntil }: Budget) => failures > 0 || blockedUntil > 0;

/**
 * Deletes an account as its person could, and erases the person from the log.
 * @throws PosternError `user_unknown`
 */
export async function deletePerson(context: AuditContext, who: Who): Promise<{ readonly account: Account }> {
  await ensureStretchCensus(context.barrier);
  const deleted = await change(context, who, "user.delete", async (tx, { nameIndex, account }) => {
    await removeAccount(tx, nameIndex, account);
    return { changed: true, value: {} };
  });
  await runErasures(context);
  return deleted;
}
