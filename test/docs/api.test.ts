import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type ErrorCode, errors, isErrorCode } from "@postern/shared/errors";
import { describe, expect, it, onTestFinished } from "vitest";
import { createBarrier } from "../../packages/server/src/barrier/barrier.js";
import { initialiseStore } from "../../packages/server/src/services/store.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { storeUsage } from "../../packages/server/src/store.js";
import { entered } from "../support/entered.js";
import { adminPassword, Clock, startInProcess, type TestServer, temporaryDirectory } from "../support/in-process.js";
import { type ApiDocument, type Operation, routesOf } from "../support/openapi.js";
import { commandOf } from "../support/programs.js";
import { leastStretch } from "../support/ready-store.js";
import { page, root } from "./pages.js";
import {
  folded,
  Names,
  partsOf,
  Shell,
  unfolded,
  withoutBallast,
  withoutFigures,
  withoutShift,
} from "./played-page.js";

/**
 * Plays docs/api.md against a server. With POSTERN_WRITE_PAGE=1 what was printed is written into the page, as after a
 * change of what the API says; look at what that changed.
 */
const PATH = "docs/api.md";
const writes = process.env["POSTERN_WRITE_PAGE"] === "1";

/** The clock of the page, in the middle of a TOTP step. */
const PAGE_AT = Date.UTC(2026, 10, 21, 12, 0, 15);
const STEP = 30_000;

/** The page's option `--json` came with curl 7.82. */
const hasCurl = curlVersion() >= 7.82;
if (!hasCurl) console.warn("no curl of 7.82 or newer is installed: docs/api.md is not played");

function curlVersion(): number {
  try {
    const [, major = "0", minor = "0"] =
      /^curl (\d+)\.(\d+)/.exec(execFileSync("curl", ["--version"], { encoding: "utf8" })) ?? [];
    return Number(major) + Number(minor) / 100;
  } catch {
    return 0;
  }
}

interface Desk {
  readonly clock: Clock;
  readonly names: Names;
  readonly shell: Shell;
  /** Milliseconds that the run began after the page. */
  readonly shift: number;
}

/** A server whose clock stands still, and is that of the programs beside it: a verifier of certificates has the real one. */
async function desk(): Promise<Desk> {
  const folder = await temporaryDirectory();
  const clock = new Clock();
  clock.advance(Math.floor(Date.now() / STEP) * STEP - STEP / 2 - clock.now());
  const server = await served(join(folder, "store"), clock);
  const { client } = await entered({ at: server, since: 0 });
  const { token } = await client.ok("session.token", { audience: "wiki" });
  const env = programs(folder, clock, token);
  const names = new Names();
  names.set("127.0.0.1:7465", `127.0.0.1:${server.port}`);
  names.set("127.0.0.1:7466", `127.0.0.1:${server.running.http?.port}`);
  return { clock, names, shell: new Shell(folder, env), shift: clock.now() - PAGE_AT };
}

/** On a store that `posternd` opens too. */
async function served(directory: string, clock: Clock): Promise<TestServer> {
  const storage = await openLmdbStorage({ directory, create: true, mapSize: 2 ** 28 });
  onTestFinished(() => storage.close());
  const barrier = await createBarrier(storage, adminPassword, leastStretch);
  await initialiseStore(barrier, { now: clock.now, random: randomBytes }, ["localhost"]);
  onTestFinished(() => barrier.close());
  return startInProcess(
    { clock, storage, barrier },
    {
      http: true,
      deliver: async () => undefined,
      storeUsage: () => storeUsage(directory),
    },
  );
}

/** `posternd` and `postern` as a person has them in the PATH, at the time of the server's clock. */
function programs(folder: string, clock: Clock, token: string): () => NodeJS.ProcessEnv {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const script = (name: "postern" | "posternd", first = "") => {
    const [node, file] = commandOf(name, []);
    const stopped = "data:text/javascript,const now=Number(process.env.NOW);Date.now=()=>now";
    writeFileSync(join(bin, name), `#!/bin/sh\n${first}exec '${node}' --import '${stopped}' '${file}' "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  };
  script("postern", `[ "$1" = token ] && exec echo '${token}'\n`);
  script("posternd");
  writeFileSync(join(folder, "admin.password"), adminPassword, { mode: 0o600 });
  return () => ({
    PATH: [bin, process.env["PATH"]].join(delimiter),
    HOME: folder,
    NOW: String(clock.now()),
    POSTERND_DATA: join(folder, "store"),
    POSTERND_ADMIN_PASSWORD_FILE: join(folder, "admin.password"),
  });
}

/** What the page would be by this run; each part of it goes through `onCommand` with what was printed. */
async function played(
  text: string,
  at: Desk,
  onCommand: (command: string, shown: string, said: string) => void,
): Promise<string> {
  const { clock, names, shell, shift } = at;
  const lines: string[] = [];
  for (const part of partsOf(text)) {
    if (part.kind === "later") clock.advance(part.milliseconds);
    if (part.kind === "command") {
      const shown = unfolded(part.printed);
      const said = withoutShift(withoutBallast(await shell.run(names.toServer(part.command))), shift);
      names.learn(shown, said);
      const told = names.toPage(said);
      onCommand(part.command, shown, told);
      const same = withoutFigures(told) === withoutFigures(shown);
      lines.push(`$ ${part.command}`, ...(same ? part.printed : told.split("\n").flatMap(folded)));
    } else lines.push(...(part.kind === "text" ? part.lines : [part.line]));
  }
  return lines.join("\n");
}

/** The calls that commands make, as the description of the API names them. */
function callsIn(command: string): string[] {
  return [...command.matchAll(/\bcurl ([^|]*?)"?\$api(\/[^\s"?;]*)/g)].map(([, options = "", path = ""]) => {
    const [, method = /--json|-d /.test(options) ? "POST" : "GET"] = /-X ([A-Z]+)/.exec(options) ?? [];
    return `${method} ${path.replaceAll(/\$[a-z]+|\b[a-z]+_[0-9a-f]{32}/g, "{id}")}`;
  });
}

describe(PATH, () => {
  const { text, prose } = page(PATH);

  it.skipIf(!hasCurl)("shows what each command prints, one after another, and has every call with a key", async () => {
    const at = await desk();
    const calls = new Set<string>();
    const after = await played(text, at, (command, shown, said) => {
      for (const call of callsIn(command)) calls.add(call);
      if (!writes) expect(withoutFigures(said), command).toBe(withoutFigures(shown));
    });
    if (writes) writeFileSync(join(root, PATH), after);
    const document = JSON.parse(await at.shell.run("curl -K shop.curl $api/openapi.json")) as ApiDocument;
    const told = routesOf(document).filter(({ operation }) => operation.security !== undefined);
    expect([...calls].sort()).toEqual(told.map(({ method, path }) => `${method} ${path}`).sort());
    const refusals = routesOf(document).flatMap(({ operation }) =>
      Object.values(operation.responses).filter(isProblem),
    );
    const codes = refusals.flatMap(({ description = "" }) => codesIn(description));
    expect(codes.filter((code) => !rows.has(code))).toEqual([]);
  });

  /** The table of codes. */
  const rows = new Map(
    [...prose.matchAll(/^\| ([0-9, ]+) \| (`[a-z_`, ]+) \|/gm)].flatMap(([, status = "", codes = ""]) =>
      codesIn(codes).map((code) => [code, status.split(", ").map(Number)] as const),
    ),
  );

  it("lists codes of the table of errors, each with its status", () => {
    expect(rows.size).toBeGreaterThan(15);
    for (const [code, statuses] of rows) expect(statuses, code).toContain(errors[code].http);
  });
});

const isProblem = ({ content = {} }: Operation["responses"][string]) => "application/problem+json" in content;

function codesIn(text: string): ErrorCode[] {
  return [...text.matchAll(/`([a-z_]+)`/g)].map(([, code = ""]) => code).filter((code) => isErrorCode(code));
}
