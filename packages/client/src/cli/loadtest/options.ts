import type { LoadPlan } from "../../flows/load/run-load.js";
import type { GlobalOptions } from "../options.js";
import { parseNumber } from "../otp/numbers.js";

/** The options of every load test, as commander hands them over. */
export interface LoadOptions extends GlobalOptions {
  readonly requests: string;
  readonly concurrency: string;
  readonly warmUp: string;
  readonly iOwnThisServer?: boolean;
}

/** All latencies are kept: a million requests take some 32 MB. */
const REQUESTS_MAX = 1_000_000;
const CONCURRENCY_MAX = 10_000;

/** @throws PosternError `usage` */
export function planOf({ requests, concurrency, warmUp }: LoadOptions): LoadPlan {
  return {
    requests: parseNumber("--requests", requests, { least: 1, most: REQUESTS_MAX }),
    concurrency: parseNumber("--concurrency", concurrency, { least: 1, most: CONCURRENCY_MAX }),
    warmUp: parseNumber("--warm-up", warmUp, { least: 0, most: REQUESTS_MAX }),
  };
}
