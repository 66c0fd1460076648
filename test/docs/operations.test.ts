import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { allOptions } from "../../packages/server/src/cli/config/options.js";
import { logFields } from "../../packages/server/src/cli/log-fields.js";
import { createMetrics } from "../../packages/server/src/metrics.js";
import { optionRows } from "../support/options-table.js";
import { page, root } from "./pages.js";

const { text } = page("docs/operations.md");

const metrics = createMetrics({
  version: "0",
  connections: () => ({ stranger: 1 }),
  draining: () => false,
  auditLength: async () => 1,
  challenges: async () => ({ open: 1, waiting: 1, dead: 1 }),
  store: async () => ({ bytes: 1, free: 1 }),
  leafEnds: () => 1,
});

async function ownNames(): Promise<string[]> {
  const exposed = await metrics.render();
  return [...exposed.matchAll(/^# TYPE (posternd_\S+) /gm)].map(([, name = ""]) => name);
}

describe("docs/operations.md", () => {
  it("lists the options as the program has them: all, in order, with variable and default", () => {
    const rows = text.split("\n").filter((line) => /^\| `--[a-z-]+[^`]*` \| `POSTERND_/.test(line));
    expect(rows.filter((row) => !row.includes("POSTERND_CONFIG"))).toEqual(optionRows(allOptions));
  });

  it("lists every field of the log, and none besides", () => {
    for (const [field, says] of Object.entries(logFields)) expect(text).toContain(`| \`${field}\` | ${says} |`);
  });

  it("lists every metric of our own", async () => {
    const names = await ownNames();
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) expect(text).toContain(`\`${name}`);
  });
});

describe("docs/prometheus-alerts.yml", () => {
  it("asks for metrics that there are", async () => {
    const rules = readFileSync(join(root, "docs/prometheus-alerts.yml"), "utf8");
    const names = [...rules.matchAll(/\b(?:posternd|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(5);
    const exposed = await metrics.render();
    for (const name of names) expect(exposed).toContain(`# TYPE ${name} `);
  });
});
