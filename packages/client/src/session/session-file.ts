import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import type { ServerAddress } from "@postern/shared/server-address";
import { z } from "zod";
import { withFileLock } from "../file-lock.js";
import type { Paths } from "../paths.js";
import { readPrivateFile, writePrivateFile } from "../private-file.js";

/** What this machine keeps of a login: the session's secret for each server, readable by its owner alone. */
const schema = z.object({
  version: z.literal(1),
  sessions: z.record(
    z.string(),
    z.object({
      name: z.string(),
      secret: z.string(),
      /** The identity that gave it: it is shown to no other. */
      fingerprint: z.string(),
    }),
  ),
});
type SessionFile = z.infer<typeof schema>;
export type KeptSession = SessionFile["sessions"][string];

const MAX_BYTES = 256 * 1024;

const fileOf = (paths: Paths) => join(paths.state, "sessions.json");

/** @throws PosternError `not_logged_in` */
export async function keptSession(paths: Paths, server: ServerAddress): Promise<KeptSession> {
  const { sessions } = await read(paths);
  const kept = Object.hasOwn(sessions, server.key) ? sessions[server.key] : undefined;
  if (kept === undefined) throw new PosternError("not_logged_in");
  return kept;
}

export async function keepSession(paths: Paths, server: ServerAddress, session: KeptSession): Promise<void> {
  await change(paths, (sessions) => ({ ...sessions, [server.key]: session }));
}

/** Forgets a session that has ended; one that was put in its place meanwhile stays. */
export async function dropSession(paths: Paths, server: ServerAddress, ended: KeptSession): Promise<void> {
  await change(paths, ({ [server.key]: kept, ...others }) =>
    kept === undefined || kept.secret === ended.secret ? others : { ...others, [server.key]: kept },
  );
}

/** Forgets whatever session is kept for a server. */
export async function forgetSession(paths: Paths, server: ServerAddress): Promise<void> {
  await change(paths, ({ [server.key]: _gone, ...others }) => others);
}

/**
 * Finds out, before a code is spent on a session, whether it could be kept.
 * @throws PosternError `file_unreadable`, `file_unwritable`
 */
export async function checkSessionFile(paths: Paths): Promise<void> {
  await withFileLock(fileOf(paths), () => read(paths));
}

async function change(
  paths: Paths,
  edit: (sessions: SessionFile["sessions"]) => SessionFile["sessions"],
): Promise<void> {
  await withFileLock(fileOf(paths), async () => {
    const { sessions } = await read(paths);
    await writePrivateFile(fileOf(paths), `${JSON.stringify({ version: 1, sessions: edit(sessions) }, null, 2)}\n`);
  });
}

/**
 * A session file is worth nothing but a login: one whose content is not understood is as good as none, and is replaced.
 * @throws PosternError `file_unreadable` when somebody else could have written it
 */
async function read(paths: Paths): Promise<SessionFile> {
  const text = await readPrivateFile(fileOf(paths), MAX_BYTES);
  const parsed = schema.safeParse(text === undefined ? undefined : parseJson(text));
  return parsed.success ? parsed.data : { version: 1, sessions: {} };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
