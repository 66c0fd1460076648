// replacing.mjs DIRECTORY STEP: replaces the store by one that holds "new", and is killed in place of the STEP-th change
// of a name in the directory. `0` kills it at none; `wait` says when it is alone, and waits to be killed.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { bytes, open, tell } from "./open.mjs";

const [directory, step] = process.argv.slice(2);
let steps = 0;
for (const name of ["mkdirSync", "linkSync", "renameSync", "rmSync"]) {
  const change = fs[name];
  fs[name] = (...args) => {
    if (++steps === Number(step)) process.kill(process.pid, "SIGKILL");
    return change(...args);
  };
}
syncBuiltinESMExports();

const { replaceLmdbStore } = await import("../../../dist/storage/lmdb-replace.js");
const { replaced } = await replaceLmdbStore({ directory, replace: true, time: 0 }, async (temporary) => {
  if (step === "wait") {
    tell("alone");
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  }
  const storage = await open(temporary);
  await storage.transact((tx) => tx.put(bytes("what"), bytes("new")));
  await storage.close();
});
tell({ steps, replaced });
