/** Parsers with faults, to try the fuzzer on. */
const common = { codes: [], dictionary: [..."fuzdi"], seeds: ["....."], maxLength: 8, covers: ["/targets/planted"] };

/** Only a fuzzer that is guided by coverage comes to it: each byte must be right before the next one counts. */
const fault = {
  ...common,
  name: "planted-fault",
  run(input) {
    const text = input.toString("latin1");
    if (text[0] !== "f") return;
    if (text[1] !== "u") return;
    if (text[2] !== "z") return;
    if (text[3] !== "z") return;
    throw new TypeError("the planted fault");
  },
};

const death = {
  ...common,
  name: "planted-death",
  run(input) {
    const text = input.toString("latin1");
    if (text[0] !== "d") return;
    if (text[1] === "i") process.kill(process.pid, "SIGKILL");
  },
};

export const targets = [fault, death];
