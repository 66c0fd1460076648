import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { type Account, loginArgs, registerByScript } from "./account.js";

const operator = new Machine();
const alice = new Machine();
let first: Server;
let account: Account;
beforeAll(async () => {
  first = await operator.startServer();
  account = await registerByScript(alice, first, "alice");
  const args = loginArgs(alice, first, "alice", account.recoveryCodes[0] ?? "");
  expect((await alice.hosted("postern", args)).code).toBe(0);
});
afterAll(() => Promise.all([operator.close(), alice.close()]));

const start = () =>
  new Terminal(operator, "posternd", ["start", "--listen", first.listen, "--http", "off"], { rows: 40 });
const digestOfStore = () =>
  createHash("sha256")
    .update(readFileSync(join(operator.data, "store.mdb")))
    .digest("hex");

describe("a store whose server has ended", () => {
  it("ends with exit code 0 on SIGTERM, though a client is connected", async () => {
    const menu = new Terminal(alice, "postern", ["login", "--server", first.listen]);
    await menu.shows("? Name");
    const { code, stderr } = await first.process.stop("SIGTERM");
    expect([code, stderr]).toMatchObject([0, expect.stringMatching(/Stopping\.\n$/)]);
    menu.press("ctrl-c");
    expect((await menu.left()).code).toBe(130);
  });

  it("does not open to three wrong admin passwords: exit code 1, and no byte is changed", async () => {
    const before = digestOfStore();
    const terminal = start();
    await terminal.answer("? Admin password", "violet harbour");
    await terminal.shows("That is not the admin password of this store.");
    await terminal.answer("? Admin password", "x");
    await terminal.shows("That is not the admin password of this store.");
    await terminal.answer("? Admin password", `${adminPassword} `);
    await terminal.shows("error: the admin password is not right");
    expect(await terminal.left()).toEqual({ code: 1, cooked: true, cursorShown: true });
    expect(digestOfStore()).toBe(before);
  });

  it("asks once, opens at the third try when that is right, and has everything that it had", async () => {
    const terminal = start();
    await terminal.answer("? Admin password", "wrong");
    await terminal.answer("? Admin password", "wrong again");
    await terminal.answer("? Admin password", adminPassword);
    const ready = await terminal.shows("posternd ready");
    expect(ready).toContain(`fingerprint=${first.fingerprint}`);
    expect(terminal.history()).not.toContain("New admin password");

    const whoami = await alice.hosted("postern", ["whoami", "--server", first.listen, "--json"]);
    expect([whoami.code, onlyLine(whoami.stdout)]).toMatchObject([0, { account: account.id, name: "alice" }]);

    const used = await alice.hosted("postern", loginArgs(alice, first, "alice", account.recoveryCodes[0] ?? ""));
    expect(used.code).toBe(1);
    expect(used.stderr).toContain("error: the code was not accepted");
    const unused = await alice.hosted("postern", loginArgs(alice, first, "alice", account.recoveryCodes[1] ?? ""));
    expect(unused.code).toBe(0);

    terminal.press("ctrl-c");
    expect((await terminal.left()).code).toBe(0);
  });

  it("has an audit log that holds together, with an entry for each of these things", async () => {
    const file = operator.write("admin-password", `${adminPassword}\n`);
    const verify = await operator.hosted("posternd", ["audit", "verify", "--admin-password-file", file, "--json"]);
    const { ok, entries } = onlyLine(verify.stdout);
    expect([verify.code, ok]).toEqual([0, true]);
    // The store was made; the server started and stopped, twice; one registration, two logins, one code refused.
    expect(entries).toBeGreaterThanOrEqual(9);
  });
});
