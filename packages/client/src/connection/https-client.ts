import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { LookupFunction } from "node:net";
import { PosternError } from "@postern/shared/errors";
import { unreachable } from "./socket-error.js";

export interface HttpsTarget {
  readonly host: string;
  readonly port: number;
  /** PEM of what is trusted in place of the system's authorities. */
  readonly ca: string | undefined;
  readonly lookup: LookupFunction;
  /** Connections that are open at once, at most. */
  readonly atOnce: number;
}

export interface HttpsRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpsReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Milliseconds that a server may be silent for. */
const SILENCE_MS = 30_000;
const BODY_MAX = 1024 * 1024;

/** Requests to one server over connections that are kept open. Its certificate is verified, and no redirect followed. */
export class HttpsClient {
  readonly #target: HttpsTarget;
  readonly #agent: Agent;

  constructor(target: HttpsTarget) {
    this.#target = target;
    const { ca, lookup, atOnce } = target;
    this.#agent = new Agent({ keepAlive: true, maxSockets: atOnce, lookup, ...(ca !== undefined && { ca }) });
  }

  /** @throws PosternError `server_unreachable`, `connection_lost`, `https_untrusted`, `server_failed`, `sockets_short` */
  send({ method, path, headers = {}, body }: HttpsRequest): Promise<HttpsReply> {
    const { host, port } = this.#target;
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.#agent, host, port, method, path, headers, timeout: SILENCE_MS }, (reply) => {
        read(reply).then(resolve, (cause) => reject(failed(cause)));
      });
      sent.on("timeout", () => sent.destroy(new PosternError("connection_lost", { detail: "no reply" })));
      sent.on("error", (cause) => reject(failed(cause)));
      sent.end(body);
    });
  }

  /** Ends what is under way, too. */
  close(): void {
    this.#agent.destroy();
  }
}

async function read(reply: IncomingMessage): Promise<HttpsReply> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_MAX) throw new PosternError("server_failed", { detail: "its reply has no end" });
    chunks.push(chunk);
  }
  return { status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(chunks).toString() };
}

/** What OpenSSL and Node say of a certificate that is not trusted: by these words, whatever stands around them. */
const CERTIFICATE = /CERT|SIGNATURE|CHAIN|CRL|INVALID_CA|HOSTNAME_MISMATCH/;

function failed(cause: NodeJS.ErrnoException): PosternError {
  if (cause instanceof PosternError) return cause;
  const { code = "" } = cause;
  if (code === "ECONNRESET" || code === "EPIPE") return new PosternError("connection_lost", { cause });
  if (code.startsWith("ERR_SSL") || code === "EPROTO" || code.startsWith("HPE_")) {
    return new PosternError("server_failed", { detail: "it is not an HTTPS port", cause });
  }
  if (CERTIFICATE.test(code)) return new PosternError("https_untrusted", { detail: code, cause });
  return unreachable(cause);
}
