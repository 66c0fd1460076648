import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, type HostedOptions, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { fetchKeys } from "./token-verifier.js";

const operator = new Machine();
const passwordFile = join(operator.home, "admin-password");
let server: Server;
beforeAll(async () => {
  server = await operator.startServer();
});
afterAll(() => operator.close());

interface Key {
  readonly id: string;
  readonly state: string;
  readonly made: string;
  readonly signs_from: string;
  readonly signs_until?: string;
  readonly published_until?: string;
}

const run = (args: readonly string[], options?: HostedOptions) =>
  operator.hosted("posternd", ["signing-key", ...args, "--admin-password-file", passwordFile], options);

/** The one line of JSON of a command that is expected to do its work. */
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([...args, "--json"]);
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  return onlyLine(stdout);
}

const list = async () => (await json("list"))["keys"] as Key[];
const published = async () => (await fetchKeys(server.http)).map(({ kid }) => kid);
const MINUTE = 60_000;
const minutes = (from = "", to = "") => (Date.parse(to) - Date.parse(from)) / MINUTE;

describe("posternd signing-key, while the server runs,", () => {
  it("lists the key of a new store, for scripts and for people", async () => {
    const [key, ...others] = await list();
    expect(others).toEqual([]);
    expect(key).toEqual({
      id: expect.stringMatching(/^key_[0-9a-f]{32}$/),
      state: "signs",
      made: key?.made,
      signs_from: key?.made,
    });
    expect(await published()).toEqual([key?.id]);
    const { code, stdout, stderr } = await run(["list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const made = key?.made.slice(0, 19).replace("T", " ");
    expect(stdout).toBe(
      `${key?.id}  signs\n  made ${made}, signs from ${made}\n  signs until there is a next one\n  published until some minutes after that\n`,
    );
  });

  it("rotates once of two at once: the next key is published at once, and signs a quarter of an hour later", async () => {
    const [former] = await list();
    const args = ["signing-key", "rotate", "--admin-password-file", passwordFile, "--json"];
    const ended = await Promise.all([operator.run("posternd", args), operator.run("posternd", args)]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const both = ended.map(({ stdout }) => onlyLine(stdout));
    expect(both.map(({ rotated }) => rotated).sort()).toEqual([false, true]);
    expect(new Set(both.map(({ id }) => id)).size).toBe(1);
    const [ending, next] = await list();
    expect(both[0]).toMatchObject({ ...next });
    expect([ending?.id, ending?.state, next?.state]).toEqual([former?.id, "signs", "next"]);
    expect(minutes(next?.made, next?.signs_from)).toBe(15);
    expect(ending?.signs_until).toBe(next?.signs_from);
    expect(minutes(ending?.signs_until, ending?.published_until)).toBe(15);
    expect(await published()).toEqual([ending?.id, next?.id]);
    const again = await run(["rotate"]);
    expect(again.stdout).toMatch(`A rotation is under way already: ${next?.id}\nIt signs from 2`);
  });

  it("replaces all keys at once with --now --yes, and says what verifiers will do", async () => {
    const before = await list();
    const { code, stdout, stderr } = await run(["rotate", "--now", "--yes"]);
    expect(code).toBe(0);
    const [key, ...others] = await list();
    expect(others).toEqual([]);
    expect(before.map(({ id }) => id)).not.toContain(key?.id);
    expect(stdout).toBe(`Replaced all keys: ${key?.id} signs\n`);
    expect(stderr).toMatch(/cached key set refuse its tokens(.|\n)*for up to five minutes/);
    expect(await published()).toEqual([key?.id]);
  });

  it("asks before --now on a terminal, and does nothing without a yes", async () => {
    const [before] = await published();
    const rotate = () => new Terminal(operator, "posternd", ["signing-key", "rotate", "--now"]);
    const refusing = rotate();
    await refusing.shows("for up to five minutes");
    await refusing.answer("? Replace all signing keys now?", "");
    expect(await refusing.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
    expect(await published()).toEqual([before]);
    const agreeing = rotate();
    await agreeing.answer("? Replace all signing keys now?", "y");
    await agreeing.answer("? Admin password", adminPassword);
    await agreeing.shows("Replaced all keys");
    expect((await agreeing.left()).code).toBe(0);
    expect(await published()).not.toContain(before);
    for (const line of agreeing.history().split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("has each rotation in the audit log, with its reason", async () => {
    const args = ["audit", "list", "--admin-password-file", passwordFile, "--json"];
    const { stdout } = await operator.hosted("posternd", args);
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const rotations = rows.filter(({ event }) => event === "signing-key.rotate");
    expect(rotations.map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ["done", "operator"],
      ["done", "at_once"],
      ["done", "at_once"],
    ]);
  });
});

describe("posternd signing-key, given what it does not take,", () => {
  it.each([
    ["no command", [], 2, "usage"],
    ["an unknown command", ["remove"], 2, "usage"],
    ["an unknown option", ["list", "--all"], 2, "usage"],
    ["an argument too many", ["rotate", "key_1"], 2, "usage"],
    ["a value for --now", ["rotate", "--now=yes"], 2, "usage"],
    ["--now without a terminal and without --yes", ["rotate", "--now"], 6, "input_needed"],
    ["no store", ["list", "--data", "nowhere"], 2, "store_missing"],
  ] as const)("%s: changes nothing", async (_what, args, code, error) => {
    const before = await published();
    const ended = await run([...args, "--json"], { stdin: "open" });
    expect({ code: ended.code, error: onlyLine(ended.stdout)["error"] }).toMatchObject({
      code,
      error: { code: error },
    });
    expect(await published()).toEqual(before);
  });

  it("a wrong admin password: changes nothing", async () => {
    writeFileSync(join(operator.home, "wrong"), "another password\n", { mode: 0o600 });
    const before = await published();
    const args = ["signing-key", "rotate", "--now", "--yes", "--admin-password-file", "wrong", "--json"];
    const { code, stdout } = await operator.hosted("posternd", args);
    expect({ code, ...onlyLine(stdout) }).toMatchObject({ code: 1, error: { code: "admin_password_wrong" } });
    expect(await published()).toEqual(before);
  });
});
