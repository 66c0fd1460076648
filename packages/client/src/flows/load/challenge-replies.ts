import { isErrorCode, PosternError } from "@postern/shared/errors";
import { z } from "zod";
import type { HttpsReply } from "../../connection/https-client.js";

const created = z.object({ url: z.string() });
const problem = z.object({ code: z.string(), retry_after: z.number().optional() });

/**
 * Of the link in the reply to a creation the path alone: the page is asked for where the load is put, wherever it leads.
 * @throws PosternError what the API refused with; `server_failed`
 */
export function pagePathIn({ status, body }: Pick<HttpsReply, "status" | "body">): string {
  const said = parsed(body);
  const made = created.safeParse(said);
  const path = made.success ? /\/c\/[A-Za-z0-9_-]{22}$/.exec(made.data.url)?.[0] : undefined;
  if (status === 201 && path !== undefined) return path;
  const { data: refusal } = problem.safeParse(said);
  if (status >= 400 && refusal !== undefined && isErrorCode(refusal.code)) {
    const { retry_after: retryAfter } = refusal;
    throw new PosternError(refusal.code, retryAfter === undefined ? {} : { retryAfter });
  }
  throw new PosternError("server_failed", { detail: `status ${status}` });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * The answers that a page offers. A page without any is not the one that was made, whatever else it shows.
 * @throws PosternError `page_not_shown`
 */
export function choicesIn({ status, body }: Pick<HttpsReply, "status" | "body">): readonly string[] {
  const fields = [...body.matchAll(/<(?:input|button)\b[^<>]{0,512}>/gi)].map(([field]) => field);
  const choices = fields
    .filter((field) => /\bname="choice"/.test(field))
    .flatMap((field) => /\bvalue="(\d{1,2})"/.exec(field)?.[1] ?? []);
  if (status !== 200 || choices.length === 0) throw new PosternError("page_not_shown", { detail: `status ${status}` });
  return choices;
}
