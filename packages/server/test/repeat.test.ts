import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { CapturedLog } from "../../../test/support/in-process.js";
import { attempt, attemptQuietly } from "../src/repeat.js";

const failing = (error: Error) => () => Promise.reject(error);

describe("what a server does by itself again and again", () => {
  it("logs that it failed, each time or the first time of several", async () => {
    const log = new CapturedLog();
    const fails = failing(new PosternError("store_failed"));
    await attempt(fails, log);
    const quietly = attemptQuietly(fails, log);
    for (let time = 0; time < 3; time++) await quietly();
    expect(log.errors).toHaveLength(2);
  });

  it("says nothing while the database is away: that was said when it began", async () => {
    const log = new CapturedLog();
    for (const code of ["store_unreachable", "store_denied", "store_untrusted", "store_in_use"] as const) {
      await attempt(failing(new PosternError(code)), log);
      await attemptQuietly(failing(new PosternError(code)), log)();
    }
    expect(log.entries).toEqual([]);

    let error = new PosternError("store_unreachable");
    const quietly = attemptQuietly(() => Promise.reject(error), log);
    await quietly();
    error = new PosternError("store_failed");
    await quietly();
    expect(log.errors).toHaveLength(1);
  });
});
