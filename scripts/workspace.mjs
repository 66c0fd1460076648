import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { areBundled } from "./bundles.mjs";
import { withLock } from "./setup-lock.mjs";

/** The workspace's folder, as a URL that ends in a slash. */
export const root = new URL("../", import.meta.url);

const cwd = fileURLToPath(root);
const pathOf = (relative) => fileURLToPath(new URL(relative, root));

const lockfile = pathOf("pnpm-lock.yaml");
const installedLockfile = pathOf("node_modules/.pnpm/lock.yaml");
const lockFolder = pathOf("node_modules/.setup-lock");
/** There from before an install until after it: an install that was cut short is begun again. */
const unfinishedMark = pathOf("node_modules/.setup-unfinished");

/** Nothing to build takes a fraction of this; so a build is announced, and no build is not. */
const BUILD_IS_NEWS_MS = 500;

class SetupError extends Error {
  constructor(message, { hint, output = "", exit = 1 } = {}) {
    super(message);
    this.hint = hint;
    this.output = output;
    this.exit = exit;
  }
}

/** Installs and builds what is out of date; when it cannot, says why on stderr and ends the process. */
export const setUpOrExit = () => doOrExit(setUp);

/** For tests that are run by themselves: what they start is of what they import. */
export const bundleOrExit = () => doOrExit(bundle);

async function doOrExit(work) {
  try {
    await withLock(lockFolder, { onWait: sayWaiting }, work);
  } catch (thrown) {
    const error =
      thrown instanceof SetupError ? thrown : new SetupError(thrown.message, { hint: hintFor(thrown.code) });
    const hint = error.hint === undefined ? [] : [`hint: ${error.hint}`];
    const lines = [...endOf(error.output), `error: ${error.message}`, ...hint, ""];
    await new Promise((resolve) => process.stderr.write(lines.join("\n"), resolve));
    process.exit(error.exit);
  }
}

/** What a person needs of a failed program's output: pnpm tells of every request that it repeats. */
function endOf(output) {
  const telling = output
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\[WARN\]|^Will retry|^Progress/.test(line));
  return telling.slice(-20);
}

async function setUp() {
  if (!isInstalled()) await install();
  await build();
}

/** pnpm leaves a copy of the lockfile that it installed: byte for byte the same when nothing has changed since. */
function isInstalled() {
  const installed = read(installedLockfile);
  return installed !== undefined && read(lockfile)?.equals(installed) === true && read(unfinishedMark) === undefined;
}

async function install() {
  say("installing dependencies… (the first time takes a minute at most)");
  mkdirSync(pathOf("node_modules"), { recursive: true });
  writeFileSync(unfinishedMark, "");
  const { packageManager } = JSON.parse(readFileSync(pathOf("package.json"), "utf8"));
  const pnpm = packageManager.replace(/\+.*$/, "");
  const options = ["--frozen-lockfile", "--prefer-offline", "--reporter=append-only"];
  const command = ["--yes", "--prefer-offline", pnpm, "install", ...options];
  const { code, output } = await run("npx", command, { output: "capture", onOutput: retryTeller() });
  if (code !== 0) throw new SetupError("the dependencies could not be installed", { output, hint: hintFor(output) });
  rmSync(unfinishedMark, { force: true });
}

function retryTeller() {
  let told = false;
  return (text) => {
    if (told || !text.includes("Will retry")) return;
    told = true;
    say("the npm registry does not answer; trying again…");
  };
}

async function build() {
  const news = setTimeout(say, BUILD_IS_NEWS_MS, "building…");
  await compile();
  await bundle();
  clearTimeout(news);
}

async function compile() {
  const { code } = await run(process.execPath, [pathOf("node_modules/typescript/bin/tsc"), "-b"], { output: "show" });
  if (code !== 0)
    throw new SetupError("the workspace could not be built", { hint: "the lines above say where and why" });
}

/** In a process of its own: the bundler's threads and memory are not for the server that `npm start` becomes. */
async function bundle() {
  if (areBundled()) return;
  const { code } = await run(process.execPath, [pathOf("scripts/bundle.mjs")], { output: "show" });
  if (code !== 0) throw new SetupError("the programs could not be bundled", { hint: "the lines above say why" });
}

/**
 * Runs a program in the workspace's folder, without stdin; what it prints goes to stderr or is given back. It is a
 * process group of its own, so that a signal, which a terminal would send to some of it and `kill` to less, is sent
 * by us, once, to all of it; when it has ended this process ends too.
 */
async function run(command, parameters, { output, onOutput = () => undefined }) {
  const stdio = output === "show" ? ["ignore", 2, 2] : ["ignore", "pipe", "pipe"];
  const child = spawn(command, parameters, { cwd, stdio, env: environment(), detached: true });
  const chunks = [];
  const collect = (chunk) => {
    chunks.push(chunk);
    onOutput(chunk.toString());
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);

  let interruptedBy;
  const passOn = (signal) => {
    interruptedBy = signal;
    killGroup(child.pid, signal);
  };
  process.on("SIGINT", passOn).on("SIGTERM", passOn).on("SIGHUP", passOn);
  try {
    const code = await exitCodeOf(child);
    if (interruptedBy !== undefined) throw interrupted(interruptedBy);
    return { code, output: Buffer.concat(chunks).toString() };
  } finally {
    process.off("SIGINT", passOn).off("SIGTERM", passOn).off("SIGHUP", passOn);
  }
}

function exitCodeOf(child) {
  return new Promise((resolve, reject) => {
    child.once("error", ({ code, message, path }) => {
      const missing = new SetupError(`${path} was not found`, { hint: "install npm, which comes with Node" });
      reject(code === "ENOENT" ? missing : new SetupError(message));
    });
    child.once("close", resolve);
  });
}

/** It may have ended by itself a moment ago. */
function killGroup(leader, signal) {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function interrupted(signal) {
  const hint = "nothing is spoilt; the next run goes on from here";
  return new SetupError("interrupted", { hint, exit: 128 + constants.signals[signal] });
}

/**
 * With NODE_ENV=production pnpm would leave out what the build needs. By default npm and pnpm wait up to a minute
 * before they try again, several times over, and without a network nobody would learn why.
 */
function environment() {
  const { NODE_ENV: _, ...inherited } = process.env;
  const retries = ["npm_config", "pnpm_config"].flatMap((prefix) => [
    [`${prefix}_fetch_retry_mintimeout`, "1000"],
    [`${prefix}_fetch_retry_maxtimeout`, "3000"],
  ]);
  return { ...Object.fromEntries(retries), ...inherited };
}

/** The first that fits what npm, pnpm or the system said. */
const hints = [
  [/ENOSPC|no space left/i, "the disk is full: free some space, then run it again"],
  [
    /EACCES|EPERM|EROFS|permission denied|read-only file system/i,
    `this user may not write to ${cwd} or to npm's cache`,
  ],
  [/ERR_PNPM_OUTDATED_LOCKFILE/, "a package.json has changed: bring pnpm-lock.yaml up to date with `npx pnpm install`"],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|SOCKET_TIMEOUT|ERR_PNPM_META_FETCH|dns error|sending request|ENOTCACHED/i,
    "is the network there? the dependencies come from the npm registry; a proxy is set by HTTPS_PROXY",
  ],
];

function hintFor(text = "") {
  return hints.find(([pattern]) => pattern.test(text))?.[1];
}

function read(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  }
}

function sayWaiting(processId) {
  say(`waiting for process ${processId}, which is setting the workspace up… (if it is not, remove ${lockFolder})`);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
