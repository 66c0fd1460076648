import { availableParallelism } from "node:os";
import { PosternError } from "@postern/shared/errors";

/** More than this share one store to nobody's good. */
export const MOST_WORKERS = 64;

/** How many processes serve: `4`, or `auto` for as many as there are cores. @throws PosternError `usage` */
export function parseWorkers(text: string, cores: () => number = availableParallelism): number {
  if (text === "auto") return Math.min(cores(), MOST_WORKERS);
  const workers = /^[1-9]\d?$/.test(text) ? Number(text) : Number.NaN;
  if (workers <= MOST_WORKERS) return workers;
  throw new PosternError("usage", { detail: `--workers takes a number from 1 to ${MOST_WORKERS}, or auto` });
}
