import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Post, PostFault, PostOutcome, PostRequest } from "../post.js";
import { type Destinations, judgeAddresses, judgeHost } from "./destinations.js";
import { type Resolve, resolveByDns } from "./resolve.js";

export interface PostOptions {
  readonly destinations: Destinations;
  readonly resolve?: Resolve;
  /** Milliseconds for all of it: name, connection, answer. */
  readonly deadlineMs?: number;
  /** Who is believed beside the system's authorities (PEM): for tests. */
  readonly ca?: string | undefined;
  readonly userAgent: string;
}

const DEADLINE_MS = 10_000;

/** What is taken of an answer's headers, and of its body, before the connection is cut. Neither is looked at. */
const HEADER_BYTES = 16 * 1024;
const BODY_BYTES = 64 * 1024;

/**
 * Carries requests to the hosts that the operator has named. A name is resolved once, by us, every address is judged,
 * and the connection goes to those very addresses: a name that tells the next who asks something else (DNS rebinding)
 * gains nothing. The certificate is judged by the name. Nothing is followed, nothing is kept open.
 */
export function createPost(options: PostOptions): Post {
  const { destinations, resolve = resolveByDns, deadlineMs = DEADLINE_MS } = options;
  return async (wanted, signal) => {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), deadlineMs);
    const stop = () => deadline.abort();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      const outcome = await tryOnce(wanted, deadline.signal);
      if (signal.aborted && "fault" in outcome) return { fault: "stopped" };
      return deadline.signal.aborted && "fault" in outcome ? { fault: "timed_out" } : outcome;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  };

  async function tryOnce(wanted: PostRequest, signal: AbortSignal): Promise<PostOutcome> {
    const url = new URL(wanted.url);
    const refused = judgeHost(url, destinations);
    if (refused !== undefined) return { fault: refused };
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const addresses = await addressesOf(host, resolve, signal);
    const fault = signal.aborted ? "timed_out" : judgeAddresses(url.protocol, addresses, destinations);
    return fault === undefined ? send(wanted, { url, host, addresses, signal, options }) : { fault };
  }
}

async function addressesOf(host: string, resolve: Resolve, signal: AbortSignal): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const aborted = new Promise<readonly string[]>((settle) => {
    signal.addEventListener("abort", () => settle([]), { once: true });
  });
  return Promise.race([resolve(host, signal).catch(() => []), aborted]);
}

interface Sending {
  readonly url: URL;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  /** Those that were judged: no other is connected to. */
  readonly addresses: readonly string[];
  readonly signal: AbortSignal;
  readonly options: PostOptions;
}

function send({ method, headers, body }: PostRequest, sending: Sending): Promise<PostOutcome> {
  const { url, host, addresses, signal, options } = sending;
  const bytes = Buffer.from(body ?? "", "utf8");
  const length = method === "GET" ? {} : { "content-length": String(bytes.length) };
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)({
    method,
    host,
    port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, ...length, "user-agent": options.userAgent, host: url.host, connection: "close" },
    agent: false,
    lookup: onlyThese(addresses),
    maxHeaderSize: HEADER_BYTES,
    signal,
    ...(url.protocol === "https:" && {
      servername: isIP(host) === 0 ? host : "",
      rejectUnauthorized: true,
      minVersion: "TLSv1.2" as const,
      ...(options.ca !== undefined && { ca: options.ca }),
    }),
  });
  const outcome = outcomeOf(request);
  request.end(bytes);
  return outcome;
}

/** Takes the place of the system's resolver, and knows only what was judged. Node tries them one after another. */
function onlyThese(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all: wantsAll }, callback) => {
    const [first] = all;
    if (first === undefined) callback(new Error("no address"), "");
    else if (wantsAll === true) callback(null, all);
    else callback(null, first.address, first.family);
  };
}

function outcomeOf(request: ClientRequest): Promise<PostOutcome> {
  return new Promise((settle) => {
    let connected = false;
    let status: number | undefined;
    // The status has come: what becomes of the rest changes nothing.
    const end = (fault: PostFault) => settle(status === undefined ? { fault } : { status });
    request.on("socket", (socket) => {
      socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
        connected = true;
      });
    });
    request.on("response", (response) => {
      status = response.statusCode ?? 0;
      discard(response);
      response.on("close", () => end("no_answer"));
    });
    request.on("error", (thrown: NodeJS.ErrnoException) => {
      end(connected ? "no_answer" : isOfCertificate(thrown) ? "certificate" : "not_connected");
    });
    request.on("close", () => end(connected ? "no_answer" : "not_connected"));
  });
}

/** A receiver that is cut off in the middle of its answer may take that for a failure of its own: some of it is taken. */
function discard(response: IncomingMessage): void {
  let taken = 0;
  response.on("data", (chunk: Buffer) => {
    taken += chunk.length;
    if (taken > BODY_BYTES) response.destroy();
  });
  // What comes of the body changes nothing: the status has come.
  response.on("error", () => undefined);
}

/** OpenSSL's reasons of X509_verify_cert_error_string, and Node's own for a name that the certificate does not have. */
function isOfCertificate({ code = "" }: NodeJS.ErrnoException): boolean {
  return /CERT|^UNABLE_TO_|^ERR_TLS_CERT|^ERR_SSL/.test(code);
}
