import { connect, type Socket } from "node:net";
import type { ServerAddress } from "@postern/shared/server-address";

/**
 * Connects by the system's resolver, as everything else on the machine does. nodemailer's own asks the DNS before
 * /etc/hosts, so that whoever answers there could say where `localhost` is, and what is sent to it in the clear.
 * It takes `silenceMs` milliseconds at most. `signal` ends it, and the connection later on.
 */
export function dial(
  { host, port }: ServerAddress,
  { silenceMs, signal }: { readonly silenceMs: number; readonly signal: AbortSignal },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    const timeout = () => socket.destroy(Object.assign(new Error("no connection in time"), { code: "ETIMEDOUT" }));
    socket.setTimeout(silenceMs, timeout);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.setTimeout(0).off("timeout", timeout);
      // From here on errors are for whoever has the socket; one that nobody hears would end the process.
      socket.on("error", () => undefined).off("error", reject);
      resolve(socket);
    });
  });
}
