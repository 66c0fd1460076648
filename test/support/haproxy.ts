import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { page } from "../docs/pages.js";
import { eventually } from "./eventually.js";
import { freePort } from "./free-port.js";
import { type Machine, Running } from "./programs.js";

/** A real HAProxy, by the configuration that docs/scaling.md shows. */

const program = ["haproxy", "/usr/sbin/haproxy"].find((name) => spawnSync(name, ["-v"]).error === undefined);
export const hasHaproxy = program !== undefined;
if (!hasHaproxy) console.info("HAProxy is not installed: the configuration for it is not tested");

export interface HaproxyPlan {
  /** What the page shows, for another place: each of these must be in it. */
  readonly places: Readonly<Record<string, string>>;
  /** The certificate that its checks trust. */
  readonly identity: string;
}

export interface Haproxy {
  /** HOST:PORT, of the wire and of HTTPS. */
  readonly wire: string;
  readonly https: string;
  /** What it thinks of each server: `wire-nodes/node1` and so on, with `UP L7OK` or the like. */
  health(): Promise<Record<string, string>>;
}

export async function startHaproxy(machine: Machine, { places, identity }: HaproxyPlan): Promise<Haproxy> {
  const folder = join(machine.home, "haproxy");
  mkdirSync(folder);
  const [wire, https] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const socket = join(folder, "admin.sock");
  const moved = {
    // Two files for each: more than a test machine may allow.
    "maxconn 20000": "maxconn 200",
    "bind :7465": `bind ${wire}`,
    "bind :7466": `bind ${https}`,
    "/run/haproxy/admin.sock": socket,
    "/etc/haproxy/postern-identity.pem": machine.write("haproxy/identity.pem", identity),
    ...places,
  };
  const file = machine.write("haproxy/haproxy.cfg", configOf(moved));
  const haproxy = new Running(spawn(program ?? "haproxy", ["-db", "-f", file], { cwd: folder }));
  machine.adopt(haproxy.pid, haproxy.ended);
  let ended = false;
  void haproxy.ended.then(() => {
    ended = true;
  });
  await eventually(async () => {
    if (ended) throw new Error(`HAProxy ended: ${haproxy.stderr}`);
    return (await askSocket(socket).catch(() => "")) !== "";
  });
  return { wire, https, health: async () => healthIn(await askSocket(socket)) };
}

function configOf(places: Readonly<Record<string, string>>): string {
  const [, shown = ""] = /```haproxy\n([\s\S]*?)```/.exec(page("docs/scaling.md").text) ?? [];
  return Object.entries(places).reduce((config, [from, to]) => {
    if (!config.includes(from)) throw new Error(`docs/scaling.md has no ${from} in its configuration for HAProxy`);
    return config.replaceAll(from, to);
  }, shown);
}

async function askSocket(path: string): Promise<string> {
  const socket = connect({ path });
  await once(socket, "connect");
  socket.end("show stat\n");
  return text(socket);
}

/** `show stat` is CSV, its columns named in the first line. A star says that another check is under way. */
function healthIn(csv: string): Record<string, string> {
  const [header = "", ...rows] = csv.replace(/^# /, "").trim().split("\n");
  const columns = header.split(",");
  const cells = rows.map((row) => Object.fromEntries(row.split(",").map((cell, index) => [columns[index], cell])));
  const servers = cells.filter(({ svname = "" }) => svname.startsWith("node"));
  return Object.fromEntries(
    servers.map(({ pxname, svname, status, check_status = "" }) => [
      `${pxname}/${svname}`,
      `${status} ${check_status.replace(/^\* /, "")}`,
    ]),
  );
}
