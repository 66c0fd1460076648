import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";

const script = fileURLToPath(new URL("../long/fuzz/main.mjs", import.meta.url));

interface Finding {
  readonly message: string;
  readonly input: string;
}

/** Fuzzes a parser with planted faults: the exit code, and what was written down. */
function fuzzPlanted(...args: string[]): Promise<{ code: number; findings: (Finding & { file: string })[] }> {
  const directory = mkdtempSync(join(tmpdir(), "postern-findings-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const targets = ["--target", "planted-fault", "--target", "planted-death"];
  const fixed = [script, ...targets, "--findings", directory, "--seconds", "0"];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...fixed, ...args], () => {
      const files = readdirSync(directory).map((file) => join(directory, file));
      const findings = files.map((file) => ({ file, ...(JSON.parse(readFileSync(file, "utf8")) as Finding) }));
      resolve({ code: child.exitCode ?? -1, findings });
    });
  });
}

function replay(file: string): Promise<number | null> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, "--replay", file], () => resolve(child.exitCode));
  });
}

describe("the fuzzer", () => {
  it("comes to a fault behind four bytes by its coverage, and to one that kills the process; both can be replayed", async () => {
    const { code, findings } = await fuzzPlanted("--executions", "12000", "--seed", "7");
    expect(code).toBe(1);
    const texts = findings.map(({ message, input }) => [message, Buffer.from(input, "base64").toString("latin1")]);
    expect(texts).toContainEqual(["unforeseen error: the planted fault", expect.stringMatching(/^fuzz/)]);
    expect(texts).toContainEqual(["its process died: SIGKILL", expect.stringMatching(/^di/)]);
    for (const { file } of findings) expect(await replay(file)).not.toBe(0);
  });

  it("has nothing to say where it did not come to one", async () => {
    expect(await fuzzPlanted("--executions", "64", "--seed", "7")).toEqual({ code: 0, findings: [] });
  });
});
