import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Both ends of the questions by which the bench steers its processes: a server, those that load it, and the floor. */

/** The child's end: answers each question by its name, and ends with the parent, whatever becomes of that. */
export function serve(answers) {
  process.on("message", async ({ number, question, input }) => {
    try {
      process.send({ number, answer: await answers[question](input) });
    } catch (thrown) {
      process.send({ number, failure: thrown?.stack ?? String(thrown) });
    }
  });
  process.on("disconnect", () => process.exit());
  if (!process.connected) process.exit();
  process.send({ ready: true });
}

/** All that were begun and have not ended; and whether no more may begin. */
const running = new Set();
let over = false;

/** The parent's end: a process of `processes/`, once it says that it is ready. */
export async function start(file, input = {}, { imports = [], onProgress } = {}) {
  if (over) throw new Error("stopped");
  const execArgv = imports.flatMap((module) => ["--import", new URL(module, import.meta.url).href]);
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(input)], { execArgv });
  const waiting = new Map();
  let last = 0;
  let gone = false;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const ready = new Promise((resolve) => waiting.set(undefined, { resolve }));
  child.on("message", ({ number, answer, failure }) => {
    if (number === "progress") return onProgress?.(answer);
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (failure === undefined) resolve(answer);
    else reject(new Error(`${file}: ${failure}`));
  });
  const ask = (question, about) =>
    new Promise((resolve, reject) => {
      if (gone || !child.connected) return void reject(new Error(`${file} has ended`));
      last += 1;
      waiting.set(last, { resolve, reject });
      child.send({ number: last, question, input: about });
    });
  const end = async () => {
    running.delete(end);
    if (child.connected) child.disconnect();
    await ended;
  };
  /** Has it close what it has open, where it is still there. */
  const stop = async () => {
    await ask("stop").catch(() => undefined);
    await end();
  };
  running.add(end);
  const early = ended.then((code) => {
    gone = true;
    const error = new Error(`${file} ended by itself (${code})`);
    for (const { reject } of waiting.values()) reject?.(error);
    throw error;
  });
  early.catch(() => undefined);
  await Promise.race([ready, early]);
  return { ask, end, stop, pid: child.pid };
}

/** Ends whatever runs: what asked it fails, and cleans up. */
export async function endAll() {
  over = true;
  await Promise.all([...running].map((end) => end()));
}
