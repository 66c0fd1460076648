import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { page } from "../docs/pages.js";
import { type Machine, Running } from "./programs.js";

/** A real nginx, by the configuration that a page of the documentation shows. */

export const hasNginx = spawnSync("nginx", ["-v"]).error === undefined;
if (!hasNginx) console.info("nginx is not installed: the configuration for it is not tested");

/** As Debian has it, apart from the program. */
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";
export const hasNginxStream = hasNginx && existsSync(streamModule);
if (!hasNginxStream) console.info("nginx has no stream module here: the configuration for it is not tested");

export interface NginxPlan {
  /** Names the folder that it has for itself. */
  readonly name: string;
  /** The page with the configuration: the only one there. */
  readonly page: string;
  /** What the page shows, for another place: each of these must be in it. */
  readonly places: Readonly<Record<string, string>>;
  /** Files that the configuration reads, in place of those of `/etc/nginx/`. */
  readonly files: Readonly<Record<string, string>>;
}

/** All that nginx writes to goes into a folder of the test; as one process it changes no user. */
const mainConfig = (folder: string) => `
daemon off;
master_process off;
error_log stderr notice;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
  include ${folder}/site.conf;
}
`;

function configOf(path: string, places: Readonly<Record<string, string>>): string {
  const [, shown = ""] = /```nginx\n([\s\S]*?)```/.exec(page(path).text) ?? [];
  return Object.entries(places).reduce((config, [from, to]) => {
    if (!config.includes(from)) throw new Error(`${path} has no ${from} in its configuration for nginx`);
    return config.replaceAll(from, to);
  }, shown);
}

/** Starts one that passes TCP on, by what a page shows: `listen` and all that is in `places` stand for another place. */
export async function startNginxStream(
  machine: Machine,
  { name, page: path, places }: Omit<NginxPlan, "files">,
): Promise<void> {
  const folder = join(machine.home, name);
  mkdirSync(folder);
  const head = `daemon off;\nmaster_process off;\nerror_log stderr notice;\npid ${folder}/nginx.pid;\nevents {}\n`;
  const main = machine.write(`${name}/nginx.conf`, `load_module ${streamModule};\n${head}${configOf(path, places)}`);
  await runNginx(machine, folder, main);
}

async function runNginx(machine: Machine, folder: string, config: string): Promise<void> {
  const nginx = new Running(spawn("nginx", ["-p", folder, "-e", "stderr", "-c", config]));
  machine.adopt(nginx.pid, nginx.ended);
  await nginx.says(/using the "\w+" event method/);
}

/** Starts one on a machine, and gives the Unix socket that it listens on in place of `443 ssl`. */
export async function startNginx(machine: Machine, { name, page: path, places, files }: NginxPlan): Promise<string> {
  const folder = join(machine.home, name);
  mkdirSync(folder);
  const socket = join(folder, "site.sock");
  const moved = { "listen 443 ssl;": `listen unix:${socket};`, ...places, "/etc/nginx/": `${folder}/` };
  machine.write(`${name}/site.conf`, configOf(path, moved));
  for (const [file, text] of Object.entries(files)) machine.write(`${name}/${file}`, text);
  const main = machine.write(`${name}/nginx.conf`, mainConfig(folder));
  await runNginx(machine, folder, main);
  return socket;
}
