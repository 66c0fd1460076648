import { afterAll, describe, expect, it } from "vitest";
import { adminPassword, Machine } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";

const operator = new Machine();
afterAll(() => operator.close());

const npmStart = () =>
  new Terminal(operator, "npm start", ["--listen", "127.0.0.1:0", "--http", "off"], {
    env: { npm_execpath: "/usr/lib/node_modules/npm/bin/npm-cli.js" },
  });

describe("npm start", () => {
  it("asks for a new admin password, serves, says how to go on as npx knows it, and ends with 0 on Ctrl-C", async () => {
    const terminal = npmStart();
    await terminal.answer("? New admin password", adminPassword);
    await terminal.answer("? Once more", adminPassword);
    const ready = await terminal.shows(/^posternd ready listen=127\.0\.0\.1:\d+ http=off fingerprint=SHA256:\S{43}$/);
    const [, listen = ""] = /listen=(\S+)/.exec(ready) ?? [];
    await terminal.shows(`  npx postern --server ${listen} register`);
    await terminal.shows(`  npx postern --server ${listen} login`);
    await terminal.shows("Ctrl-C here stops the server.");
    terminal.press("ctrl-c");
    await terminal.shows("Stopping.");
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
  });

  it("asks once from then on; Ctrl-C there ends it with 130", async () => {
    const terminal = npmStart();
    await terminal.shows("? Admin password");
    terminal.press("ctrl-c");
    expect(await terminal.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
  });

  it("passes usage errors on with their exit code", async () => {
    const { code, stderr } = await operator.run("npm start", ["--frobnicate"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/error: .* unknown option '--frobnicate'\n$/);
  });
});
