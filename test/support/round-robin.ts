import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./eventually.js";
import { freePort } from "./free-port.js";
import { temporaryDirectory } from "./in-process.js";
import { tellReaper } from "./reaper.js";
import { connectRaw, type Target } from "./wire-client.js";

/** A plain TCP balancer in front of several nodes: HAProxy where that is installed, else a few lines that do as it does. */

export interface Behind extends Target {
  /** Where `/readyz` is; without it a node counts as ready when it takes connections. */
  readonly httpPort?: number | undefined;
}

export const hasHaproxy = spawnSync("haproxy", ["-v"]).error === undefined;
if (!hasHaproxy) console.info("HAProxy is not installed: a forwarder of the tests' own balances in its place");

export async function startRoundRobin(nodes: readonly Behind[]): Promise<Target> {
  return hasHaproxy ? startHaproxy(nodes) : startForwarder(nodes);
}

function haproxyConfig(port: number, nodes: readonly Behind[]): string {
  const byReadiness = nodes.every(({ httpPort }) => httpPort !== undefined);
  const servers = nodes.map(({ port: wire, httpPort }, index) => {
    const checked = byReadiness ? `check port ${httpPort} check-ssl verify none inter 500ms` : "check inter 200ms";
    return `  server node${index} 127.0.0.1:${wire} ${checked} fall 1 rise 1`;
  });
  return `
defaults
  mode tcp
  timeout connect 2s
  timeout queue 2s
  timeout client 60s
  timeout server 60s
  option redispatch 1
  retries 3
frontend wire
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  balance roundrobin
  ${byReadiness ? "option httpchk GET /readyz\n  http-check expect status 200" : ""}
${servers.join("\n")}
`;
}

async function startHaproxy(nodes: readonly Behind[]): Promise<Target> {
  const port = await freePort();
  const config = join(await temporaryDirectory(), "haproxy.cfg");
  await writeFile(config, haproxyConfig(port, nodes));
  const child = spawn("haproxy", ["-db", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
  const { pid = 0 } = child;
  tellReaper("started", pid);
  const ended = once(child, "close").then(() => tellReaper("ended", pid));
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-5_000);
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy ended: ${said}`);
    return connectRaw({ port }).then(
      (socket) => socket.destroy() !== undefined,
      () => false,
    );
  });
  return { port };
}

async function startForwarder(nodes: readonly Behind[]): Promise<Target> {
  const sockets = new Set<Socket>();
  let next = 0;
  const server = createServer(async (near) => {
    near.on("error", () => near.destroy());
    next = (next + 1) % nodes.length;
    for (const node of [...nodes.slice(next), ...nodes.slice(0, next)]) {
      const far = await connectRaw(node).catch(() => undefined);
      if (far === undefined) continue;
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(one);
        one.on("close", () => other.destroy());
      }
      return void near.pipe(far).pipe(near);
    }
    near.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as { port: number }).port };
}
