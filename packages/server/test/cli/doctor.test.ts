import { createServer } from "node:net";
import { Writable } from "node:stream";
import { createOutput } from "@postern/shared/terminal/output";
import { describe, expect, it, onTestFinished } from "vitest";
import { report } from "../../src/cli/doctor/doctor.js";
import { fail, ok, warn } from "../../src/cli/doctor/finding.js";
import { lookAtHttpCertificate } from "../../src/cli/doctor/http-certificate.js";
import {
  judgeClock,
  judgeEntropy,
  judgeLimits,
  judgeMemory,
  judgeNode,
  lookAtEntropy,
  lookAtLimits,
  lookAtMemory,
} from "../../src/cli/doctor/machine.js";
import { lookAtPort } from "../../src/cli/doctor/ports.js";
import { judgeDisk, judgeLeaf, judgeVersions } from "../../src/cli/doctor/store.js";
import { createIdentity } from "../../src/identity/identity-key.js";
import { issueLeaf } from "../../src/identity/leaf-certificate.js";
import { version } from "../../src/version.js";

const MIB = 2 ** 20;
const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21);

describe("the doctor's judgement", () => {
  it.each([
    ["v20.18.0", "fail"],
    ["v18.20.1", "fail"],
    ["v20.19.0", "ok"],
    ["v22.1.0", "ok"],
    ["v23.0.0", "warn"],
  ])("of Node.js %s is %s", (node, verdict) => {
    expect(judgeNode(node).verdict).toBe(verdict);
  });

  it.each([
    [200 * MIB, "fail"],
    [300 * MIB, "warn"],
    [400 * MIB, "ok"],
  ])("of %d bytes of memory is %s", (bytes, verdict) => {
    expect(judgeMemory(bytes).verdict).toBe(verdict);
  });

  it.each([
    [8 * MIB, 0, "fail"],
    [100 * MIB, 0, "warn"],
    [300 * MIB, 400 * MIB, "warn"],
    [500 * MIB, 400 * MIB, "ok"],
  ])("of a disk with %d bytes free beside a store of %d is %s", (free, bytes, verdict) => {
    expect(judgeDisk(free, bytes).verdict).toBe(verdict);
  });

  it.each([
    ["an entry that lies ahead", { lastEntry: NOW + 6 * 60_000, synchronized: true }, "fail"],
    ["an entry that lies ahead by as much as clocks may differ", { lastEntry: NOW + 60_000, synchronized: true }, "ok"],
    ["a clock that nobody keeps", { lastEntry: NOW, synchronized: false }, "warn"],
    ["a machine that does not say", { lastEntry: undefined, synchronized: undefined }, "ok"],
    ["a year that has passed", { now: 0, lastEntry: undefined, synchronized: true }, "fail"],
  ] as const)("of %s is right", (_what, facts, verdict) => {
    expect(judgeClock({ now: NOW, ...facts }).verdict).toBe(verdict);
  });

  it("of limits warns of too few files and of keys that may be swapped out", () => {
    const verdicts = (openFiles: number, lockedMemory: number) =>
      judgeLimits({ openFiles, lockedMemory }).map(({ verdict }) => verdict);
    expect(verdicts(1024, 64 * 1024)).toEqual(["warn", "warn"]);
    // Each limit of docs/operations.md on connections at once: 4,096, 512, 2,048, and 1,024 before each port.
    expect(verdicts(4_096 + 512 + 2_048 + 2 * 1_024, Number.POSITIVE_INFINITY)).toEqual(["warn", "ok"]);
    expect(verdicts(20_000, Number.POSITIVE_INFINITY)).toEqual(["ok", "ok"]);
    expect([judgeEntropy(10).verdict, judgeEntropy(256).verdict, judgeEntropy(undefined).verdict]).toEqual([
      "warn",
      "ok",
      "ok",
    ]);
  });

  it("of an own HTTPS certificate is that of a start: nothing without one, a failure for a file that is not there", async () => {
    expect(await lookAtHttpCertificate({ http: "127.0.0.1:0" }, NOW)).toEqual([]);
    const missing = { http: "127.0.0.1:0", httpCert: "/nowhere/cert.pem", httpKey: "/nowhere/key.pem" };
    expect(await lookAtHttpCertificate(missing, NOW)).toMatchObject([{ check: "http-cert", verdict: "fail" }]);
    const alone = { http: "127.0.0.1:0", httpCert: "/nowhere/cert.pem" };
    expect(await lookAtHttpCertificate(alone, NOW)).toMatchObject([{ verdict: "fail" }]);
  });

  it("of a leaf follows its end", async () => {
    const identity = await createIdentity({ now: NOW });
    const { certificateDer } = await issueLeaf(identity, { hosts: ["localhost"], now: NOW });
    const verdicts = [-2, 1, 80, 91].map((days) => judgeLeaf(certificateDer, NOW + days * DAY).verdict);
    expect(verdicts).toEqual(["warn", "ok", "warn", "warn"]);
  });

  it("of versions warns of a server that is another one", () => {
    expect(judgeVersions([version, version]).verdict).toBe("ok");
    expect(judgeVersions([version, "0.0.1"]).verdict).toBe("warn");
  });

  it("says of everything that is not well what to do", async () => {
    const found = [
      judgeNode("v18.0.0"),
      judgeMemory(0),
      judgeDisk(0, 0),
      judgeClock({ now: 0, lastEntry: 0, synchronized: true }),
    ];
    for (const { todo } of found) expect(todo).toMatch(/\w+/);
    const looked = [await lookAtMemory(), await lookAtEntropy(), ...(await lookAtLimits())];
    for (const { verdict, todo } of looked) expect(todo === undefined).toBe(verdict === "ok");
  });
});

describe("the doctor at a port", () => {
  it("tells a free one, and another program, from a posternd; and leaves it free", async () => {
    const other = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end("220 not ours\r\n");
      socket.resume();
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const address = { host: "127.0.0.1", port, key: `127.0.0.1:${port}` };
    expect((await lookAtPort("listen", address)).verdict).toBe("fail");
    expect((await lookAtPort("http", address)).verdict).toBe("fail");
    await new Promise((resolve) => other.close(resolve));
    expect((await lookAtPort("listen", address)).verdict).toBe("ok");
    expect((await lookAtPort("listen", address)).verdict).toBe("ok");
  });
});

describe("what the doctor reports", () => {
  function reported(json: boolean, findings: Parameters<typeof report>[1]) {
    let text = "";
    const stream = new Writable({
      write(chunk, _encoding, done) {
        text += chunk;
        done();
      },
    });
    let code: unknown;
    try {
      report(createOutput({ json, stdout: stream, stderr: stream, env: {} }), findings, ["the audit log"]);
    } catch (thrown) {
      code = (thrown as { code?: unknown }).code;
    }
    return { text, code };
  }
  const findings = [ok("node", "new"), warn("disk", "small", "free some"), fail("store", "gone", "restore it")];

  it("is a line for each, what to do below, and what was skipped", () => {
    const { text, code } = reported(false, findings);
    expect(text).toBe(
      "[ok] node: new\n[warn] disk: small\n       free some\n[fail] store: gone\n       restore it\n" +
        "Skipped: the audit log. They need --admin-password-file.\n",
    );
    expect(code).toBe("doctor_failed");
    expect(reported(false, findings.slice(0, 2)).code).toBeUndefined();
  });

  it("is one line of JSON for a script", () => {
    const { text } = reported(true, findings);
    expect(JSON.parse(text.split("\n")[0] ?? "")).toMatchObject({
      ok: false,
      checks: [{ check: "node", verdict: "ok" }, { verdict: "warn" }, { verdict: "fail", todo: "restore it" }],
      skipped: ["the audit log"],
    });
  });
});
