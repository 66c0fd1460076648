import { spawnSync } from "node:child_process";
import { spawn } from "@lydell/node-pty";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ScratchWorkspace } from "./scratch-workspace.js";

/** Says how it was called, counts Ctrl-C, and ends at the next line. */
const server = `
let interrupts = 0;
process.on("SIGINT", () => console.log(\`interrupt \${++interrupts}\`));
process.stdin.on("data", () => {
  console.log(\`interrupts: \${interrupts}\`);
  process.exit(7);
});
console.log(\`args: \${JSON.stringify(process.argv.slice(1))} terminal: \${process.stdin.isTTY}\`);
`;

let workspace: ScratchWorkspace;

beforeEach(() => {
  workspace = new ScratchWorkspace();
  workspace.write("packages/server/bin/posternd.js", server);
});

afterEach(() => {
  workspace.close();
});

/** `npm start` in a pseudo-terminal. */
class NpmStart {
  readonly #pty;
  #output = "";
  #over = false;
  #changed: () => void = () => undefined;
  readonly exitCode: Promise<number>;

  constructor(args: readonly string[]) {
    this.#pty = spawn("npm", ["start", "--", ...args], {
      cols: 200,
      cwd: workspace.folder,
      env: workspace.env,
    });
    this.#pty.onData((data) => {
      this.#output += data;
      this.#changed();
    });
    this.exitCode = new Promise((resolve) =>
      this.#pty.onExit(({ exitCode }) => {
        this.#over = true;
        this.#changed();
        resolve(exitCode);
      }),
    );
  }

  /** What came out, without colours. */
  get output(): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are made of
    return this.#output.replace(/\u001b\[[0-9;]*m/g, "");
  }

  async prints(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.#over) throw new Error(`it ended without "${text}":\n${this.output}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  press(keys: string): void {
    this.#pty.write(keys);
  }
}

describe("npm start", () => {
  it("sets up, then is `posternd start` on the same terminal, with the options as they were given", async () => {
    const npm = new NpmStart(["--init", "--data", "a folder"]);
    await npm.prints("terminal: true");
    const program = `${workspace.folder}/packages/server/bin/posternd.js`;
    expect(npm.output).toContain(`args: ${JSON.stringify([program, "start", "--init", "--data", "a folder"])}`);
    expect(workspace.npxCalls).toHaveLength(1);
    expect(workspace.tscCalls).toEqual(["-b"]);
    npm.press("\n");
    await npm.exitCode;
  });

  it("brings one Ctrl-C to the server as one, though npm passes it on again, and ends with its exit code", async () => {
    const npm = new NpmStart([]);
    await npm.prints("terminal: true");
    npm.press("\u0003");
    await npm.prints("interrupt 1");
    npm.press("\n");
    await npm.prints("interrupts: 1");
    expect(await npm.exitCode).toBe(7);
    expect(npm.output).not.toContain("interrupt 2");
  });

  it("does not start the server when the setup fails", async () => {
    workspace.npxSays("fail npm error code ENOTFOUND");
    const npm = new NpmStart([]);
    expect(await npm.exitCode).toBe(1);
    expect(npm.output).toContain("hint: is the network there?");
    expect(npm.output).not.toContain("terminal:");
  });
});

describe("a signal that is repeated within a moment", () => {
  const module = new URL("../../scripts/echoed-signals.mjs", import.meta.url);
  /** Sends itself SIGINT, and again when that has come; the SIGUSR2 sent after both comes after both. */
  const program = (listen: "on" | "once") => `
    import { dropEchoedSignals } from "${module}";
    dropEchoedSignals();
    let interrupts = 0;
    process.${listen}("SIGINT", () => {
      if (++interrupts === 1) setImmediate(repeat);
    });
    const repeat = () => {
      process.kill(process.pid, "SIGINT");
      process.kill(process.pid, "SIGUSR2");
    };
    process.on("SIGUSR2", () => {
      console.log(interrupts);
      process.exit();
    });
    setInterval(() => process.kill(process.pid, 0), 1000);
    process.kill(process.pid, "SIGINT");
  `;

  it.each(["on", "once"] as const)("is heard once by a listener added by `%s`, and does not kill", (listen) => {
    const parameters = ["--input-type=module", "--eval", program(listen)];
    const { status, signal, stdout } = spawnSync(process.execPath, parameters, { encoding: "utf8" });
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: "1\n" });
  });
});
