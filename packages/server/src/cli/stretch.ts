import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Barrier } from "../barrier/barrier.js";
import type { StretchCensus } from "../records/stretch-census.js";
import { readSettings } from "../services/store.js";
import { ensureStretchCensus, raiseStretch, readStretchCensus, stretchOf } from "../services/stretching.js";
import { type StoreOptions, unsealStore } from "./unseal.js";

/** Prints how passwords are stretched, and how many accounts are on which generation. */
export async function stretchShowCommand(output: Output, options: StoreOptions): Promise<void> {
  await withStore(output, options, async (barrier) => show(output, await readStretchCensus({ barrier })));
}

/**
 * Has passwords stretched with a higher generation from now on: new ones at once, the others at their next login.
 * @throws PosternError `usage`
 */
export async function stretchRaiseCommand(
  output: Output,
  options: StoreOptions & { readonly generation?: string },
): Promise<void> {
  const given = options.generation === undefined ? undefined : parseGeneration(options.generation);
  await withStore(output, options, async (barrier) => {
    const { current } = await readStretchCensus({ barrier });
    const { node } = await readSettings(barrier);
    await raiseStretch({ barrier, node, now: Date.now, random: randomBytes }, given ?? current + 1);
    show(output, await readStretchCensus({ barrier }));
  });
}

async function withStore(
  output: Output,
  options: StoreOptions,
  use: (barrier: Barrier) => Promise<void>,
): Promise<void> {
  const store = await unsealStore(output, options);
  try {
    await ensureStretchCensus(store.barrier);
    await use(store.barrier);
  } finally {
    await store.close();
  }
}

function show(output: Output, { current, generations }: StretchCensus): void {
  const rows = generations.map(({ generation, accounts }) => ({ ...stretchOf(generation), accounts }));
  output.result(
    { current, generations: rows },
    say`generation  memory    passes  accounts`,
    ...rows.map((row) => lineOf(row, row.generation === current)),
  );
}

function lineOf(
  { generation, memory_kib, passes, accounts }: ReturnType<typeof stretchOf> & { readonly accounts: number },
  current: boolean,
): TerminalText {
  const memory = `${memory_kib / 1024} MiB`;
  const mark = current ? "  (new passwords)" : "";
  return say`${String(generation).padEnd(11)} ${memory.padEnd(9)} ${String(passes).padEnd(7)} ${String(accounts)}${mark}`;
}

function parseGeneration(text: string): number {
  if (!/^[1-9][0-9]?$/.test(text))
    throw new PosternError("usage", { detail: "the generation is a small whole number" });
  return Number(text);
}
