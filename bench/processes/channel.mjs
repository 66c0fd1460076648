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
  process.send({ ready: true });
}

/** All that were begun and have not ended. */
const running = new Set();

/** The parent's end: a process of `processes/`, once it says that it is ready. */
export async function start(file, input = {}, { imports = [], onProgress } = {}) {
  const execArgv = imports.flatMap((module) => ["--import", new URL(module, import.meta.url).href]);
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(input)], { execArgv });
  const waiting = new Map();
  let last = 0;
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
      last += 1;
      waiting.set(last, { resolve, reject });
      child.send({ number: last, question, input: about });
    });
  const end = async () => {
    running.delete(end);
    if (child.connected) child.disconnect();
    await ended;
  };
  running.add(end);
  const early = ended.then((code) => {
    const error = new Error(`${file} ended by itself (${code})`);
    for (const { reject } of waiting.values()) reject?.(error);
    throw error;
  });
  early.catch(() => undefined);
  await Promise.race([ready, early]);
  return { ask, end, pid: child.pid };
}

/** Ends what a part that failed has left running. */
export async function endAll() {
  await Promise.all([...running].map((end) => end()));
}

/** Whatever `use` gives, with a process that ends behind it. */
export async function withProcess(file, input, use, options) {
  const child = await start(file, input, options);
  try {
    return await use(child);
  } finally {
    await child.end();
  }
}
