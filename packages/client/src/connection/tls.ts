import { isIP, type LookupFunction } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { channelExporter as exporter } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import { deadlines, PROTOCOL } from "@postern/shared/messages";
import type { ServerAddress } from "@postern/shared/server-address";
import { unreachable } from "./socket-error.js";

/**
 * Opens a TLS 1.3 connection. Nothing is said on it yet, and nobody is trusted: the certificate authorities of the
 * system have no part in this, the caller judges the server's identity before a first byte.
 * @throws PosternError `server_unreachable`, `server_failed` when something else than Postern answers
 */
export function connectTls({ host, port }: ServerAddress, lookup?: LookupFunction): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      // RFC 6066 section 3: an address is not sent as a server name.
      ...(isIP(host) === 0 && { servername: host }),
      minVersion: "TLSv1.3",
      ALPNProtocols: [PROTOCOL],
      rejectUnauthorized: false,
      ...(lookup !== undefined && { lookup }),
    });
    const timer = setTimeout(
      () => fail(new PosternError("server_unreachable", { detail: "it does not answer" })),
      2 * deadlines.handshake * 1000,
    );
    const fail = (error: PosternError) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const onError = (cause: NodeJS.ErrnoException) => fail(failed(cause));
    socket.once("error", onError);
    socket.once("secureConnect", () => {
      clearTimeout(timer);
      socket.off("error", onError);
      if (socket.alpnProtocol !== PROTOCOL) return fail(notPostern());
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/**
 * The value that this connection, and no other, has at both of its ends. RFC 9266.
 * @throws PosternError `connection_lost` when it has none any more
 */
export function channelExporter(socket: TLSSocket): Buffer {
  if (socket.destroyed) throw new PosternError("connection_lost");
  return socket.exportKeyingMaterial(exporter.bytes, exporter.label, exporter.context);
}

function failed(cause: NodeJS.ErrnoException): PosternError {
  const { code = "" } = cause;
  if (code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL") return notPostern(cause);
  if (code.startsWith("ERR_SSL")) return new PosternError("server_failed", { detail: "no TLS 1.3 there", cause });
  return unreachable(cause);
}

/** It speaks TLS 1.3, but not our protocol: the HTTPS port of a posternd, for one. */
function notPostern(cause?: Error): PosternError {
  return new PosternError("server_failed", { detail: "it is not a Postern server's port for clients", cause });
}
