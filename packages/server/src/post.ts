/** A request to somebody else's server, as the rules know it: what carries it is the room outward/. */
export interface PostRequest {
  readonly method: "GET" | "POST";
  /** Absolute, its host in canonical form. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** Why there was no answer; the first three are refusals of our own, before anything was sent. */
export type PostFault =
  | "host_refused"
  | "address_refused"
  | "plain_http_refused"
  | "not_resolved"
  | "not_connected"
  | "certificate"
  | "timed_out"
  | "no_answer"
  | "stopped";

/** The status of the answer, whatever it is: redirects are not followed, and what the answer says is not read. */
export type PostOutcome = { readonly status: number } | { readonly fault: PostFault };

/** Never throws. It ends within seconds, or at once with `stopped` when the signal says so. */
export type Post = (request: PostRequest, signal: AbortSignal) => Promise<PostOutcome>;
