import { PosternError } from "@postern/shared/errors";
import { fillNewFile, mayReplace, type Write, writerTo } from "@postern/shared/terminal/new-file";
import type { Output } from "@postern/shared/terminal/output";
import { showProgress } from "@postern/shared/terminal/progress";
import { say } from "@postern/shared/terminal/terminal-text";
import { backUp } from "../../services/backup.js";
import { withAudit } from "../audit.js";
import { isoTime, shownSize, shownTime } from "../shown.js";
import type { StoreOptions } from "../unseal.js";

export interface BackupOptions extends StoreOptions {
  readonly force?: boolean;
}

/**
 * Writes a backup to a new file, or to stdout, where the other end has to see that all of it arrived: the exit code says
 * whether it was all sent.
 * @throws PosternError as `unsealStore`; `file_unwritable`; `store_damaged`, `audit_damaged` for a store that a restore
 *   would refuse
 */
export async function backupCommand(output: Output, file: string, options: BackupOptions): Promise<void> {
  const force = options.force === true;
  const toStdout = file === "-";
  if (toStdout && process.stdout.isTTY === true) {
    throw new PosternError("usage", { detail: "a backup is no text: send it to a file or a pipe" });
  }
  if (!toStdout) await mayReplace(file, force);
  await withAudit(output, options, async (context) => {
    const progress = showProgress("Copying", output, { stream: process.stderr, env: process.env });
    const write = (to: Write) => backUp(context, { write: to, onRecords: progress.to });
    try {
      const done = toStdout
        ? await write(writerTo(process.stdout, "standard output"))
        : await fillNewFile(file, force, write);
      progress.end();
      const { records, bytes, time } = done;
      const what = `${records} records, ${shownSize(bytes)}, the store of ${shownTime(time)} UTC`;
      if (toStdout) return output.note(say`Sent: ${what}.`);
      const facts = { file, store: context.barrier.storeId, time: isoTime(time), records, bytes };
      output.result(facts, say`Written to ${file}:`, say`  ${what}.`);
    } finally {
      progress.end();
    }
  });
}
