import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { PosternError } from "@postern/shared/errors";
import { parseServerAddress } from "@postern/shared/server-address";
import { keepSession, keptSession } from "../../../../packages/client/dist/session/session-file.js";
import { addPin, readPins } from "../../../../packages/client/dist/trust/pins.js";
import { must } from "../judge.mjs";
import { scratchDirectory } from "./scratch.mjs";

const fingerprint = `SHA256:${"A".repeat(43)}`;
const server = parseServerAddress("new.example:7465");
const kept = parseServerAddress("localhost:7465");

let directory;

function fileOf(name, input) {
  directory ??= scratchDirectory();
  mkdirSync(directory, { recursive: true });
  const file = join(directory, name);
  writeFileSync(file, input, { mode: 0o600 });
  return file;
}

const pin = { fingerprint, first_seen: "2026-11-21T12:00:00.000Z" };
const dictionary = [
  "{",
  "}",
  ",",
  '"version":1',
  '"servers":{',
  '"sessions":{',
  '"fingerprint":',
  '"first_seen":',
  '"__proto__":',
  '"localhost:7465":',
  fingerprint,
  "null",
  "2026-11-21T12:00:00.000Z",
  "+010000-01-01T00:00:00.000Z",
  "\ufeff",
];

const knownServers = {
  name: "known-servers",
  codes: ["pins_unreadable"],
  dictionary,
  seeds: [
    JSON.stringify({ version: 1, servers: {} }),
    JSON.stringify({ version: 1, servers: { "localhost:7465": pin, "[::1]:7465": pin } }, null, 2),
    '{"version":1,"servers":{"LOCALHOST:7465":{}}}',
    '{"version":2,"servers":{}}',
  ],
  maxLength: 4096,
  async run(input) {
    const file = fileOf("known-servers.json", input);
    const pins = await readPins(file);
    if (pins.has(server.key)) return;
    await addPin(file, server, fingerprint, 1);
    const more = new Map([...(await readPins(file))].filter(([key]) => key !== server.key));
    must(isDeepStrictEqual(new Map([...more].sort()), new Map([...pins].sort())), "another pin changes none");
  },
};

async function orNone(read) {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "not_logged_in") return undefined;
    throw thrown;
  }
}

const session = { name: "alice", secret: "pss_1", fingerprint };

const sessionFile = {
  name: "session-file",
  codes: ["file_unreadable"],
  dictionary,
  seeds: [
    JSON.stringify({ version: 1, sessions: {} }),
    JSON.stringify({ version: 1, sessions: { "localhost:7465": session, "a:1": session } }, null, 2),
    JSON.stringify({ version: 1, sessions: { "localhost:7465": { ...session, more: 1 } } }),
    "not JSON",
  ],
  maxLength: 4096,
  async run(input) {
    fileOf("sessions.json", input);
    const paths = { config: directory, state: directory, knownServers: join(directory, "known-servers.json") };
    const before = await orNone(() => keptSession(paths, kept));
    await keepSession(paths, server, session);
    must(isDeepStrictEqual(await keptSession(paths, server), session), "a session is kept");
    must(isDeepStrictEqual(await orNone(() => keptSession(paths, kept)), before), "and changes no other");
  },
};

export const targets = [knownServers, sessionFile];
