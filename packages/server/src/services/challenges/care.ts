import { PosternError } from "@postern/shared/errors";
import type { ChallengeId } from "@postern/shared/ids";
import { findChallenge, scanChallenges } from "../../records/challenges/challenge.js";
import { type Page, type PageWish, pageOf } from "../applications/listing.js";
import type { Owner } from "../applications/subject.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { expire } from "./expire.js";
import { aboutChallenge, endChallenge, isInTime, type ShownChallenge, shownChallenge } from "./state.js";

/** What becomes of challenges once they are made, as their application sees it. */

type Application = Pick<Owner, "application">;

/** @throws PosternError `challenge_unknown` */
export async function showChallenge(
  { barrier, now }: ServiceContext,
  { application }: Application,
  id: ChallengeId,
): Promise<ShownChallenge> {
  const challenge = await barrier.read((tx) => findChallenge(tx, application, id));
  if (challenge === undefined) throw new PosternError("challenge_unknown");
  return shownChallenge(challenge, now());
}

/** One page of what an application has asked; what does not open is left out, and goes with the next upkeep. */
export function listChallenges(
  { barrier, now }: ServiceContext,
  { application }: Application,
  { after, limit }: PageWish<ChallengeId>,
): Promise<Page<ChallengeId, ShownChallenge>> {
  return barrier.read(async (tx) => {
    const page = pageOf(await scanChallenges(tx, application, after, limit + 1), limit);
    return { ...page, items: page.items.map((challenge) => shownChallenge(challenge, now())) };
  });
}

/**
 * Ends a challenge before somebody answers it: its page is gone. One that is cancelled already stays so.
 * @throws PosternError `challenge_unknown`, `challenge_ended` when it was answered, or its time was over
 */
export async function cancelChallenge(
  context: ServiceContext,
  peer: Peer,
  { application }: Application,
  id: ChallengeId,
): Promise<ShownChallenge> {
  const now = context.now();
  const cancelled = await context.barrier.transact(async (tx) => {
    const challenge = await findChallenge(tx, application, id);
    if (challenge === undefined) throw new PosternError("challenge_unknown");
    if (challenge.state !== "open") return challenge;
    if (!isInTime(challenge, now)) {
      await expire(context, tx, challenge);
      return undefined;
    }
    await audit(context, tx, peer, { ...aboutChallenge(challenge), event: "challenge.cancel", outcome: "done" });
    return endChallenge(tx, challenge, { state: "cancelled", endedAt: now });
  });
  if (cancelled?.state !== "cancelled") throw new PosternError("challenge_ended");
  return shownChallenge(cancelled, now);
}
