import type { Environment, ServerChoice } from "../environment.js";
import type { Entered, LoggedIn } from "../flows/login.js";
import { type OpenServer, openServer } from "../flows/open-server.js";
import { checkDeviceFile, type KnownDevice, keepDevice, knownDevice } from "../session/device-file.js";
import { checkSessionFile, type KeptSession, keepSession } from "../session/session-file.js";

/** What logging in and changing the password have in common: connections, and what this machine keeps of it. */

/** Runs `act` with what connects to a server, and closes in the end whatever was opened. */
export async function withConnections<T>(
  environment: Environment,
  choice: ServerChoice,
  act: (open: () => Promise<OpenServer>) => Promise<T>,
): Promise<T> {
  const opened: OpenServer[] = [];
  try {
    return await act(async () => {
      const server = await openServer(environment, choice);
      opened.push(server);
      return server;
    });
  } finally {
    for (const { rpc } of opened) rpc.close();
  }
}

/**
 * Finds out, before a code is spent, whether what it brings could be kept.
 * @throws PosternError `file_unreadable`, `file_unwritable`
 */
export async function checkStateFiles({ paths }: Environment): Promise<void> {
  await checkSessionFile(paths);
  await checkDeviceFile(paths);
}

/** Looks up what this machine is to that name, at the identity that a server has shown. */
export function deviceLookup({ paths }: Environment, { address }: ServerChoice, name: string) {
  return ({ identity }: OpenServer): Promise<KnownDevice | undefined> =>
    knownDevice(paths, { server: address, fingerprint: identity, name });
}

/** A session that cannot be kept here must not live on over there. `name` as it was typed. */
export async function keepEntered(
  { paths }: Environment,
  { address }: ServerChoice,
  name: string,
  { loggedIn, server }: Entered,
): Promise<KeptSession> {
  const fingerprint = server.identity;
  const kept = { name: loggedIn.name, secret: loggedIn.secret, fingerprint };
  try {
    const { new_device } = loggedIn;
    if (new_device !== undefined) await keepDevice(paths, { server: address, fingerprint, name }, new_device);
    await keepSession(paths, address, kept);
  } catch (thrown) {
    await server.rpc.call("session.logout", {});
    throw thrown;
  }
  return kept;
}

/** What may be shown of a session that has begun: no secrets. */
export function shownFacts({ secret: _session, new_device: _device, ...facts }: LoggedIn) {
  return facts;
}
