import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { PosternError } from "@postern/shared/errors";

/** Where the client keeps what outlives it, on Linux and macOS alike. */
export interface Paths {
  /** What a person may want to back up or edit. */
  readonly config: string;
  /** What this machine alone has a use for, sessions among it. */
  readonly state: string;
  readonly knownServers: string;
}

/**
 * XDG Base Directory Specification 0.8: `$XDG_CONFIG_HOME` or `~/.config`, `$XDG_STATE_HOME` or `~/.local/state`; an
 * empty or relative value counts as none, for with it the pins would change with the working directory.
 * `accountHome` stands in for the system's account database. Throws `usage` when there is no home directory.
 */
export function pathsFrom(
  env: Readonly<Record<string, string | undefined>>,
  accountHome: () => string = () => userInfo().homedir,
): Paths {
  const config = join(absolute(env.XDG_CONFIG_HOME) ?? join(homeFrom(env, accountHome), ".config"), "postern");
  const state = join(absolute(env.XDG_STATE_HOME) ?? join(homeFrom(env, accountHome), ".local", "state"), "postern");
  return { config, state, knownServers: join(config, "known-servers.json") };
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

function homeFrom(env: Readonly<Record<string, string | undefined>>, accountHome: () => string): string {
  const home = absolute(env.HOME) ?? absolute(tryOr(accountHome));
  if (home === undefined) throw new PosternError("usage", { detail: "there is no home directory; set HOME" });
  return home;
}

/** A user id without an account, as containers have, makes `userInfo` throw. */
function tryOr(accountHome: () => string): string | undefined {
  try {
    return accountHome();
  } catch {
    return undefined;
  }
}
