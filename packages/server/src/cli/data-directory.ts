import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** `--data`, else `$XDG_DATA_HOME/postern`, else `~/.local/share/postern`. XDG Base Directory Specification 0.8. */
export function dataDirectory(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (option !== undefined) return resolve(option);
  const { XDG_DATA_HOME: xdg } = env;
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".local", "share");
  return join(base, "postern");
}
