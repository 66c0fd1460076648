import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    // For what hangs, not for what is slow: a machine that does much else may take ten times as long.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // The files of a worker share its process, and what is loaded there: a file leaves nothing behind but that.
    isolate: false,
    restoreMocks: true,
    setupFiles: ["test/support/watch-nesting.ts"],
    // By default a machine of two cores gets one worker; most of these tests wait for other processes.
    maxWorkers: 2,
  },
});
