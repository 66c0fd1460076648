import type { ApplicationId, CallbackId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { orDamaged, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { bytes, instant, text, type ValueOf, words } from "../kinds.js";
import { optional, record, tagged } from "../record-kind.js";

/** Where an application is told of its challenges: a target that the operator made and named. */
const schema = record({
  id: text<CallbackId>(),
  application: text<ApplicationId>(),
  /** By which the application means it. */
  name: text(),
  createdAt: instant,
  target: tagged("kind", {
    webhook: record({
      kind: words("webhook"),
      url: text(),
      /** Keys the signature that each message has. */
      secret: bytes(32),
    }),
    template: record({
      kind: words("template"),
      /** With its placeholders: `https://bot.example/users/{client_id}/send?validated={validated}`. */
      url: text(),
      method: words("GET", "POST"),
      /** What the receiver knows the server by: for {token}, or as a bearer where the URL has no place for it. */
      token: optional(text()),
    }),
  }),
});
export type Callback = ValueOf<typeof schema>;
export type Target = Callback["target"];

const codec = recordCodec(schema, { format: 1 });

/** The application's id first, so that one range holds all of its callbacks; their names are only within. */
const callbackKey = ({ application, id }: Pick<Callback, "application" | "id">) =>
  recordKey("callback", idBytes(application), idBytes(id));

/** One that is damaged is not one that is no more: what waits for it is not to be given up. */
export function getCallback(
  tx: SealedReadTransaction,
  callback: Pick<Callback, "application" | "id">,
): Promise<Callback | "damaged" | undefined> {
  return orDamaged(async () => {
    const stored = await tx.get(callbackKey(callback));
    return stored && codec.decode(stored);
  });
}

/** At most a few: an operator made each. */
export async function callbacksOf(tx: SealedReadTransaction, application: ApplicationId): Promise<Callback[]> {
  const { records } = await scanIntact(tx, recordRange("callback", idBytes(application)), codec.decode);
  return records.map(({ value }) => value);
}

export async function allCallbacks(tx: SealedReadTransaction): Promise<Callback[]> {
  const { records } = await scanIntact(tx, recordRange("callback"), codec.decode);
  return records.map(({ value }) => value);
}

export async function putCallback(tx: SealedWriteTransaction, callback: Callback): Promise<void> {
  await tx.put(callbackKey(callback), codec.encode(callback));
}

export async function deleteCallbackRecord(tx: SealedWriteTransaction, callback: Callback): Promise<void> {
  await tx.delete(callbackKey(callback));
}
