import { PosternError } from "@postern/shared/errors";

/** Why an address could not be listened on: `address_in_use` or `address_unavailable`, which names it. */
export function listenError(
  cause: NodeJS.ErrnoException,
  { host, port }: { host: string; port: number },
): PosternError {
  const code = cause.code === "EADDRINUSE" ? "address_in_use" : "address_unavailable";
  return new PosternError(code, { detail: `${host} port ${port}`, cause });
}
