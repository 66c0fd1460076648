/**
 * Fuzzes one target, in a process of its own: a parser that hangs or kills its process takes nobody else with it.
 * What it is told comes as JSON in its only argument:
 *
 * - `name`, `seed`; `seconds` and `executions`: whichever ends first, 0 is without end
 * - `inputs`: a file of inputs to begin with, to which those are added that reach something new
 * - `current`: a file that holds, all the time, how many inputs were tried, and the one that is being tried
 * - `minimise`: only goes through `inputs`, and writes those to this file that reach what none before them does
 *
 * It tells its parent `{ finding }` for each of its findings, and `{ done }` at the end.
 */
import { appendFileSync, openSync, writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { inputLine, readInputs, writeInputs } from "./corpus.mjs";
import { Coverage } from "./coverage.mjs";
import { Finding, judge } from "./judge.mjs";
import { mutate } from "./mutate.mjs";
import { randomOf } from "./random.mjs";
import { loadTarget } from "./targets.mjs";

const order = JSON.parse(process.argv[2]);

/** Inputs that are tried between two looks at the coverage. */
const BATCH = 64;

/** So many inputs are kept that only take another path through blocks that are known, and so many are published. */
const MAX_PATHS = 100;
const MAX_PUBLISHED = 60;

/** Milliseconds that one input may take, and mebibytes by which it may make the process grow. */
const MAX_MS = 500;
const MAX_GROWTH_MIB = 96;

const MAX_FINDINGS = 20;

const coverage = new Coverage(order.covers);
const target = await loadTarget(order.name);

class Fuzzer {
  executions = 0;
  added = 0;
  #random = randomOf(order.seed);
  #current = openSync(order.current, "w");
  #inputs = [];
  #outcomes = new Set();
  #findings = new Set();
  #paths = 0;
  #began = performance.now();

  get inputs() {
    return this.#inputs.length;
  }

  get seconds() {
    return (performance.now() - this.#began) / 1000;
  }

  /** Learns what the inputs reach that there are; they stay whatever they reach. */
  async begin(inputs) {
    coverage.skip();
    for (const input of inputs) {
      await this.#try(input);
      coverage.learn();
      this.#inputs.push(input);
    }
  }

  async run() {
    while (!this.#isOver()) {
      await this.#tryBatch(Array.from({ length: BATCH }, () => this.#newInput()));
      // Memory beyond the heap is let go of only in a turn of the event loop.
      await setImmediate();
    }
  }

  /** Of inputs sorted by length those that reach new blocks, then those that reach them anew often, then other paths. */
  async minimise(inputs) {
    const [blocks, counts, paths] = [[], [], []];
    coverage.skip();
    for (const input of inputs) {
      const isNew = await this.#try(input);
      const news = coverage.learn();
      if (news.blocks > 0) blocks.push(input);
      else if (news.counts > 0 || isNew) counts.push(input);
      else if (news.isPath) paths.push(input);
    }
    const reaching = [...blocks, ...counts];
    return [...reaching, ...paths.slice(0, Math.max(0, MAX_PUBLISHED - reaching.length))];
  }

  #isOver() {
    if (this.#findings.size >= MAX_FINDINGS) return true;
    if (order.executions > 0 && this.executions >= order.executions) return true;
    return order.seconds > 0 && this.seconds >= order.seconds;
  }

  /** The latest inputs are changed more often: they are the ones that nobody has looked behind. */
  #newInput() {
    const { dictionary, maxLength } = target;
    const random = this.#random;
    const recent = random.below(2) === 0 ? this.#inputs.slice(-16) : this.#inputs;
    const change = { random, dictionary, maxLength, other: random.pick(this.#inputs) };
    return mutate(random.pick(recent), change);
  }

  async #tryBatch(batch) {
    const strange = new Set();
    for (const input of batch) if (await this.#try(input)) strange.add(input);
    // Of one in every batch the counts are looked at as well: they cannot be told apart in the sum.
    const closer = coverage.anythingNew() ? batch : [this.#random.pick(batch)];
    for (const input of new Set([...closer, ...strange])) await this.#look(input, strange.has(input));
  }

  async #look(input, isStrange) {
    await this.#try(input);
    const { blocks, counts, isPath } = coverage.learn();
    if (blocks === 0 && counts === 0 && !isStrange) {
      if (!isPath || this.#paths >= MAX_PATHS) return;
      this.#paths += 1;
    }
    this.#inputs.push(input);
    this.added += 1;
    appendFileSync(order.inputs, inputLine(input));
  }

  /** Runs one input; whether what came of it never came of any before. */
  async #try(input) {
    this.#note(input);
    const before = { ms: performance.now(), peak: process.resourceUsage().maxRSS };
    let outcome;
    try {
      outcome = await judge(target, input);
      await this.#checkCost(input, before);
    } catch (thrown) {
      outcome = this.#report(input, thrown);
    }
    const isNew = !this.#outcomes.has(outcome);
    this.#outcomes.add(outcome);
    return isNew;
  }

  /** A machine may be busy, and a collection come at any time: what took long is given another try. */
  async #checkCost(input, { ms, peak }) {
    const took = performance.now() - ms;
    const grownMib = (process.resourceUsage().maxRSS - peak) / 1024;
    if (grownMib > MAX_GROWTH_MIB) throw new Finding("too much memory", `${Math.round(grownMib)} MiB`);
    if (took <= MAX_MS) return;
    const again = performance.now();
    await judge(target, input);
    const least = Math.min(took, performance.now() - again);
    if (least > MAX_MS) throw new Finding("too slow", `${Math.round(least)} ms`);
  }

  #report(input, thrown) {
    const { message, cause } = thrown;
    const stack = cause instanceof Error ? (cause.stack ?? "") : "";
    const [, place = ""] = stack.split("\n    at ").filter((line) => !line.includes("judge.mjs"));
    const outcome = `${message} ${place}`;
    if (this.#findings.has(outcome)) return outcome;
    this.#findings.add(outcome);
    process.send({ finding: { message, stack, input: input.toString("base64") } });
    return outcome;
  }

  /** What dies now, dies of this input. */
  #note(input) {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(this.executions++ % 2 ** 32, 0);
    head.writeUInt32LE(input.length, 4);
    writeSync(this.#current, Buffer.concat([head, input]), 0, undefined, 0);
  }
}

/** Inputs without those that are there twice, the short ones first. */
function sorted(inputs) {
  const distinct = new Map(inputs.map((input) => [input.toString("latin1"), input]));
  return [...distinct.values()].sort((one, other) => one.length - other.length || Buffer.compare(one, other));
}

const fuzzer = new Fuzzer();
const known = sorted([...target.seeds, ...readInputs(order.inputs)]);
if (order.minimise === undefined) {
  await fuzzer.begin(known);
  await fuzzer.run();
} else {
  writeInputs(order.minimise, await fuzzer.minimise(known));
}
const { executions, seconds, added, inputs } = fuzzer;
process.send({ done: { executions, seconds, added, inputs, reached: coverage.reached } }, () => process.exit());
