import { PosternError } from "@postern/shared/errors";
import { periodLimits } from "@postern/shared/otp/parameters";

/** `--period` in seconds. @throws PosternError `usage` */
export function parsePeriod(period: string): number {
  const seconds = /^\d{1,3}$/.test(period) ? Number(period) : 0;
  if (seconds < periodLimits.least || seconds > periodLimits.most) {
    throw new PosternError("usage", { detail: `--period takes ${periodLimits.least} to ${periodLimits.most} seconds` });
  }
  return seconds;
}
