import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import type { PostgresServer } from "../postgres-url.js";

interface Hearer {
  /** Hears what is wrong with how a password is kept, once. */
  readonly warn: (warning: string) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * How the password of the database's user is had: of `--store-password-file`, else of libpq's password file. It is read
 * for each session that the database asks for one, so that another password takes no restart.
 *
 * PGPASSWORD is not looked at: what is in the environment can be read by others.
 */
export function databasePassword(
  server: PostgresServer,
  file: string | undefined,
  { warn, env = process.env }: Hearer,
): () => Promise<string | undefined> {
  let warned = false;
  const warnOnce = (warning: string | undefined) => {
    if (warning !== undefined && !warned) warn(warning);
    warned ||= warning !== undefined;
  };
  return async () => {
    if (file === undefined) return passwordOfPgpass(server, env, warnOnce);
    const { secret, warning } = await readSecretFile(file, { stdin: undefined, env });
    warnOnce(warning);
    return secret;
  };
}

const READABLE_BY_OTHERS = 0o077;

/** PostgreSQL 18, section 32.16: a file that others can read is not used. */
async function passwordOfPgpass(
  server: PostgresServer,
  env: NodeJS.ProcessEnv,
  warn: (warning: string) => void,
): Promise<string | undefined> {
  const path = env.PGPASSFILE ?? join(homedir(), ".pgpass");
  try {
    const facts = await stat(path);
    if (!facts.isFile()) return undefined;
    if ((facts.mode & READABLE_BY_OTHERS) !== 0) {
      warn(`${path} can be read by others than its owner, so it is not used: chmod 600 it`);
      return undefined;
    }
    return passwordIn(await readFile(path, "utf8"), server);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new PosternError("file_unreadable", { detail: path, cause });
  }
}

const FIELDS = /^((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):((?:\\.|[^:\\])*):(.*)$/s;

/** The password of the first line that fits: host:port:database:user:password, where `*` fits all and `\` escapes. */
export function passwordIn(text: string, { host, port, database, user }: PostgresServer): string | undefined {
  const wanted = [host.startsWith("/") ? "localhost" : host, String(port), database, user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const [, ...fields] = FIELDS.exec(line) ?? [];
    const password = fields[4];
    if (password === undefined) continue;
    const fits = wanted.every((value, at) => fields[at] === "*" || unescaped(fields[at] ?? "") === value);
    if (fits && password !== "") return unescaped(password);
  }
  return undefined;
}

const unescaped = (field: string): string => field.replaceAll(/\\(.)/gs, "$1");
