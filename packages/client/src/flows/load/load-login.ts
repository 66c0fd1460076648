import { openServer } from "../open-server.js";
import { provePassword } from "../prove-password.js";
import type { LoadTarget } from "./account-care.js";
import type { LoadAccount } from "./load-account.js";
import type { Timed } from "./run-load.js";

/**
 * One full login over a connection of its own: connecting, password, code. Waiting for the account's turn is no part of
 * its latency, nor is the logout that clears up behind it. When the signal fires its connection is closed.
 */
export async function loadLogin(
  { environment, choice }: Pick<LoadTarget, "environment" | "choice">,
  account: LoadAccount,
  { timed, signal }: { timed: Timed; signal: AbortSignal },
): Promise<void> {
  const { name, password, device } = account.facts;
  const server = await timed("connect", () => openServer(environment, choice, "login"));
  const { rpc } = server;
  const close = () => rpc.close();
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    await timed("password", () => provePassword(server, { name, password, deviceAt: async () => device }));
    await account.inTurn(async (code) => {
      await timed("code", () => rpc.call("login.code", code));
      // A session more or less is no matter: the server keeps ten, and ends the others.
      await rpc.call("session.logout", {}).catch(() => undefined);
    });
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}
