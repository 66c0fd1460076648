import { randomBytes } from "node:crypto";
import type { Output } from "@postern/shared/terminal/output";
import { showProgress } from "@postern/shared/terminal/progress";
import { say } from "@postern/shared/terminal/terminal-text";
import { type Rekeyed, rekey } from "../../services/rekey.js";
import { readSettings } from "../../services/store.js";
import { type StoreOptions, unsealKeeping } from "../unseal.js";

export interface RekeyOptions extends StoreOptions {
  readonly newRoot?: boolean;
}

/**
 * Seals every record in a new term; with `--new-root` under another root key, which begins while nobody else has the
 * store open.
 * @throws PosternError as `unsealStore`; `store_in_use` with `--new-root`; `store_damaged` naming a record
 */
export async function rekeyCommand(output: Output, options: RekeyOptions): Promise<void> {
  const { store, password } = await unsealKeeping(output, options);
  const progress = showProgress("Sealing", output, { stream: process.stderr, env: process.env });
  try {
    const { node } = await readSettings(store.barrier);
    const context = { barrier: store.barrier, node, now: Date.now, random: randomBytes };
    const newRoot = options.newRoot === true ? { alone: store.alone, password } : undefined;
    const done = await rekey(context, { newRoot, onProgress: progress.to });
    progress.end();
    print(output, done, options);
  } finally {
    progress.end();
    password.fill(0);
    await store.close();
  }
}

function print(output: Output, { term, resealed, dropped, left, begun }: Rekeyed, { newRoot }: RekeyOptions): void {
  const what = resealed === 1 ? "1 record was" : `${resealed} records were`;
  output.result(
    { term, resealed, dropped: [...dropped], left: [...left], resumed: begun === "resumed" },
    ...(begun === "resumed" ? [say`Went on with a rekey that had not come to its end.`] : []),
    ...(newRoot === true ? [say`The store has another root key.`] : []),
    say`${what} sealed anew; all are in term ${term}.`,
    ...(dropped.length > 0 ? [say`The keys of before are gone: term ${dropped.join(", ")}.`] : []),
    ...(begun === "resumed" ? [say`That key was drawn when the first of them began; run it again for a new one.`] : []),
    ...(left.length > 0 ? [say`Another rekey is under way; it will remove term ${left.join(", ")}.`] : []),
  );
}
