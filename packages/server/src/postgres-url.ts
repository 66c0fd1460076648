import { PosternError } from "@postern/shared/errors";
import { parseServerAddress } from "@postern/shared/server-address";

/** Which database a store is in, and how it is reached. */
export interface PostgresServer {
  /** A name or an address; or the directory of a Unix socket, which begins with a slash. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** A store is a schema of its database: one database may hold several. */
  readonly schema: string;
  /** `full`: the certificate is of this host; `ca`: of any, of that authority; `unverified`: TLS, with whomever. */
  readonly tls: "off" | "unverified" | "ca" | "full";
  /** Who signed the database's certificate: a file. Undefined: who Node trusts. */
  readonly rootCertificate: string | undefined;
  /** As it is shown: without what stands behind the database's name. */
  readonly shown: string;
}

const DEFAULT_PORT = 5432;
const DEFAULT_SCHEMA = "postern";

/** libpq's names. `prefer` and `allow` are not among them: whoever is in between can talk them out of TLS. */
const sslModes = { disable: "off", require: "unverified", "verify-ca": "ca", "verify-full": "full" } as const;

const parameters = ["sslmode", "sslrootcert", "schema", "host", "port"];

const FORM = "--store takes postgres://USER@HOST[:PORT]/DATABASE; see docs/operations.md for what may stand behind it";

/** Whether the store is in a database, and not in a data directory. */
export const isPostgresUrl = (text: string): boolean => /^postgres(ql)?:/i.test(text);

/**
 * Reads `--store`. A password in it is refused: it would stand in the list of processes.
 * @throws PosternError `usage`, which never repeats what it was given
 */
export function parsePostgresUrl(text: string): PostgresServer {
  const [, rest = ""] = /^postgres(?:ql)?:\/\/(.*)$/is.exec(text) ?? [];
  // Before anything else may refuse it: whoever writes a password there should hear of that first.
  const credentials = rest.slice(0, Math.max(rest.lastIndexOf("@"), 0));
  if (credentials.includes(":") || /[?&](ssl)?password=/i.test(rest)) {
    throw refusal(
      "--store takes no password: give it by --store-password-file or ~/.pgpass, and a : in the name as %3A",
    );
  }
  const [, user, address = "", database = "", query = ""] =
    /^(?:([^@/?#:]+)@)([^@/?#]*)\/([^/?#]+)(?:\?([^#]*))?$/s.exec(rest) ?? [];
  if (user === undefined) throw refusal(FORM);
  const given = parametersOf(query);
  const place = placeOf(address, given);
  const server = {
    ...place,
    user: unescaped(user),
    database: unescaped(database),
    schema: schemaOf(given.get("schema")),
    tls: tlsOf(place.host, given.get("sslmode")),
    rootCertificate: given.get("sslrootcert"),
  };
  if (server.rootCertificate !== undefined && (server.tls === "off" || server.tls === "unverified")) {
    throw refusal("--store: sslrootcert is for sslmode=verify-full or verify-ca");
  }
  return { ...server, shown: `postgres://${user}@${shownPlace(place)}/${database}` };
}

/** What is sent there does not leave this machine. */
export function isLocal(host: string): boolean {
  return host.startsWith("/") || host === "localhost" || host === "::1" || /^127\.[0-9.]+$/.test(host);
}

/** Which store of the database it is, too. */
export function namedStore({ shown, schema }: PostgresServer): string {
  return schema === DEFAULT_SCHEMA ? shown : `${shown}?schema=${schema}`;
}

function parametersOf(query: string): Map<string, string> {
  const given = new Map<string, string>();
  for (const part of query === "" ? [] : query.split("&")) {
    const [name = "", value = ""] = part.split("=", 2);
    if (!parameters.includes(name)) throw refusal(`--store: behind the ? may stand ${parameters.join(", ")}`);
    if (given.has(name) || value === "") throw refusal(`--store: ${name} takes one value`);
    given.set(name, unescaped(value));
  }
  return given;
}

function placeOf(address: string, given: ReadonlyMap<string, string>): { host: string; port: number } {
  const directory = given.get("host");
  if (directory === undefined) {
    if (given.has("port")) throw refusal("--store: port= is for a socket; write HOST:PORT");
    if (address === "") throw refusal(FORM);
    return addressOf(address);
  }
  if (address !== "" || !directory.startsWith("/")) {
    throw refusal("--store: host= takes the directory of a socket, for postgres://USER@/DATABASE?host=/run/postgresql");
  }
  const port = given.get("port") ?? String(DEFAULT_PORT);
  if (!/^[1-9][0-9]{0,4}$/.test(port) || Number(port) > 65_535) throw refusal("--store: port= takes a number");
  return { host: directory, port: Number(port) };
}

function addressOf(text: string): { host: string; port: number } {
  try {
    const { host, port } = parseServerAddress(text, DEFAULT_PORT);
    return { host, port };
  } catch {
    throw refusal(FORM);
  }
}

/** Off by default only where nobody can be in between. */
function tlsOf(host: string, mode: string | undefined): PostgresServer["tls"] {
  if (mode === undefined) return isLocal(host) ? "off" : "full";
  const tls = Object.hasOwn(sslModes, mode) ? sslModes[mode as keyof typeof sslModes] : undefined;
  if (tls === undefined) throw refusal(`--store: sslmode takes one of: ${Object.keys(sslModes).join(", ")}`);
  if (tls !== "off" && host.startsWith("/")) throw refusal("--store: there is no TLS on a socket of this machine");
  return tls;
}

/** Such as PostgreSQL takes without quotes, and of which it does not cut anything off; room is left for a suffix. */
function schemaOf(name = DEFAULT_SCHEMA): string {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(name) || name.startsWith("pg_")) {
    throw refusal("--store: schema takes 1 to 40 of a-z, 0-9 and _, of which the first is no digit");
  }
  return name;
}

function unescaped(text: string): string {
  try {
    const plain = decodeURIComponent(text);
    if (!/[\p{Cc}\p{Cs}]/u.test(plain)) return plain;
  } catch {
    // Not UTF-8, or no escapes.
  }
  throw refusal("--store: something is not spelt as in a URL");
}

function shownPlace({ host, port }: { host: string; port: number }): string {
  const shown = host.startsWith("/") ? `[${host}]` : host.includes(":") ? `[${host}]` : host;
  return port === DEFAULT_PORT ? shown : `${shown}:${port}`;
}

const refusal = (detail: string) => new PosternError("usage", { detail });
