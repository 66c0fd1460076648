import { PosternError } from "@postern/shared/errors";
import { parseServerAddress } from "@postern/shared/server-address";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { forgetDevices } from "../session/device-file.js";
import { forgetSession } from "../session/session-file.js";
import { forgetPin, readPins } from "../trust/pins.js";
import { environmentOf, type GlobalOptions } from "./options.js";

export async function serverListCommand(output: Output, options: GlobalOptions): Promise<void> {
  const { paths } = environmentOf(output, options);
  const pins = [...(await readPins(paths.knownServers))];
  const width = Math.max(0, ...pins.map(([key]) => key.length));
  output.result(
    {
      servers: pins.map(([server, { fingerprint, firstSeen }]) => ({
        server,
        fingerprint,
        first_seen: new Date(firstSeen).toISOString(),
      })),
    },
    ...(pins.length === 0 ? [say`No server is known yet.`] : []),
    ...pins.map(([key, { fingerprint }]) => say`${key.padEnd(width)}  ${fingerprint}`),
  );
}

/** @throws PosternError `address_invalid`, `server_not_known` */
export async function serverForgetCommand(output: Output, address: string, options: GlobalOptions): Promise<void> {
  const { paths } = environmentOf(output, options);
  const server = parseServerAddress(address);
  if (!(await forgetPin(paths.knownServers, server))) throw new PosternError("server_not_known");
  await forgetSession(paths, server);
  await forgetDevices(paths, server);
  output.result({ forgotten: server.key }, say`Forgot ${server.key}: the next contact is a first one.`);
}
