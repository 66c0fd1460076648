import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, onlyLine } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";

const operator = new Machine();
const passwordFile = join(operator.home, "admin-password");
beforeAll(() => operator.startServer(["--http", "off"]));
afterAll(() => operator.close());

const run = (...args: string[]) =>
  operator.hosted("posternd", ["apikey", ...args, "--admin-password-file", passwordFile]);

const columns = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

describe("posternd apikey, while the server runs,", () => {
  it("makes a key, alone on stdout; lists, renews and revokes it by the beginning of its id", async () => {
    const { code, stdout, stderr } = await run("create", "--name", "shop", "--scope", "totp,otp");
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^pk_[0-9a-f]{32}_[\w-]{43}\n$/) });
    expect(stderr).toContain("It is shown this one time.");
    expect(columns(stdout + stderr)).toBeLessThanOrEqual(80);
    const id = stdout.slice(0, 35);
    const [, application = ""] = /(app_[0-9a-f]{32})/.exec(stderr) ?? [];

    const listed = await run("list");
    expect(listed.stdout).toMatch(
      new RegExp(`^${id}  open  shop\\n  ${application}  otp,totp\\n  made .*never used\\n$`),
    );
    expect(columns(listed.stdout)).toBeLessThanOrEqual(80);
    expect(listed.stdout).not.toContain(stdout.trim().slice(-43));

    const rotated = onlyLine((await run("rotate", id.slice(0, 12), "--json")).stdout);
    expect(rotated).toMatchObject({ replaces: id, application, scopes: ["otp", "totp"], state: "open" });
    expect(rotated["key"]).toMatch(/^pk_[0-9a-f]{32}_[\w-]{43}$/);
    const again = onlyLine((await run("rotate", id, "--json")).stdout);
    expect(again).toMatchObject({ error: { code: "api_key_ended" } });

    const unasked = await run("revoke", id, "--json");
    expect({ code: unasked.code, ...onlyLine(unasked.stdout) }).toMatchObject({
      error: { code: "input_needed" },
      code: 6,
    });
    const args = ["apikey", "revoke", id, "--admin-password-file", passwordFile];
    const terminal = new Terminal(operator, "posternd", args);
    await terminal.answer("? Revoke this key?", "n");
    expect(await terminal.left()).toMatchObject({ code: 130, cooked: true });
    expect(columns(terminal.history())).toBeLessThanOrEqual(80);
    const revoked = onlyLine((await run("revoke", id, "--yes", "--json")).stdout);
    expect(revoked).toMatchObject({ id, state: "revoked", changed: true });

    const applications = onlyLine((await run("applications", "--json")).stdout);
    expect(applications).toMatchObject({ id: application, name: "shop", keys: 1 });
    const log = await operator.hosted("posternd", [
      ...["audit", "list", "--application", application, "--json"],
      ...["--admin-password-file", passwordFile],
    ]);
    const events = log.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).event);
    expect(events).toEqual(["apikey.create", "apikey.rotate", "apikey.revoke"]);
  });

  it.each([
    [["create", "--name", "shop"], 2, "usage"],
    [["create", "--name", "shop", "--scope", "otp", "--application", "app_1"], 2, "usage"],
    [["revoke", "pk_1"], 6, "input_needed"],
  ] as const)("%j: says so before the store is opened", async (args, code, error) => {
    const ended = await operator.hosted("posternd", ["apikey", ...args, "--data", "nowhere", "--json"]);
    expect({ code: ended.code, ...onlyLine(ended.stdout) }).toMatchObject({ code, error: { code: error } });
  });
});
