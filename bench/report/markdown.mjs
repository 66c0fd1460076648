/** The results as a page of Markdown. */

/** Three significant digits and no more: the machine is not better than that. */
export function shown(value) {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function markdownOf({ began, seconds, machine, load, options, parts }) {
  const { cores, model, memory_gb: memory, system, node, openssl, durable } = machine;
  return [
    "# Bench",
    "",
    `${began}, in ${Math.round(seconds)} seconds${options.quick ? " (--quick: fewer rounds, more noise)" : ""}.`,
    `${cores} cores (${model}), ${memory} GB of memory, ${system}.`,
    `Node ${node}, OpenSSL ${openssl}. Load average at the start ${load.start.join(" ")}, at the end ${load.end.join(" ")}.`,
    ...(durable ? [] : ["**The stores were in memory: nothing was durable, and every transaction came cheap.**"]),
    "",
    "Each figure was taken in several rounds, in turn with those that it is compared to: the median, and how far the",
    "rounds lie apart. An aim goes by the median. What each figure is, and what its noise is, `bench/README.md` says.",
    "",
    "![The figures as a picture](bench.svg)",
    ...aimsOf(parts),
    ...parts.flatMap(partOf),
    "",
  ].join("\n");
}

function aimsOf(parts) {
  const aims = parts.flatMap((part) => part.aims);
  if (aims.length === 0) return [];
  const rows = aims.map(({ what, bound, wanted, unit, measured, kept }) => [
    what,
    `${bound} ${wanted.toLocaleString("en-US")}${unit === "" ? "" : ` ${unit}`}`,
    shown(measured),
    kept ? "kept" : "**missed**",
  ]);
  return ["", "## Aims", "", ...table(["aim", "wanted", "measured", ""], rows, [2])];
}

function partOf({ title, figures, notes }) {
  const rows = figures.map(({ what, unit, min, median, max, rounds }) => [
    what,
    unit,
    shown(min),
    shown(median),
    shown(max),
    String(rounds.length),
  ]);
  const columns = ["", "unit", "min", "median", "max", "rounds"];
  const said = notes.map((note) => `- ${note}`);
  return ["", `## ${title}`, "", ...table(columns, rows, [2, 3, 4, 5]), ...(said.length > 0 ? ["", ...said] : [])];
}

/** `numbers` are the columns that stand to the right. */
export function table(columns, rows, numbers = []) {
  const width = (column) => Math.max(3, ...[columns, ...rows].map((cells) => cells[column].length));
  const line = (cells) => {
    const padded = cells.map((cell, at) => (numbers.includes(at) ? cell.padStart(width(at)) : cell.padEnd(width(at))));
    return `| ${padded.join(" | ")} |`;
  };
  const rule = columns.map((_, at) => (numbers.includes(at) ? `${"-".repeat(width(at) - 1)}:` : "-".repeat(width(at))));
  return [line(columns), line(rule), ...rows.map(line)];
}
