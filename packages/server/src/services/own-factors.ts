import { PosternError } from "@postern/shared/errors";
import type { FactorId } from "@postern/shared/ids";
import type { Identity } from "@postern/shared/names/name";
import { type Account, type Factor, putAccount } from "../records/account.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import {
  enrolmentOf,
  type FactorEnrolment,
  type FactorWish,
  newHotpFactor,
  newTotpFactor,
  takeFirstCode,
  wipeFactor,
} from "./enrolment.js";
import { type SessionName, withLiveSession } from "./live-session.js";
import { withFreshSession } from "./step-up.js";

/** A person's authenticators. Whoever can add or remove one decides who gets in: it takes a fresh session. */
export const FACTORS_MAX = 8;

/** Without a label it gets one. */
export type WishedFactor = Omit<FactorWish, "label"> & {
  readonly kind: Factor["kind"];
  readonly label?: string | undefined;
};

/** @throws PosternError `session_invalid`, `step_up_needed` */
export function listFactors(context: ServiceContext, known: SessionName): Promise<readonly Factor[]> {
  return withFreshSession(context, known, async (_tx, { account }) => account.factors);
}

/**
 * Makes the secret of another authenticator. Nothing is stored before its first code.
 * @throws PosternError `session_invalid`, `step_up_needed`, `too_many_factors`, `label_invalid`, `label_taken`
 */
export function offerNewFactor(
  context: ServiceContext,
  known: SessionName,
  { kind, ...wish }: WishedFactor,
): Promise<FactorEnrolment> {
  return withFreshSession(context, known, async (_tx, { account }) => {
    const label = wish.label === undefined ? freeLabel(account) : parseLabel(wish.label);
    requireRoom(account, label);
    const wished = { ...wish, label };
    const factor = kind === "totp" ? newTotpFactor(context, wished) : newHotpFactor(context, wished);
    return enrolmentOf<Factor>(factor, account.identity as Identity);
  });
}

/**
 * Adds the authenticator, with its first code used up.
 * @throws PosternError `code_refused` (the enrolment goes on while tries are left), `session_invalid`,
 *   `too_many_factors`, `label_taken`
 */
export async function confirmNewFactor(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  { enrolment, code }: { enrolment: FactorEnrolment; code: string },
): Promise<Factor> {
  const factor = takeFirstCode(enrolment, code, context.now());
  if (factor instanceof PosternError) throw factor;
  await withLiveSession(context, known, async (tx, { session, account, nameIndex }) => {
    requireRoom(account, factor.label);
    await putAccount(tx, nameIndex, { ...account, factors: [...account.factors, factor] });
    await audit(context, tx, peer, {
      ...aboutSession(session),
      event: "factor.add",
      outcome: "done",
      reason: factor.id,
    });
  });
  wipeFactor(enrolment);
  return factor;
}

/** @throws PosternError `session_invalid`, `step_up_needed`, `id_unknown`, `last_factor` */
export async function removeFactor(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  id: FactorId,
): Promise<void> {
  await withFreshSession(context, known, async (tx, { session, account, nameIndex }) => {
    const factors = account.factors.filter((factor) => factor.id !== id);
    if (factors.length === account.factors.length) throw new PosternError("id_unknown");
    if (factors.length === 0) throw new PosternError("last_factor");
    await putAccount(tx, nameIndex, { ...account, factors });
    await audit(context, tx, peer, { ...aboutSession(session), event: "factor.remove", outcome: "done", reason: id });
  });
}

function requireRoom({ factors }: Account, label: string): void {
  if (factors.length >= FACTORS_MAX) throw new PosternError("too_many_factors");
  if (factors.some((factor) => factor.label === label)) throw new PosternError("label_taken");
}

/**
 * Letters, digits and the usual signs between them: a label is shown in terminals and logs. Nothing that does not show:
 * two labels that differ look different.
 */
const labelForm =
  /^(?!.*\p{Default_Ignorable_Code_Point})[\p{L}\p{N}](?:[\p{L}\p{M}\p{N} ._'()-]{0,30}[\p{L}\p{M}\p{N}.)])?$/u;

/** @throws PosternError `label_invalid` */
export function parseLabel(text: string): string {
  const label = text.normalize("NFC");
  if (!labelForm.test(label)) throw new PosternError("label_invalid");
  return label;
}

function freeLabel({ factors }: Account): string {
  const taken = new Set(factors.map(({ label }) => label));
  const labels = Array.from({ length: FACTORS_MAX + 1 }, (_, n) =>
    n === 0 ? "authenticator" : `authenticator ${n + 1}`,
  );
  return labels.find((label) => !taken.has(label)) ?? "authenticator";
}
