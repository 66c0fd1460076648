/** `npm start -- [options]`: sets the workspace up, then is `posternd start [options]` in this very process. */
import { requireNode } from "./node-version.mjs";

requireNode();

async function start() {
  const { root, setUpOrExit } = await import("./workspace.mjs");
  const { dropEchoedSignals } = await import("./echoed-signals.mjs");
  dropEchoedSignals();
  await setUpOrExit();
  const program = new URL("packages/server/bin/posternd.js", root);
  const { fileURLToPath } = await import("node:url");
  process.argv = [process.argv[0], fileURLToPath(program), "start", ...process.argv.slice(2)];
  await import(program.href);
}

void start();
