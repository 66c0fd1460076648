import { Session } from "node:inspector";

/**
 * Which blocks of code ran, and how often, by the precise coverage of the engine itself. A report costs more than half
 * a millisecond however little ran, so the fuzzer asks for one after many inputs, and looks closer only where that one
 * has something new.
 */

/** The blocks of Postern itself, as it is built. */
const OWN = "/packages/[^/]+/dist/";

/** One bit each for how often a block ran: 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more. */
const countLimits = [1, 2, 3, 7, 15, 31, 127, Number.POSITIVE_INFINITY];

function countBit(count) {
  return 1 << countLimits.findIndex((limit) => count <= limit);
}

export class Coverage {
  #session = new Session();
  #covers;
  /** For each function that ran, by script and place, the count bits of each character of its text. */
  #functions = new Map();
  #paths = new Set();

  /** Must be there before the code is loaded that it is to see. `packages` are further ones, by a part of their path. */
  constructor(packages = []) {
    this.#covers = new RegExp([OWN, ...packages].join("|"));
    this.#session.connect();
    this.#post("Profiler.enable");
    this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Forgets what ran since the last report. */
  skip() {
    this.#post("Profiler.takePreciseCoverage");
  }

  /** Whether a block ran since the last report that never ran before; it does not yet count as known. */
  anythingNew() {
    let found = false;
    this.#eachBlock((known, from, to) => {
      const at = known.indexOf(0, from);
      found ||= at !== -1 && at < to;
    });
    return found;
  }

  /**
   * What ran since the last report, which was one input: how many blocks for the first time, how many as often as never
   * before, and whether all of them together ran so often for the first time. It is known from now on.
   */
  learn() {
    const news = { blocks: 0, counts: 0, isPath: false };
    let path = 0;
    this.#eachBlock((known, from, to, count) => {
      const bit = countBit(count);
      for (const part of [known.length, from, to, bit]) path = Math.imul(path ^ part, 0x01000193);
      let unknown = false;
      let recounted = false;
      for (let at = from; at < to; at++) {
        unknown ||= known[at] === 0;
        recounted ||= (known[at] & bit) === 0;
        known[at] |= bit;
      }
      if (unknown) news.blocks += 1;
      if (recounted) news.counts += 1;
    });
    news.isPath = !this.#paths.has(path);
    this.#paths.add(path);
    return news;
  }

  /** How many characters of code were reached. */
  get reached() {
    let characters = 0;
    for (const known of this.#functions.values()) for (const bits of known) if (bits !== 0) characters += 1;
    return characters;
  }

  #eachBlock(visit) {
    const { result } = this.#post("Profiler.takePreciseCoverage");
    for (const { scriptId, url, functions } of result) {
      if (!this.#covers.test(url)) continue;
      for (const { ranges } of functions) this.#blocksOf(scriptId, ranges, visit);
    }
  }

  /** Ranges come with the outer one first; what no inner one covers ran as often as the outer one. */
  #blocksOf(script, ranges, visit) {
    const [{ startOffset: start, endOffset: end }] = ranges;
    const known = this.#knownOf(`${script} ${start} ${end}`, end - start);
    const open = [];
    let at = start;
    const advance = (to, count) => {
      if (count > 0 && to > at) visit(known, at - start, to - start, count);
      at = to;
    };
    for (const range of ranges) {
      while (open.length > 0 && open.at(-1).endOffset <= range.startOffset) close(open, advance);
      if (open.length > 0) advance(range.startOffset, open.at(-1).count);
      open.push(range);
    }
    while (open.length > 0) close(open, advance);
  }

  #knownOf(name, length) {
    const known = this.#functions.get(name) ?? new Uint8Array(length);
    this.#functions.set(name, known);
    return known;
  }

  #post(method, parameters) {
    let answer;
    this.#session.post(method, parameters, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  }
}

function close(open, advance) {
  const { endOffset, count } = open.pop();
  advance(endOffset, count);
}
