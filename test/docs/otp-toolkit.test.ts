import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { otpCodeCommand } from "../../packages/client/src/cli/otp/code.js";
import type { OtpHost } from "../../packages/client/src/cli/otp/host.js";
import { otpImportCommand } from "../../packages/client/src/cli/otp/import.js";
import { otpQrCommand, otpUriCommand } from "../../packages/client/src/cli/otp/provision.js";
import { otpSecretCommand } from "../../packages/client/src/cli/otp/secret.js";
import { otpVerifyCommand } from "../../packages/client/src/cli/otp/verify.js";
import { buildProgram } from "../../packages/client/src/cli/program.js";
import { Bench, base32, newFolder } from "../../packages/client/test/cli/otp/bench.js";
import { exportUri } from "../support/authenticator-export.js";
import { page } from "./pages.js";

/** The clock of the page. */
const AT = Date.UTC(2009, 1, 13, 23, 31, 30) / 1000;

const EXAMPLE = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC";
const part = exportUri({
  entries: [{ secret: Buffer.from("12345678901234567890"), name: "bob", issuer: "Lab", type: 2 }],
  size: 3,
  index: 1,
  id: 7,
});

const files = { "bob.secret": base32, "bob.export": EXAMPLE, "bob.parts": part };

type Run = (output: Bench["output"], options: never, host: OtpHost) => Promise<void>;
const commands: Readonly<Record<string, Run>> = {
  secret: otpSecretCommand,
  uri: otpUriCommand,
  qr: otpQrCommand,
  code: otpCodeCommand,
  verify: otpVerifyCommand,
  import: otpImportCommand,
};

/** What a line of the page prints, on stdout and stderr, with the files of `folder` by their names alone. */
async function printed(line: string, folder: string): Promise<string[]> {
  const [command = "", redirected] = line.split(" >");
  const words = command.split(" ").map((word) => (word.startsWith("bob.") ? join(folder, word) : word));
  const bench = new Bench({ at: AT, json: words.includes("--json") });
  const program = buildProgram(bench.output);
  for (const child of program.commands.find((one) => one.name() === "otp")?.commands ?? []) {
    const run = commands[child.name()];
    if (run !== undefined)
      child.action((_, command) => run(bench.output, command.optsWithGlobals() as never, bench.host));
  }
  await program.parseAsync(words, { from: "user" }).catch((thrown: unknown) => bench.output.fail(thrown));
  const shown = redirected === undefined ? bench.stdout.text : "";
  return `${shown}${bench.said}`.replaceAll(`${folder}/`, "").split("\n").slice(0, -1);
}

/** `…` alone stands for any lines. */
function asPattern(expected: readonly string[]): RegExp {
  const lines = expected.map((line) => (line === "…" ? "[^]*" : line.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&")));
  return new RegExp(`^${lines.join("\n")}$`);
}

/** What a random secret has in common with another one: its length and the alphabet. */
function formOf(lines: readonly string[]): string[] {
  return lines.map((line) => (/^[A-Z2-7]+$/.test(line) ? `base32 ${line.length}` : line.replaceAll(/[a-f0-9]/g, "h")));
}

describe("docs/otp-toolkit.md", () => {
  it("shows what each command prints, line by line", async () => {
    const folder = newFolder();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
    const examples = page("docs/otp-toolkit.md")
      .text.split(/^```$/m)
      .flatMap((block, index) =>
        index % 2 === 1 && block.startsWith("\n$ ")
          ? block
              .trim()
              .split(/^\$ npx postern /m)
              .slice(1)
          : [],
      );
    expect(examples.length).toBeGreaterThan(20);
    for (const example of examples) {
      const [line = "", ...expected] = example.trimEnd().split("\n");
      const lines = await printed(line, folder);
      if (line.startsWith("otp secret")) expect(formOf(lines)).toEqual(formOf(expected));
      else expect(lines.join("\n"), line).toMatch(asPattern(expected));
    }
  });

  it("shows every command of the toolkit", () => {
    const { text } = page("docs/otp-toolkit.md");
    for (const name of Object.keys(commands)) expect(text).toContain(`$ npx postern otp ${name} `.trimEnd());
  });
});
