import type { ApplicationId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { instant, text, type ValueOf } from "../kinds.js";
import { record } from "../record-kind.js";

/**
 * Who holds API keys. All that is made with a key belongs to the application, so that it outlives each key; and the
 * application outlives all of them.
 */
const schema = record({
  id: text<ApplicationId>(),
  /** The name of its first key. */
  name: text(),
  createdAt: instant,
});
export type Application = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

const applicationKey = (id: ApplicationId) => recordKey("application", idBytes(id));

export async function findApplication(tx: SealedReadTransaction, id: ApplicationId): Promise<Application | undefined> {
  const stored = await tx.get(applicationKey(id));
  return stored && codec.decode(stored);
}

export async function putApplication(tx: SealedWriteTransaction, application: Application): Promise<void> {
  await tx.put(applicationKey(application.id), codec.encode(application));
}

/** All of them: an operator made each, by a command. A damaged one is left out. */
export async function allApplications(tx: SealedReadTransaction): Promise<Application[]> {
  const { records } = await scanIntact(tx, recordRange("application"), codec.decode);
  return records.map(({ value }) => value);
}
