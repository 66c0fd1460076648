import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stretchGenerations, stretchPassword } from "@postern/shared/kdf";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import { close, open, speak } from "../processes/wire.mjs";
import { aim, figure, inRounds } from "../report/figures.mjs";
import { startServer } from "./measuring.mjs";

/** How long the client program keeps its person waiting. */
export const title = "The client program";

const postern = fileURLToPath(new URL("../../packages/client/bin/postern.js", import.meta.url));
const tellArgon2 = new URL("../processes/tell-argon2.mjs", import.meta.url).href;
const PASSWORD = "violet harbour umbrella";

export async function measure({ scratch, quick, say }) {
  const [starts, logins] = quick ? [7, 3] : [31, 9];
  const home = await scratch("home");
  const secretFile = await secretIn(home, "secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
  const run = runnerIn(home);
  const commands = {
    empty: ["-e", "0"],
    version: [postern, "--version"],
    code: [postern, "otp", "code", "--secret-file", secretFile],
  };
  const start = async () => {
    const times = {};
    for (const [name, args] of Object.entries(commands)) times[name] = (await run(args)).wall;
    return times;
  };
  await start();
  say("  node -e 0, --version, otp code, node -e 0 …");
  const cold = await inRounds(starts, start);
  say("  logins by a script");
  const scripted = await scriptedLogins({ scratch, run, home, logins });
  return reportOf(cold, scripted);
}

async function secretIn(home, name, text) {
  const path = join(home, name);
  await writeFile(path, `${text}\n`, { mode: 0o600 });
  return path;
}

/** Runs Node to its end, and gives its milliseconds from start to end, and what it wrote to descriptor 3. */
function runnerIn(home) {
  const env = { PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
  return async (args) => {
    const began = performance.now();
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe", "pipe"] });
    const said = ["", "", "", ""];
    for (const number of [1, 2, 3])
      child.stdio[number].setEncoding("utf8").on("data", (text) => (said[number] += text));
    let wall;
    child.once("exit", () => {
      wall = performance.now() - began;
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${said[2]}`);
    return { wall, told: said[3] };
  };
}

/** Each by another person, since a code is taken once; the first one pins the server. */
async function scriptedLogins({ scratch, run, home, logins }) {
  const server = await startServer({ directory: await scratch("scripted") });
  try {
    const passwordFile = await secretIn(home, "password", PASSWORD);
    const target = ["--server", `127.0.0.1:${server.port}`, "--fingerprint", server.fingerprint];
    let last = 0;
    const login = async () => {
      const name = `scripted-${++last}`;
      const secret = await register(server, name);
      const code = totpCode(secret, stepAt(Date.now(), totpDefaults.period), totpDefaults);
      const words = ["login", name, "--password-file", passwordFile, "--code", code, "--json"];
      const { wall, told } = await run(["--import", tellArgon2, postern, ...words, ...target]);
      const { wall: argon2 } = JSON.parse(told);
      return { wall, argon2, rest: wall - argon2 };
    };
    await login();
    return await inRounds(logins, login);
  } finally {
    await server.stop();
  }
}

/** With the code of the step before, so that the next one is still good. */
async function register(server, name) {
  const socket = await open({ port: server.port });
  const call = await speak(socket);
  const { identity, salt: hex } = await call("register.start", { name });
  const salt = parseSalt(hex);
  const password = await stretchPassword({ password: PASSWORD, salt, parameters: stretchGenerations[1] });
  const { secret: text } = await call("register.verifier", { verifier: deriveVerifier({ identity, salt, password }) });
  const secret = decodeSecret(text);
  const before = stepAt(Date.now(), totpDefaults.period) - 1;
  await call("register.confirm", { code: totpCode(secret, before, totpDefaults) });
  await close(socket);
  return secret;
}

function reportOf(cold, scripted) {
  const version = figure("client.version", "postern --version", "ms", cold.version);
  const code = figure("client.code", "postern otp code --secret-file FILE", "ms", cold.code);
  return {
    figures: [
      figure("client.empty", "node -e 0", "ms", cold.empty),
      version,
      code,
      figure("client.login", "postern login, by a script", "ms", scripted.wall),
      figure("client.login.argon2", "  of it Argon2id of the password (64 MiB, 3 passes)", "ms", scripted.argon2),
      figure("client.login.rest", "  of it the rest, with the server's work", "ms", scripted.rest),
    ],
    aims: [
      aim("postern --version from start to end", "below", 150, version),
      aim("postern otp code from start to end", "below", 150, code),
    ],
    notes: ["By the clock, from the start of the process to its end, with the files in the system's cache."],
  };
}
