import { createHash } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordRange } from "../records/keys.js";
import { type AuditContext, audit } from "./context.js";
import { runningServers } from "./presence.js";

/** Another value whenever a decision was recorded: each appends to a chain, and so does a server that starts. */
export async function logState(tx: SealedReadTransaction): Promise<string> {
  const hash = createHash("sha256");
  for (const { key, value } of await tx.scan(recordRange("auditHead"))) hash.update(key).update(value);
  return hash.digest("hex");
}

/** Throws where the log has gone on since. @throws PosternError `store_in_use` */
export async function refuseChanged(tx: SealedReadTransaction, before: string): Promise<void> {
  if ((await logState(tx)) === before) return;
  throw new PosternError("store_in_use", { detail: "somebody has changed it while it was copied" });
}

/** Tells where a store has come in of where it has come from. */
export function auditMigration(context: AuditContext, tx: SealedWriteTransaction, from: string): Promise<void> {
  return audit(context, tx, undefined, { event: "store.migrate", outcome: "done", reason: `from ${from}` });
}

/** Who has the store open, as far as those said so that run on it: for who has to stop them. */
export async function namesOfServers({ barrier, now }: Pick<AuditContext, "barrier" | "now">): Promise<string[]> {
  return (await runningServers(barrier, now())).map(({ listen, pid }) => `the server at ${listen} (process ${pid})`);
}
