import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { type Progress, showProgress } from "@postern/shared/terminal/progress";
import { say } from "@postern/shared/terminal/terminal-text";
import {
  findMoving,
  findTarget,
  type MigrationTarget,
  type Moved,
  type MovingStore,
  refuseSamePlace,
} from "../../migrate.js";
import type { MigrationEars, MigrationPhase } from "../../migrate-records.js";
import { isPostgresUrl, namedStore } from "../../postgres-url.js";
import type { StoreLocation } from "../../store.js";
import { confirm, requireConfirmation } from "../people/confirm.js";
import { endedBySignal } from "../signals.js";
import { locationOf, type StoreOptions, withAdminPassword } from "../unseal.js";

export interface MigrateOptions extends Pick<StoreOptions, "adminPasswordFile" | "input"> {
  readonly from: string;
  readonly to: string;
  readonly fromPasswordFile?: string;
  readonly toPasswordFile?: string;
  readonly yes?: boolean;
}

/** One end, as `--from` or `--to` names it. */
interface Place {
  readonly location: StoreLocation;
  readonly shown: string;
  /** As it was given. */
  readonly text: string;
}

/**
 * Moves a store from a data directory to a database, or back, or between two of a kind.
 * @throws PosternError `usage`; `input_needed`, `cancelled`; `store_missing`, `store_exists`, `store_moved`,
 *   `store_unfinished`; `admin_password_wrong`; `store_in_use`; `migration_differs`; `store_damaged` and its kin
 */
export async function migrateCommand(output: Output, options: MigrateOptions): Promise<void> {
  const from = placeOf(output, "--from", options.from, options.fromPasswordFile);
  const to = placeOf(output, "--to", options.to, options.toPasswordFile);
  refuseSamePlace(from.location, to.location);
  requireConfirmation(options);
  const source = await findMoving(from.location, from.shown);
  try {
    const target = await findTarget(to.location, to.shown, source);
    if (target === "done") {
      output.result({ ...named(from, to), begun: "done" }, say`It has moved to ${to.shown} already.`);
      return;
    }
    const store = await withAdminPassword(output, options, (password) => source.unseal(password));
    await store.refuseOthers();
    await confirmMove(output, options, { source, target });
    const told = tellProgress(output);
    const cut = () => {
      told.end();
      told.failed();
    };
    try {
      const moved = await endedBySignal(cut, () => store.moveTo(target, told.ears));
      told.end();
      print(output, { from, to }, moved);
    } catch (thrown) {
      cut();
      throw thrown;
    }
  } finally {
    await source.close();
  }
}

function placeOf(output: Output, flag: "--from" | "--to", text: string, passwordFile: string | undefined): Place {
  const directory = /^lmdb(?::(.+))?$/s.exec(text);
  if (directory === null && !isPostgresUrl(text)) {
    throw new PosternError("usage", { detail: `${flag} takes lmdb:DIR, or postgres://USER@HOST[:PORT]/DATABASE` });
  }
  const given = asOptionOf(flag, () =>
    locationOf(output, {
      ...(directory === null ? { store: text } : {}),
      ...(directory?.[1] !== undefined && { data: directory[1] }),
      ...(passwordFile !== undefined && { storePasswordFile: passwordFile }),
      input: false,
    }),
  );
  const location = { ...given, warn: once(given.warn) };
  const shown = location.database === undefined ? `lmdb:${location.directory}` : namedStore(location.database.server);
  return { location, shown, text };
}

/** A place is opened more than once, and what there is to say of it is said once. */
function once(warn: (warning: string) => void): (warning: string) => void {
  const heard = new Set<string>();
  return (warning) => {
    if (!heard.has(warning)) warn(warning);
    heard.add(warning);
  };
}

/** What is wrong with `--store` is wrong with this one. */
function asOptionOf<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof PosternError) || thrown.detail === undefined) throw thrown;
    throw new PosternError(thrown.code, { detail: thrown.detail.replaceAll("--store", flag), cause: thrown });
  }
}

async function confirmMove(
  output: Output,
  options: MigrateOptions,
  { source, target }: { readonly source: MovingStore; readonly target: MigrationTarget },
): Promise<void> {
  if (source.standing.is === "departed") return;
  const consequences = [
    say`The store of ${source.from.shown}`,
    say`moves to ${target.shown}`,
    say`Where it is now, it opens no more from then on. Nothing else changes: people`,
    say`stay logged in, a used code stays used, the admin password is the same.`,
    ...(target.is === "departed" ? [say`What moved away from there earlier is kept beside it.`] : []),
  ];
  await confirm(output, options, { consequences, question: "Move it?" });
}

interface Told {
  readonly ears: MigrationEars;
  /** Takes the line away. */
  readonly end: () => void;
  /** Says what a run that failed has left. */
  readonly failed: () => void;
}

const labels: Record<MigrationPhase, string> = {
  reading: "Reading",
  copying: "Copying",
  comparing: "Comparing",
  moving: "Moving",
};

/** On a terminal a line that is drawn over; elsewhere a line for each phase. */
function tellProgress(output: Output): Told {
  const drawn = process.stderr.isTTY === true;
  let phase: MigrationPhase | undefined;
  let progress: Progress | undefined;
  const end = () => progress?.end();
  const enter = (next: MigrationPhase, total: number | undefined) => {
    end();
    phase = next;
    const rate = { unit: "records", now: Date.now };
    if (drawn) progress = showProgress(labels[next], output, { stream: process.stderr, env: process.env, rate });
    else if (next === "copying" || next === "comparing") output.note(say`${labels[next]} ${total ?? 0} records`);
  };
  return {
    ears: {
      onBegun: (begun) => {
        end();
        if (begun === "resumed") output.note(say`Going on with a migration that had not come to its end.`);
        if (begun === "anew") output.note(say`The store has changed since a migration to there began: it begins anew.`);
      },
      onProgress: (next, done, total) => {
        if (next !== phase) enter(next, total);
        if (drawn && next !== "moving") progress?.to(done, total);
      },
    },
    end,
    failed: () => {
      if (output.json || phase === undefined || phase === "reading") return;
      output.note(
        phase === "moving"
          ? say`It was cut at its last step. Run the same command again: it does what is left.`
          : say`Nothing has moved yet. Run the same command again: it does what is left.`,
      );
    },
  };
}

const named = (from: Place, to: Place) => ({ from: from.shown, to: to.shown });

function print(output: Output, { from, to }: { readonly from: Place; readonly to: Place }, moved: Moved): void {
  const { records, copied, begun, replaced } = moved;
  output.result(
    { ...named(from, to), begun, records, copied, replaced },
    say`Moved to ${to.shown}:`,
    begun === "finished"
      ? say`  ${records} records, of which only the last step was left.`
      : say`  ${records} records, each read from both and compared byte for byte.`,
    ...(replaced === undefined ? [] : [say`What had moved away from there earlier is now`, say`  ${replaced}`]),
  );
  output.note(
    say``,
    say`Start posternd with ${startOf(to)}`,
    say`In ${from.shown}`,
    say`it opens no more. What is left there holds the same secrets under the same`,
    say`password: remove it when you are sure.`,
  );
}

function startOf({ location, text }: Place): string {
  return location.database === undefined ? `--data ${shellWord(location.directory)}` : `--store ${shellWord(text)}`;
}

function shellWord(text: string): string {
  return /^[\w:/@.-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
