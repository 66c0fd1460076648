import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import * as byThePage from "./by-the-page.js";

/**
 * A client made of docs/protocol.md alone: no product code. What the page does not say, it does not know, so that a
 * login with it shows that the page is enough.
 */

export interface Failure {
  readonly id: number | null;
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly data: {
      readonly code: string;
      readonly hint?: string;
      readonly retry_after?: number;
      readonly clock_behind?: number;
    };
  };
}

/** The fields that this client or its tests use, of whichever call has them. */
export interface Result extends byThePage.Start {
  readonly B: string;
  readonly M2: string;
  readonly mac: string;
  /** Of `factor.list`; `login.proof` only names kinds. */
  readonly factors: readonly Result[];
  readonly devices: readonly Result[];
  readonly sessions: readonly Result[];
  readonly current: boolean;
  readonly restretch?: byThePage.Stretch;
  readonly account: string;
  readonly session: string;
  readonly fresh_until: number;
  readonly device: string;
  readonly new_device?: KnownDevice;
  readonly secret: string;
  readonly token: string;
  readonly expires_in: number;
  readonly uri: string;
  readonly factor: string;
  readonly label: string;
  readonly algorithm: byThePage.Authenticator["algorithm"];
  readonly digits: number;
  readonly period?: number;
  readonly recovery_codes: readonly string[];
  readonly recovery_codes_left: number;
}

/** What a device keeps to show itself by. */
export interface KnownDevice {
  readonly device: string;
  readonly secret: string;
}

export interface Endpoint {
  readonly port: number;
  readonly fingerprint: string;
  /** The present time, in seconds. */
  readonly time: number;
}

export class PageClient {
  readonly exporter: Buffer;
  readonly #socket: TLSSocket;
  readonly #lines: string[] = [];
  #rest = "";
  #closed = false;
  #next = 1;

  /** Section "Trust in the server" and `hello`. */
  static async open(endpoint: Endpoint): Promise<PageClient> {
    const socket = await handshake(endpoint);
    checkCertificates(socket, endpoint);
    const client = new PageClient(socket);
    await client.call("hello", { client: "page", version: "1", features: [] });
    return client;
  }

  /** The same without a first word. */
  static async silent(endpoint: Endpoint): Promise<PageClient> {
    return new PageClient(await handshake(endpoint));
  }

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.exporter = socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    socket.setEncoding("utf8");
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", (text: string) => {
      const [first = "", ...more] = text.split("\n");
      const whole = [this.#rest + first, ...more];
      this.#rest = whole.pop() ?? "";
      this.#lines.push(...whole);
      socket.emit("something");
    });
    socket.once("close", () => {
      this.#closed = true;
      socket.emit("something");
    });
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next line, undefined when the server closes first. */
  async line(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#closed) await once(this.#socket, "something");
    return this.#lines.shift();
  }

  /** The request line of a call, without its `\n`, and its id. */
  request(method: string, params: object): { readonly id: number; readonly line: string } {
    const id = this.#next++;
    return { id, line: JSON.stringify({ jsonrpc: "2.0", id, method, params }) };
  }

  async ask(method: string, params: object): Promise<{ id: number; result: Result } | Failure> {
    this.write(`${this.request(method, params).line}\n`);
    return JSON.parse((await this.line()) ?? "null");
  }

  async call(method: string, params: object): Promise<Result> {
    const reply = await this.ask(method, params);
    if ("error" in reply) throw new Error(`${method}: ${reply.error.data.code}`);
    return reply.result;
  }

  /** Section "Sessions": what `session.resume` is called with. */
  holding(secret: string): object {
    const mac = byThePage.sessionMac("client", secret, this.exporter).toString("hex");
    return { ...byThePage.sessionIds(secret), mac };
  }

  /** Goes on with a session, and checks that the server has it. */
  async resume(secret: string): Promise<Result> {
    const { mac, ...facts } = await this.call("session.resume", this.holding(secret));
    if (mac !== byThePage.sessionMac("server", secret, this.exporter).toString("hex")) {
      throw new Error("the server does not have the session");
    }
    return facts as Result;
  }

  /** The code of the failure of a call that must fail. */
  async refusal(method: string, params: object): Promise<string> {
    return (await this.refused(method, params)).error.data.code;
  }

  /** The failure of a call that must fail. */
  async refused(method: string, params: object): Promise<Failure> {
    const reply = await this.ask(method, params);
    if ("result" in reply) throw new Error(`${method} was not refused`);
    return reply;
  }

  close(): void {
    this.#socket.destroy();
  }
}

export async function handshake(
  { port }: { readonly port: number },
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const alpn = { minVersion: "TLSv1.3", ALPNProtocols: ["postern/1"] } as const;
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...alpn, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** Each line is one of the page's list. */
function checkCertificates(socket: TLSSocket, { fingerprint, time }: Endpoint): void {
  const leaf = socket.getPeerX509Certificate();
  const identity = leaf?.issuerCertificate;
  const checks = leaf &&
    identity && {
      "exactly two": identity.issuerCertificate === undefined || identity.issuerCertificate === identity,
      "on P-256": [leaf, identity].every((one) => one.publicKey.asymmetricKeyDetails?.namedCurve === "prime256v1"),
      "a CA": identity.ca && identity.issuer === identity.subject && identity.verify(identity.publicKey),
      "signed by the identity": leaf.issuer === identity.subject && leaf.verify(identity.publicKey),
      "a leaf": !leaf.ca && !spki(leaf).equals(spki(identity)),
      "a server's": leaf.keyUsage.includes("1.3.6.1.5.5.7.3.1"),
      "of this time": Date.parse(leaf.validFrom) <= time * 1000 && time * 1000 <= Date.parse(leaf.validTo),
      "the one expected": `SHA256:${byThePage.hash(spki(identity)).toString("base64").slice(0, 43)}` === fingerprint,
    };
  const wrong = Object.entries(checks ?? { "two certificates": false }).filter(([, right]) => !right);
  if (wrong.length > 0) throw new Error(`the server's certificates are not ${wrong.map(([rule]) => rule).join(", ")}`);
}

const spki = (certificate: X509Certificate) => certificate.publicKey.export({ type: "spki", format: "der" });
