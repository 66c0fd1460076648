/** What the doctor says of one thing. */
export interface Finding {
  /** Which thing: a stable word for scripts. */
  readonly check: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly what: string;
  /** What to do about it; none where it is well. */
  readonly todo?: string;
}

export const ok = (check: string, what: string): Finding => ({ check, verdict: "ok", what });
export const warn = (check: string, what: string, todo: string): Finding => ({ check, verdict: "warn", what, todo });
export const fail = (check: string, what: string, todo: string): Finding => ({ check, verdict: "fail", what, todo });
