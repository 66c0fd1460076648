/**
 * The coverage-guided fuzzer: `npm run test:long -- fuzz`. Every target has a child process; this one starts them, looks
 * after them and writes down what they find. Exit code 1 when there is a finding.
 */
import { fork } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { corpusFile, readInputs, writeInputs } from "./corpus.mjs";
import { judge } from "./judge.mjs";
import { loadTarget, targetNames } from "./targets.mjs";

const childScript = fileURLToPath(new URL("child.mjs", import.meta.url));

/** A child that tries the same input for so long is hanging, in seconds. The first one has all to load as well. */
const HANG_SECONDS = 20;

/** How often a target's child may die before it is given up. */
const MAX_DEATHS = 5;

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true },
    seconds: { type: "string", default: "20" },
    executions: { type: "string", default: "0" },
    seed: { type: "string" },
    publish: { type: "boolean", default: false },
    replay: { type: "string" },
    findings: { type: "string", default: fileURLToPath(new URL("../findings", import.meta.url)) },
  },
});
const { findings } = values;

const say = (line) => process.stderr.write(`${line}\n`);

/** What the child was doing last: how many inputs it had tried, and the one at hand. */
function lastInput(file) {
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  if (bytes.length < 8) return { tried: 0, input: Buffer.alloc(0) };
  return { tried: bytes.readUInt32LE(0), input: bytes.subarray(8, 8 + bytes.readUInt32LE(4)) };
}

/** Runs a child to its end: what it said it had done, or how it died. */
function runChild(order, onFinding) {
  return new Promise((resolve) => {
    const child = fork(childScript, [JSON.stringify(order)], {
      execArgv: ["--expose-gc", "--max-old-space-size=512"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // What a child that dies leaves behind goes with the rest.
      env: { ...process.env, TMPDIR: dirname(order.current) },
    });
    let done;
    let stderr = "";
    let hanging = false;
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr = (stderr + text).slice(-4000);
    });
    child.on("message", (message) => {
      if (message.done) done = message.done;
      else onFinding(message.finding);
    });
    let seen = { tried: -1, at: Date.now() };
    const watch = setInterval(() => {
      const { tried } = lastInput(order.current);
      if (tried !== seen.tried) seen = { tried, at: Date.now() };
      hanging = Date.now() - seen.at > HANG_SECONDS * 1000;
      if (hanging) child.kill("SIGKILL");
    }, 500);
    child.once("close", (code, signal) => {
      clearInterval(watch);
      const death = hanging ? `it hangs for ${HANG_SECONDS} s` : `its process died: ${signal ?? `exit code ${code}`}`;
      resolve(done === undefined ? { death, stderr } : { done });
    });
  });
}

/** Writes a finding down, with how to see it again. */
function keepFinding(name, seed, { message, stack, input }) {
  mkdirSync(findings, { recursive: true });
  const id = createHash("sha256").update(`${name} ${message} ${input}`).digest("hex").slice(0, 12);
  const file = join(findings, `${name}-${id}.json`);
  const replay = `npm run test:long -- fuzz --replay ${relative(process.cwd(), file)}`;
  writeFileSync(file, `${JSON.stringify({ target: name, message, seed, input, replay, stack }, null, 2)}\n`);
  say(`  finding: ${message}\n    ${replay}`);
}

async function fuzzTarget(name, { seed, seconds, executions }) {
  const { covers, seedsOf } = await loadTarget(name);
  const work = mkdtempSync(join(tmpdir(), "postern-fuzz-"));
  const files = { inputs: join(work, "inputs.jsonl"), current: join(work, "current") };
  const order = { name, seed, covers, seconds, executions, ...files };
  writeInputs(
    files.inputs,
    [name, seedsOf].filter(Boolean).flatMap((one) => readInputs(corpusFile(one))),
  );
  const sum = { name, executions: 0, seconds: 0, inputs: 0, added: 0, reached: 0, findings: 0 };
  const found = (finding) => {
    sum.findings += 1;
    keepFinding(name, seed, finding);
  };
  const ends = Date.now() + seconds * 1000;
  for (let deaths = 0; deaths < MAX_DEATHS; deaths++) {
    const left = seconds === 0 ? 0 : Math.max(1, (ends - Date.now()) / 1000);
    const { done, death, stderr } = await runChild({ ...order, seed: seed + deaths, seconds: left }, found);
    if (done !== undefined) {
      Object.assign(sum, done);
      break;
    }
    const { tried, input } = lastInput(files.current);
    sum.executions += tried;
    found({ message: death, stack: stderr, input: input.toString("base64") });
  }
  if (values.publish) await publish({ ...order, minimise: corpusFile(name) }, found);
  rmSync(work, { recursive: true });
  return sum;
}

async function publish(order, found) {
  const { death } = await runChild(order, found);
  if (death !== undefined) throw new Error(`${order.name}: the corpus was not written: ${death}`);
  say(`  published: ${readInputs(order.minimise).length} inputs`);
}

async function replay(file) {
  const { target: name, input } = JSON.parse(readFileSync(file, "utf8"));
  const outcome = await judge(await loadTarget(name), Buffer.from(input, "base64"));
  say(`${name}: ${outcome}`);
}

function tell({ name, executions, seconds, inputs, added, reached }) {
  const speed = seconds > 0 ? Math.round(executions / seconds) : 0;
  const columns = [name.padEnd(20), executions, `${speed}/s`, `${reached} reached`, `${inputs} inputs, ${added} new`];
  say(columns.map((column, at) => (at === 0 ? column : String(column).padStart(at < 3 ? 10 : 16))).join("  "));
}

async function fuzz() {
  const seed = Number(values.seed ?? randomInt(2 ** 31));
  const names = values.target ?? targetNames;
  const budget = { seed, seconds: Number(values.seconds), executions: Number(values.executions) };
  say(`fuzzing ${names.length} targets, ${budget.seconds} s each, with --seed ${seed}`);
  let count = 0;
  for (const name of names) {
    const sum = await fuzzTarget(name, budget);
    count += sum.findings;
    tell(sum);
  }
  say(count === 0 ? "no findings" : `${count} findings, in ${findings}`);
  process.exitCode = count === 0 ? 0 : 1;
}

await (values.replay === undefined ? fuzz() : replay(values.replay));
