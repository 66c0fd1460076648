import { type KnownDevice, type Person, provePassword, stretchedVerifier } from "./person.js";
import { type Reply, type Target, WireClient } from "./wire-client.js";

/** Each call that takes a code, from wherever it can be made: connections are opened ahead, for all to share. */
export type Give = (code: string) => Promise<Reply | undefined>;
export type Path = (server: Target, alice: Person, known: Known) => Promise<Give>;
export interface Known {
  readonly secret: string;
  readonly device?: KnownDevice | undefined;
}

const inSession =
  (method: "session.verify" | "account.delete"): Path =>
  async (server, _alice, { secret }) => {
    const client = await WireClient.open(server);
    await client.resume(secret);
    return (code) => client.call(method, { code });
  };

const afterPassword =
  (params: (challenge: Awaited<ReturnType<typeof provePassword>>, alice: Person) => Promise<object>, method: string) =>
  async (server: Target, alice: Person, { device }: Known): Promise<Give> => {
    const client = await WireClient.open(server);
    const more = await params(await provePassword(client, alice, device), alice);
    return (code) => client.call(method, { code, ...more });
  };

export const paths = {
  "login.code": afterPassword(async () => ({}), "login.code"),
  "password.change": afterPassword(
    async (challenge, alice) => ({ new_verifier: await stretchedVerifier(challenge, alice.renewed("a new password")) }),
    "password.change",
  ),
  "session.verify": inSession("session.verify"),
  "account.delete": inSession("account.delete"),
} satisfies Record<string, Path>;

/** Every path, over a connection of its own, at the servers in turn. */
export function allPaths(servers: readonly Target[], alice: Person, known: Known): Promise<Give[]> {
  const at = (index: number) => servers[index % servers.length] as Target;
  return Promise.all(Object.values(paths).map((path, index) => path(at(index), alice, known)));
}
