import type { Fingerprint } from "@postern/shared/fingerprint";
import type { Environment, ServerChoice } from "../environment.js";
import type { Entered, LoggedIn } from "../flows/login.js";
import { type OpenServer, openServer, type Purpose } from "../flows/open-server.js";
import type { PinMove, Succession } from "../flows/succession.js";
import { checkDeviceFile, type KnownDevice, keepDevice, knownDevice } from "../session/device-file.js";
import { checkSessionFile, type KeptSession, keepSession } from "../session/session-file.js";

/** What logging in and changing the password have in common: connections, and what this machine keeps of it. */

/**
 * Runs `act` with what connects to a server for a login, and closes in the end whatever was opened. `moved` tells from
 * where to where the pin was moved on the way.
 */
export async function withConnections<T>(
  environment: Environment,
  choice: ServerChoice,
  act: (open: () => Promise<OpenServer>, moved: () => PinMove | undefined) => Promise<T>,
  purpose: Purpose = "login",
): Promise<T> {
  const opened: OpenServer[] = [];
  try {
    const open = async () => {
      const server = await openServer(environment, choice, purpose);
      opened.push(server);
      return server;
    };
    return await act(open, () => opened.map(({ succession }) => succession).find((each) => each?.moved));
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
  // A successor hears no more by it than by the name, which it is sent too; and its person need not wait with strangers.
  return ({ identity, succession }: OpenServer): Promise<KnownDevice | undefined> =>
    knownDevice(paths, { server: address, fingerprint: pinnedOf(identity, succession), name });
}

function pinnedOf(identity: Fingerprint, succession: Succession | undefined): Fingerprint {
  return succession === undefined || succession.moved ? identity : succession.from;
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

/** What may be shown of a session that has begun: no secrets. `server_identity` is there when the pin was moved. */
export function shownFacts({ secret: _session, new_device: _device, ...facts }: LoggedIn, moved: PinMove | undefined) {
  return { ...facts, server_identity: moved && { from: moved.from, to: moved.to } };
}
