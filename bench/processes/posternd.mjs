import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { familyCpuMs, ownCpuMs } from "./family.mjs";
import { kept } from "./kept.mjs";
import { PASSWORD } from "./store.mjs";

const program = fileURLToPath(new URL("../../packages/server/bin/posternd.js", import.meta.url));

/** The real program on a store that is there, as `startServer` gives a server of the bench; `first` is of its first process. */
export async function startProgram({ directory }, args) {
  const file = join(directory, "..", "admin-password");
  await writeFile(file, `${PASSWORD}\n`, { mode: 0o600 });
  const where = ["--data", directory, "--listen", "127.0.0.1:0", "--http", "off", "--config", "off"];
  const given = ["start", ...where, "--admin-password-file", file, "--address-limits", "off", ...args];
  const child = spawn(process.execPath, [program, ...given], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = kept(child, "SIGTERM");
  const answers = { cpu: () => familyCpuMs(child.pid), first: () => ownCpuMs(child.pid) };
  return {
    port: await portOf(child),
    ask: async (question) => answers[question](),
    stop,
  };
}

function portOf(child) {
  return new Promise((resolve, reject) => {
    let said = "";
    child.once("exit", () => reject(new Error("posternd did not begin")));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      const [, port] = /listen=127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
  });
}
