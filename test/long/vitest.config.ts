import { defineConfig } from "vitest/config";

/** For `npm run test:long` alone: what takes minutes or hours. One file at a time, since one of them measures time. */
export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/long/**/*.long.ts"],
    fileParallelism: false,
    disableConsoleIntercept: true,
    reporters: ["default"],
  },
});
