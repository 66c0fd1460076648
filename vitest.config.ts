import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // By default a machine of two cores gets one worker; most of these tests wait for other processes.
    maxWorkers: 2,
  },
});
