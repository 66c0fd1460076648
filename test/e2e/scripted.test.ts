import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, onlyLine, type Server } from "../support/programs.js";
import { type Account, Authenticator, at, loginArgs, password, registerByScript } from "./account.js";
import { fetchKeys, judgeToken } from "./token-verifier.js";

const operator = new Machine();
const alice = new Machine();
let server: Server;
beforeAll(async () => {
  server = await operator.startFirstServer();
});
afterAll(() => Promise.all([operator.close(), alice.close()]));

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("a script with --json", () => {
  let account: Account;

  it("registers with a line for the secret, a line of stdin for the first code, a line for the recovery codes", async () => {
    const file = alice.write("password", `${password}\n`);
    const args = ["register", "Alice", ...at(server), "--password-file", file, "--json"];
    const running = alice.start("postern", args, { stdin: "open" });
    await running.prints(/\n/);
    const enrolment = onlyLine(running.stdout);
    expect(Object.keys(enrolment)).toEqual(["uri", "secret"]);
    expect(enrolment["uri"]).toBe(`otpauth://totp/Postern:alice?issuer=Postern&secret=${enrolment["secret"]}`);

    const authenticator = new Authenticator(String(enrolment["secret"]));
    running.say(authenticator.next());
    const { code, stdout, stderr } = await running.ended;
    const [, second = "", ...rest] = stdout.split("\n");
    const { account: id, name, recovery_codes } = JSON.parse(second);
    expect({ code, stderr, rest, name }).toEqual({ code: 0, stderr: "", rest: [""], name: "alice" });
    expect(id).toMatch(/^acc_[0-9a-f]{32}$/);
    expect(new Set(recovery_codes).size).toBe(10);
    account = { name, id, authenticator, recoveryCodes: recovery_codes };
  });

  it("is refused the code that enrolled the authenticator at the first login, and any code a second time", async () => {
    const enrolmentCode = account.authenticator.again();
    const tooEarly = await alice.run("postern", [...loginArgs(alice, server, "alice", enrolmentCode), "--json"]);
    expect(tooEarly.code).toBe(1);
    expect(onlyLine(tooEarly.stdout)).toMatchObject({ error: { code: "code_refused" } });

    const fresh = account.authenticator.next();
    const first = await alice.run("postern", [...loginArgs(alice, server, "alice", fresh), "--json"]);
    expect(first.code).toBe(0);
    expect(onlyLine(first.stdout)).toMatchObject({ account: account.id, name: "alice", recovery_codes_left: 10 });
    expect(first.stdout).not.toContain("pss_");

    const second = await alice.run("postern", [...loginArgs(alice, server, "alice", fresh), "--json"]);
    expect(second.code).toBe(1);
    expect(onlyLine(second.stdout)).toMatchObject({ error: { code: "code_refused" } });
  });

  it("is told who it is, and gets a token that another service verifies, for the audience it was made for", async () => {
    const whoami = await alice.run("postern", ["whoami", "--server", server.listen, "--json"]);
    expect(whoami.code).toBe(0);
    expect(onlyLine(whoami.stdout)).toMatchObject({ account: account.id, name: "alice", server: server.listen });

    const minted = await alice.run("postern", ["token", "--server", server.listen, "--audience", "wiki", "--json"]);
    const { token, expires_in } = onlyLine(minted.stdout) as { token: string; expires_in: number };
    expect({ code: minted.code, expires_in }).toEqual({ code: 0, expires_in: 300 });

    const keys = await fetchKeys(server.http);
    const expected = { issuer: `https://${server.http}`, audience: "wiki", now: Math.floor(Date.now() / 1000) };
    const claims = judgeToken(token, keys, expected);
    expect(claims).toMatchObject({ sub: account.id, preferred_username: "alice", amr: ["pwd", "otp", "mfa"] });
    expect(claims).toMatchObject({ sid: onlyLine(whoami.stdout)["session"] });

    const [header = "", payload = "", signature = ""] = token.split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    const forged = Buffer.from(payload, "base64url").toString().replace("alice", "admin");
    expect(judgeToken(token, keys, { ...expected, audience: "mail" })).toBe("another audience");
    expect(judgeToken(token, keys, { ...expected, issuer: "https://elsewhere" })).toBe("another issuer");
    expect(judgeToken(token, keys, { ...expected, now: expected.now + 301 })).toBe("not valid now");
    expect(judgeToken(token, [], expected)).toBe("an unknown key");
    expect(judgeToken(`${none}.${payload}.`, keys, expected)).toBe("another algorithm");
    const edited = [header, Buffer.from(forged).toString("base64url"), signature].join(".");
    expect(judgeToken(edited, keys, expected)).toBe("a wrong signature");
  });

  it("keeps what it keeps in files and folders that only their owner can read", async () => {
    const files = [...filesUnder(alice.config), ...filesUnder(alice.state), ...filesUnder(operator.data)];
    expect(files.map((file) => file.split("/").at(-1)).sort()).toEqual(
      ["devices.json", "known-servers.json", "sessions.json", "store.mdb", "store.mdb-lock"].sort(),
    );
    for (const file of files) expect([file, modeOf(file)]).toEqual([file, "600"]);
    for (const folder of [alice.config, alice.state, operator.data]) {
      expect([folder, modeOf(folder)]).toEqual([folder, "700"]);
    }
  });

  it("leaves neither the name nor the address of a person in the operator's files", () => {
    const store = readFileSync(join(operator.data, "store.mdb"));
    for (const word of ["alice", "127.0.0.1", password, "login", "register"]) expect(store.includes(word)).toBe(false);
  });

  it("logs out, is refused afterwards, and so is a copy of the session file", async () => {
    const file = join(alice.state, "sessions.json");
    const copy = readFileSync(file, "utf8");
    const logout = await alice.run("postern", ["logout", "--server", server.listen, "--json"]);
    expect([logout.code, onlyLine(logout.stdout)]).toEqual([0, { logged_out: true, name: "alice" }]);

    const whoami = await alice.run("postern", ["whoami", "--server", server.listen, "--json"]);
    expect(whoami.code).toBe(1);
    expect(onlyLine(whoami.stdout)).toMatchObject({ error: { code: "not_logged_in" } });

    alice.write("state/postern/sessions.json", copy);
    const stolen = await alice.run("postern", ["whoami", "--server", server.listen, "--json"]);
    expect(stolen.code).toBe(1);
    expect(onlyLine(stolen.stdout)).toMatchObject({ error: { code: "session_invalid" } });
    expect(readFileSync(file, "utf8")).not.toContain("pss_");
  });

  it("gives password and code as two lines of stdin to --password-file -", async () => {
    const text = `${password}\r\n${account.recoveryCodes[0]}\n`;
    const args = ["login", "alice", "--server", server.listen, "--password-file", "-", "--json"];
    const { code, stdout, stderr } = await alice.run("postern", args, { stdin: { text } });
    expect([code, stderr]).toEqual([0, "warning: that recovery code is used up; you have 9 left\n"]);
    expect(onlyLine(stdout)).toMatchObject({ name: "alice", recovery_codes_left: 9 });
    expect(stdout).not.toMatch(/secret|pss_/);

    const again = await alice.run("postern", args, { stdin: { text } });
    expect([again.code, onlyLine(again.stdout)]).toMatchObject([1, { error: { code: "code_refused" } }]);
  });

  it("has nowhere to put a password but a file or stdin: no option, no variable", async () => {
    for (const option of ["--password=hunter2", "--code-file=x"]) {
      const { code, stdout } = await alice.run("postern", ["login", "alice", option, "--json"]);
      expect([code, onlyLine(stdout)]).toMatchObject([2, { error: { code: "usage" } }]);
      expect(stdout).not.toContain("hunter2");
    }
    const env = { POSTERN_PASSWORD: password, PASSWORD: password };
    const args = ["login", "alice", "--server", server.listen, "--code", "000000", "--json"];
    const { code, stdout } = await alice.run("postern", args, { env });
    expect([code, onlyLine(stdout)]).toMatchObject([6, { error: { code: "input_needed" } }]);
  });

  it("cannot tell a wrong password from an unknown name: same lines, same exit code", async () => {
    const file = alice.write("wrong-password", "three loud harbours\n");
    const args = (name: string) => [
      "login",
      name,
      "--server",
      server.listen,
      "--password-file",
      file,
      "--code",
      "000000",
    ];
    const [known, unknown] = await Promise.all(["alice", "bob"].map((name) => alice.run("postern", args(name))));
    expect(known).toEqual({ code: 1, stdout: "", stderr: "error: the name or the password is not right\n" });
    expect(unknown).toEqual(known);
  });

  it("is refused a name that is taken, however it is spelt, and a password that is weak, before anything is made", async () => {
    const file = alice.write("password", `${password}\n`);
    const weak = alice.write("weak", "password1\n");
    const args = (name: string, from: string) => ["register", name, ...at(server), "--password-file", from, "--json"];
    const [taken, guessed] = await Promise.all([
      alice.run("postern", args("ＡＬＩＣＥ", file)),
      alice.run("postern", args("carol", weak)),
    ]);
    expect([taken.code, onlyLine(taken.stdout)]).toMatchObject([1, { error: { code: "name_taken" } }]);
    expect([guessed.code, onlyLine(guessed.stdout)]).toMatchObject([1, { error: { code: "password_too_weak" } }]);
  });

  it("registers nobody when its first code is wrong", async () => {
    const file = alice.write("password", `${password}\n`);
    const args = ["register", "dave", ...at(server), "--password-file", file, "--json"];
    const running = alice.start("postern", args, { stdin: "open" });
    const [, secret = ""] = await running.prints(/"secret":"([A-Z2-7]+)"/);
    running.say(new Authenticator(secret).wrong(1)[0] ?? "");
    const { code, stdout } = await running.ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout.split("\n")[1] ?? "")).toMatchObject({ error: { code: "code_refused" } });
    await registerByScript(alice, server, "dave");
  });
});
