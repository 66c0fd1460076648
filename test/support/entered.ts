import { MINUTE, startInProcess, type TestServer } from "./in-process.js";
import { type KnownDevice, logIn, type Person, registered } from "./person.js";
import { WireClient } from "./wire-client.js";

/** A person who has just logged in, on a device that is known from then on. */
export interface Entered {
  readonly server: TestServer;
  readonly alice: Person;
  /** In a fresh session. */
  readonly client: WireClient;
  readonly secret: string;
  readonly device: KnownDevice;
}

export interface EnterOptions {
  readonly at?: TestServer;
  readonly name?: string;
  /** Milliseconds that have passed since the login: by default enough for further codes. */
  readonly since?: number;
}

export async function entered({ at, name = "alice", since = MINUTE }: EnterOptions = {}): Promise<Entered> {
  const server = at ?? (await startInProcess());
  const alice = await registered(server, name);
  const client = await WireClient.open(server);
  const { secret, new_device } = await logIn(client, alice, alice.code(server.clock));
  server.clock.advance(since);
  return { server, alice, client, secret, device: new_device as KnownDevice };
}
