import { asPosternError, type ErrorCode, PosternError } from "@postern/shared/errors";

/** What keeps a database away. Who has one says so once, when it begins, and again when it has ended. */
const outages: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "store_unreachable",
  "store_untrusted",
  "store_denied",
  "store_in_use",
]);

/** Whether a failure is that of a database which cannot be had at the moment: nothing came of what was asked of it. */
export function isOutage(thrown: unknown): boolean {
  return thrown instanceof PosternError && outages.has(thrown.code);
}

/** What a peer is told in place of an error that it cannot have caused; undefined where it may be told the error itself. */
export function concealed(thrown: unknown): PosternError | undefined {
  if (isOutage(thrown)) return new PosternError("unavailable", { cause: thrown });
  const { code } = asPosternError(thrown);
  if (code !== "bug" && !code.startsWith("store_") && !code.startsWith("audit_")) return undefined;
  return new PosternError("internal", { cause: thrown });
}
