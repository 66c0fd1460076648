/**
 * Runs commands of both programs one after another in one process, as orders come over IPC: the built programs from
 * their command line to their exit code, each with the arguments, environment, folder and streams that the order says.
 * Node's start and the loading of the modules, most of what a command costs, are paid once.
 */
import { PassThrough, Writable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { runProgram } from "@postern/shared/terminal/program";
import { buildProgram as postern } from "../../packages/client/dist/cli/program.js";
import { buildProgram as posternd } from "../../packages/server/dist/cli/program.js";

const programs = { postern, posternd };

class Kept extends Writable {
  #chunks = [];

  _write(chunk, _encoding, done) {
    this.#chunks.push(chunk);
    done();
  }

  get text() {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}

/** At its end, or a pipe that stays open, or one with a text. */
function inputOf(stdin) {
  const input = new PassThrough();
  if (stdin !== "open") input.end(stdin.text);
  return input;
}

function setEnvironment(env) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
}

/** What holds this process alive when no command is under way: the pipe that orders come by. */
const IDLE = "PipeWrap";

/** A command is over when a process of its own would end by itself: one that leaves something open never is. */
async function settled() {
  for (let wait = 0; process.getActiveResourcesInfo().join() !== IDLE; wait = Math.min(wait + 1, 20)) {
    await setTimeout(wait);
  }
}

async function run({ program, args, env, cwd, stdin }) {
  const streams = { stdin: inputOf(stdin), stdout: new Kept(), stderr: new Kept() };
  for (const [name, value] of Object.entries(streams)) Object.defineProperty(process, name, { value });
  setEnvironment(env);
  process.chdir(cwd);
  process.argv = [process.execPath, program, ...args];
  const umask = process.umask();
  const told = (code) => ({ code, stdout: streams.stdout.text, stderr: streams.stderr.text });
  const host = {
    ...streams,
    argv: process.argv,
    env: process.env,
    exitCode: undefined,
    on: (_event, listener) => process.on("uncaughtException", listener),
    once: () => undefined,
    // Its state is unknown then, and the next command gets another process.
    exit: (code) => process.send({ ...told(code), last: true }, () => process.exit()),
  };
  await runProgram((output) => programs[program](output).parseAsync(), host);
  process.removeAllListeners("uncaughtException");
  await settled();
  process.umask(umask);
  process.chdir("/");
  return told(host.exitCode);
}

for (const name of ["stdin", "stdout", "stderr"]) {
  Object.defineProperty(process, name, { configurable: true, writable: true, value: undefined });
}
process.on("message", async (order) => process.send(await run(order)));
process.on("disconnect", () => process.exit());
