import { ask, type HttpTarget } from "./https.js";

/** The pages of the HTTPS port as a browser without a window, a chat's preview and an attacker meet them. */
export interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

export const FORM = "application/x-www-form-urlencoded";

export async function visit(
  server: HttpTarget,
  path: string,
  { headers = {}, ...asked }: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Seen> {
  const sent = { ...(asked.body !== undefined && { "content-type": FORM }), ...headers };
  const { status, headers: answered, text: body } = await ask(server, path, { ...asked, headers: sent });
  const { date: _date, ...rest } = answered;
  return { status, headers: rest, body };
}
