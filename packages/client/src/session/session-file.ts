import { PosternError } from "@postern/shared/errors";
import type { ServerAddress } from "@postern/shared/server-address";
import { z } from "zod";
import type { Paths } from "../paths.js";
import { stateFile } from "./state-file.js";

/** What this machine keeps of a login: the session's secret for each server. */
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

const file = stateFile<SessionFile>("sessions.json", schema, { version: 1, sessions: {} });

/** @throws PosternError `not_logged_in` */
export async function keptSession(paths: Paths, server: ServerAddress): Promise<KeptSession> {
  const { sessions } = await file.read(paths);
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
export function checkSessionFile(paths: Paths): Promise<void> {
  return file.check(paths);
}

function change(paths: Paths, edit: (sessions: SessionFile["sessions"]) => SessionFile["sessions"]): Promise<void> {
  return file.change(paths, ({ sessions }) => ({ version: 1, sessions: edit(sessions) }));
}
