/**
 * `npm run demo`: the whole story in one terminal, unattended, at reading speed, on throw-away data: a server starts, a
 * person registers and logs in, a wrong code and a used one are refused, and the audit log tells of it.
 *
 * `--fast` leaves out the pauses; `--pictures FOLDER` also draws the screens of the README there.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setUpOrExit } from "../workspace.mjs";

await setUpOrExit();
const { Screen } = await import("./picture.mjs");
const { TerminalProgram } = await import("./terminal-program.mjs");
const { decodeSecret } = await import("@postern/shared/otp/secret");
const { totpDefaults } = await import("@postern/shared/otp/parameters");
const { stepAt, totpCode } = await import("@postern/shared/otp/totp");

const { values: options } = parseArgs({ options: { fast: { type: "boolean" }, pictures: { type: "string" } } });
const pace = options.fast ? { key: 0, read: 0 } : { key: 45, read: 1600 };
const adminPassword = "violet harbour umbrella";
const password = "seven quiet lighthouses";

const home = await mkdtemp(join(tmpdir(), "postern-demo-"));
const env = { PATH: process.env.PATH, HOME: home, TERM: "xterm-256color", LANG: "en_US.UTF-8" };
const rows = 24;
let screen = new Screen({ columns: 80, rows });

/** What the story's reader sees, and the pictures show. */
async function show(text) {
  process.stdout.write(text);
  await screen.write(text);
}

async function narrate(text) {
  await show(`\r\n\u001b[1;34m# ${text}\u001b[0m\r\n`);
  await sleep(pace.read);
}

/** Types a command at a prompt, and runs it in the checkout. */
async function run(program, ...args) {
  await show("\u001b[1m$ \u001b[0m");
  for (const character of [program, ...args].join(" ")) {
    await show(character);
    await sleep(pace.key);
  }
  await show("\r\n");
  const file = { posternd: "../../packages/server/bin/posternd.js", postern: "../../packages/client/bin/postern.js" };
  const bin = fileURLToPath(new URL(file[program], import.meta.url));
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const server = listening === undefined ? {} : { POSTERN_SERVER: listening };
  let shown = Promise.resolve();
  const onData = (data) => {
    shown = shown.then(() => show(data));
  };
  const running = new TerminalProgram(process.execPath, [bin, ...args], {
    env: { ...env, ...server },
    cwd,
    rows,
    onData,
  });
  return { running, answer: (pattern, text) => answer(running, pattern, text), shown: () => shown };
}

async function answer(running, pattern, text) {
  await running.expect(pattern);
  await sleep(pace.read / 2);
  await running.type(text, pace.key);
}

async function picture(name) {
  if (options.pictures !== undefined) await writeFile(join(options.pictures, `${name}.svg`), screen.toSvg());
}

/** A clean screen, for the next picture. */
async function clear() {
  screen = new Screen({ columns: 80, rows });
}

let listening;

async function play() {
  await narrate("An operator starts a server. The first start makes the store.");
  const server = await run("posternd", "start", "--listen", "127.0.0.1:0", "--http", "off");
  await server.answer(/New admin password/, adminPassword);
  await server.answer(/Once more/, adminPassword);
  [, listening] = await server.running.expect(/posternd ready listen=(\S+)[\s\S]*Ctrl-C here stops the server/);
  await sleep(pace.read);
  await server.shown();
  try {
    await story();
  } finally {
    await server.running.stop();
  }
}

async function story() {
  await clear();
  await narrate("In another terminal, alice registers. Her password stays on her machine.");
  await clear();
  const registration = await run("postern", "register", "alice");
  await registration.answer(/trust it from now on/, "y");
  await registration.answer(/New password/, password);
  await registration.answer(/Once more/, password);
  const [, typed] = await registration.running.expect(/secret: ([A-Z2-7 ]+)[\s\S]*code it shows/);
  const secret = decodeSecret(typed);
  await sleep(2 * pace.read);
  await registration.shown();
  await picture("register");
  // The code before this one is still good, and leaves the present one for the login.
  await registration.running.type(codeOf(secret, -1), pace.key);
  await registration.running.ended();
  await sleep(2 * pace.read);

  await clear();
  await narrate("She logs in. A wrong code is refused; the next one is right.");
  const login = await run("postern", "login", "alice");
  await login.answer(/Password/, password);
  await login.answer(/Code/, wrongCode(secret));
  const used = codeOf(secret, 0);
  await login.answer(/not accepted[\s\S]*Code/, used);
  await login.running.ended();
  await finish(await run("postern", "whoami"));

  await narrate("Somebody looked over her shoulder, and knows the password and that code.");
  const replay = await run("postern", "login", "alice", "--code", used);
  await replay.answer(/Password/, password);
  await finish(replay);
  await picture("login");

  await clear();
  await narrate("The operator reads the log. It is chained: an edit would be found.");
  const list = await run("posternd", "audit", "list");
  await list.answer(/Admin password/, adminPassword);
  await finish(list);
  const verify = await run("posternd", "audit", "verify");
  await verify.answer(/Admin password/, adminPassword);
  await finish(verify);
  await picture("audit");
}

async function finish(program) {
  await program.running.ended();
  await program.shown();
  await sleep(pace.read);
}

/** What the app on her phone would show, so many steps from now. */
function codeOf(secret, offset) {
  return totpCode(secret, stepAt(Date.now(), totpDefaults.period) + offset, totpDefaults);
}

function wrongCode(secret) {
  const near = Array.from({ length: 30 }, (_, index) => codeOf(secret, index - 25));
  return ["000000", "111111", "222222"].find((code) => !near.includes(code));
}

try {
  await play();
  await narrate("That was all. The data is gone; the README says how to begin for real.");
} finally {
  await rm(home, { recursive: true, force: true });
}
