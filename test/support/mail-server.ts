import { X509Certificate } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { onTestFinished } from "vitest";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";

/** Mail servers in the test's own process, on 127.0.0.1. They take what comes, and keep it. */

const authority = await createIdentity({ now: Date.now() });

/** The certificate that a client has to trust, PEM. */
export const mailAuthority = new X509Certificate(authority.certificateDer).toString();

/** Key and certificate of a server for these hosts, signed by that one. */
export async function mailCredentials(
  hosts: readonly string[] = ["127.0.0.1"],
): Promise<{ key: string; cert: string }> {
  return tlsCredentials(authority, await issueLeaf(authority, { hosts, now: Date.now() }));
}

const standing = await mailCredentials();

export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | undefined;
  readonly secure: boolean;
  readonly helo: string;
  /** Header fields by their lower-case names, unfolded. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** As it came over the wire. */
  readonly raw: string;
}

export interface MailServer {
  readonly port: number;
  readonly mails: TakenMail[];
  /** Logins that were tried, right or wrong. */
  readonly logins: { user: string | undefined; password: string | undefined; secure: boolean }[];
  /** Connections there have been. */
  readonly connections: number;
}

/** By default STARTTLS, and a login that is not asked for. Closed when the test ends. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const mails: TakenMail[] = [];
  const logins: MailServer["logins"] = [];
  let connections = 0;
  const server = new SMTPServer({
    ...standing,
    authOptional: true,
    disableReverseLookup: true,
    closeTimeout: 1,
    onConnect: (_session, done) => {
      connections += 1;
      done();
    },
    onAuth: ({ username, password }, { secure }, done) => {
      logins.push({ user: username ?? undefined, password: password ?? undefined, secure });
      if (password === "right") done(null, { user: username });
      else done(new Error("Invalid username or password"));
    },
    onData: (stream, session, done) => {
      const { envelope, secure, hostNameAppearsAs: helo } = session;
      // It says false, and its types do not, where nobody has logged in.
      const user = session.user || undefined;
      text(stream).then((raw) => {
        const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
        const to = envelope.rcptTo.map(({ address }) => address);
        mails.push({ from, to, user, secure, helo, ...parsed(raw), raw });
        done();
      }, done);
    },
    ...options,
  });
  // A client that trusts it not ends the handshake: that is the client's to tell.
  server.on("error", () => undefined);
  const port = await listening(server.server as Server);
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return {
    port,
    mails,
    logins,
    get connections() {
      return connections;
    },
  };
}

/** A server that does with a connection what the test says; for what no proper one would do. */
export async function startRawServer(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return listening(server);
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as { port: number }).port;
}

/** RFC 5322 2.2, and the two encodings of a text that there are. */
function parsed(raw: string): Pick<TakenMail, "headers" | "body"> {
  const end = raw.indexOf("\r\n\r\n");
  const fields = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]/g, " ")
    .split("\r\n");
  const headers = new Map(fields.map((field) => [field.slice(0, field.indexOf(":")).toLowerCase(), fieldValue(field)]));
  const body = raw.slice(end + 4).replaceAll("\r\n", "\n");
  const encoding = headers.get("content-transfer-encoding");
  if (encoding === "base64") return { headers, body: Buffer.from(body, "base64").toString() };
  return { headers, body: encoding === "quoted-printable" ? unquoted(body) : body };
}

const fieldValue = (field: string) => field.slice(field.indexOf(":") + 1).trim();

function unquoted(body: string): string {
  const bytes = body
    .replaceAll("=\n", "")
    .replaceAll(/=([0-9A-F]{2})/g, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}
