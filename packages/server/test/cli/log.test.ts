import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { logFields } from "../../src/cli/log-fields.js";
import { logOn } from "../../src/cli/logger.js";

function captured(level: "error" | "warn" | "info" | "debug" = "debug", node?: string) {
  const lines: string[] = [];
  const log = logOn({ write: (line: string) => void lines.push(line) }, level, { node });
  return { log, text: () => lines.join(""), rows: () => lines.map((line) => JSON.parse(line)) };
}

/** One of each form of secret that a server or client has. */
const canaries = {
  "session secret": `pss_${"0123456789abcdef".repeat(8)}_${"fedcba9876543210".repeat(4)}`,
  "API key": `pk_${"0123456789abcdef".repeat(2)}_9Qd-${"wX_z".repeat(9)}8-8`,
  token: "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhY2NfMSJ9.c2lnbmF0dXJl",
  "otpauth URI": "otpauth://totp/Postern:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Postern",
  "authenticator secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
  verifier: "0123456789abcdef".repeat(32),
  "stretched password": "a".repeat(64),
  "recovery code": "henwt-1vftx-p8hg7-e3yz4-rdweh",
  "recovery code without dashes": "henwt1vftxp8hg7e3yz4rdweh",
  "one-time code": "042139",
  "one-time code of an application's": "0421390421",
  "password of a URL": "s3cret-in-a-url",
  "private key": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----",
} as const;

const inText = (what: string, secret: string) =>
  what === "password of a URL" ? `at postgres://user:${secret}@host/db` : `it was ${secret} then`;

describe("the program's log", () => {
  it.each(Object.entries(canaries))("shows no %s, wherever in an error it stands", (what, secret) => {
    const { log, text, rows } = captured();
    const inner = Object.assign(new Error(inText(what, secret)), { input: secret, code: inText(what, secret) });
    inner.stack = `Error: ${secret}\n    at ${inText(what, secret)} (file.js:1:1)`;
    log.error({ err: new PosternError("store_failed", { detail: inText(what, secret), cause: inner }) }, "failed");
    log.debug({ code: inText(what, secret), awaits: inText(what, secret) }, "refused");
    expect(text()).not.toContain(secret);
    expect(text()).not.toContain(JSON.stringify(secret).slice(1, -1));
    expect(rows()).toHaveLength(2);
    expect(rows()[0].err).toMatchObject({ type: "PosternError", code: "store_failed", cause: { type: "Error" } });
  });

  it("shows no field that is not in its table, by whatever name it comes", () => {
    const { log, text, rows } = captured();
    log.info({ password: "canary", name: "canary", address: "canary", code: "busy", what: { secret: "canary" } }, "x");
    expect(text()).not.toContain("canary");
    expect(rows()[0]).toMatchObject({ password: "[left out]", code: "busy", what: "[left out]", msg: "x" });
  });

  it("says on each line which node it is, where it has a name", () => {
    const named = captured("debug", "web-1");
    named.log.info({ code: "busy" }, "x");
    expect(named.rows()[0]).toMatchObject({ node: "web-1", code: "busy", msg: "x" });
    const { log, rows } = captured();
    log.info({}, "x");
    expect(rows()[0]).not.toHaveProperty("node");
  });

  it("shows nothing of what JSON.parse quotes of its input", () => {
    const { log, text } = captured();
    try {
      JSON.parse("canary horse battery");
    } catch (err) {
      log.error({ err }, "failed");
    }
    expect(text()).toContain("SyntaxError");
    expect(text()).not.toContain("canary");
  });

  it("keeps what an operator needs: codes, states, the places in the stack, plain numbers and paths", () => {
    const { log, rows } = captured();
    const err = new PosternError("store_failed", { detail: "/var/lib/postern/store.mdb: ENOSPC" });
    log.error({ code: err.code, err, connections: 3 }, "a request failed");
    expect(rows()[0]).toMatchObject({
      level: 50,
      time: expect.any(Number),
      code: "store_failed",
      connections: 3,
      err: { message: "the store failed: /var/lib/postern/store.mdb: ENOSPC", stack: expect.stringMatching(/^\s+at /) },
    });
  });

  it("says which of several processes wrote a line", () => {
    const lines: string[] = [];
    logOn({ write: (line: string) => void lines.push(line) }, "info", { worker: 2 }).info({}, "served");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ worker: 2, msg: "served" }]);
  });

  it("follows an error that is its own cause to an end", () => {
    const { log, rows } = captured();
    const err = new Error("round");
    err.cause = err;
    log.error({ err }, "failed");
    expect(rows()).toHaveLength(1);
  });

  it("has a description of each field", () => {
    for (const says of Object.values(logFields)) expect(says.length).toBeGreaterThan(10);
  });
});

describe("the level of the log", () => {
  it("is the store's while there is one, and then the process's own again", () => {
    const { log, rows } = captured("warn");
    log.setStoreLevel("debug");
    log.debug({}, "seen");
    log.setStoreLevel("debug");
    log.setOwnLevel("error", "reload");
    expect(log.level).toBe("debug");
    log.setStoreLevel(undefined);
    expect(log.level).toBe("error");
    log.warn({}, "not seen");
    expect(rows().map(({ msg, logLevel, from }) => [msg, logLevel, from])).toEqual([
      ["log level changed", "debug", "store"],
      ["seen", undefined, undefined],
      ["log level changed", "error", "start"],
    ]);
  });
});
