import { PosternError } from "@postern/shared/errors";

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the host's name cannot be resolved now",
  EHOSTUNREACH: "there is no way to that host",
  ENETUNREACH: "there is no way to that network",
  ETIMEDOUT: "it does not answer",
  ECONNRESET: "it closed the connection at once",
};

/** No file descriptor is left for one, in this process or on this machine; no local port. */
const shortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL"]);

/** Why a connection did not come about. */
export function unreachable(cause: NodeJS.ErrnoException): PosternError {
  const { code = "" } = cause;
  if (shortages.has(code)) return new PosternError("sockets_short", { detail: code, cause });
  const detail = reasons[code];
  return new PosternError("server_unreachable", { ...(detail !== undefined && { detail }), cause });
}

/** What was thrown, or `sockets_short` where that is behind it: a file that cannot be opened for it, say. */
export function shortageBehind(thrown: unknown): unknown {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ("code" in error && typeof error.code === "string" && shortages.has(error.code)) {
      return new PosternError("sockets_short", { detail: error.code, cause: thrown });
    }
  }
  return thrown;
}
