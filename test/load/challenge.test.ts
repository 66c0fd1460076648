import { randomBytes, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import type { PosternError } from "@postern/shared/errors";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type ChallengeLoadOptions,
  loadtestChallengeCommand,
} from "../../packages/client/src/cli/loadtest/challenge.js";
import { HttpsClient } from "../../packages/client/src/connection/https-client.js";
import { loadChallenge } from "../../packages/client/src/flows/load/load-challenge.js";
import { lookUpTarget } from "../../packages/client/src/flows/load/own-target.js";
import { currentIdentity } from "../../packages/server/src/services/server-identity.js";
import { apiKey } from "../support/api.js";
import { Clock, newStore, startInProcess, temporaryDirectory } from "../support/in-process.js";
import { type Answered, type Asked, honest, REPLY_TO, type StandIn, startStandIn } from "./https-stand-in.js";
import { LoadBench, type LoadBenchOptions } from "./load-bench.js";

const key = `pk_${"0f".repeat(16)}_${"Ab-_".repeat(10)}xyz`;
const given = { server: "", input: false, requests: "20", concurrency: "5", warmUp: "0" };

async function bench(standIn: Pick<StandIn, "url" | "ca">, more: LoadBenchOptions = {}) {
  const machine = await LoadBench.of(more);
  const folder = await temporaryDirectory();
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const options = { ...given, url: standIn.url, keyFile: file("key", `${key}\n`), ca: file("ca.pem", standIn.ca) };
  const run = (wanted: Partial<ChallengeLoadOptions> = {}) =>
    loadtestChallengeCommand(machine.output, { ...options, ...wanted }, machine.host).then(
      () => "done",
      ({ code, detail }: PosternError) => (detail === undefined ? code : `${code} ${detail}`),
    );
  return { machine, run, file };
}

/** Answers honestly, but from the nth request of a kind on. */
function failing(kind: (asked: Asked) => boolean, answer: Answered | "hang up", from = 2) {
  let times = 0;
  return (asked: Asked) => {
    if (!kind(asked)) return honest(asked);
    times += 1;
    return times < from ? honest(asked) : answer;
  };
}

const isCreate = ({ path }: Asked) => path === "/v1/challenges";
const isView = ({ method }: Asked) => method === "GET";
const isAnswer = ({ method, path }: Asked) => method === "POST" && path !== "/v1/challenges";

describe("a load of challenges", () => {
  it("makes pages by the API, opens each and answers it, over connections that are kept; the first is not counted", async () => {
    const standIn = await startStandIn();
    const { machine, run } = await bench(standIn);
    expect(await run()).toBe("done");
    const figures = {
      p50: expect.any(Number),
      p95: expect.any(Number),
      p99: expect.any(Number),
      max: expect.any(Number),
    };
    expect(machine.facts).toMatchObject({
      load: "challenge",
      target: `localhost:${standIn.port}`,
      done: 20,
      failed: 0,
      latency_ms: figures,
      parts_ms: { create: figures, view: figures, answer: figures },
    });
    expect(standIn.asked).toHaveLength(3 * 21);
    expect(standIn.connections()).toBeLessThanOrEqual(6);

    const created = standIn.asked.filter(isCreate);
    for (const { method, headers } of created) {
      expect(method).toBe("POST");
      expect(headers).toMatchObject({ authorization: `Bearer ${key}`, "content-type": "application/json" });
    }
    const wishes = created.map(({ body }) => JSON.parse(body));
    expect(new Set(wishes.map(({ subject }) => subject)).size).toBe(21);
    expect(new Set(wishes.map(({ question }) => question.kind))).toEqual(
      new Set(["own", "birth_date_choice", "birth_date_sum"]),
    );
    for (const wish of wishes) expect(wish).toMatchObject({ expires_in: 300, reply_to: REPLY_TO });

    const answers = standIn.asked.filter(isAnswer);
    expect(answers.map(({ path }) => path).toSorted()).toEqual(
      standIn.asked
        .filter(isView)
        .map(({ path }) => path)
        .toSorted(),
    );
    for (const { body, headers } of answers) {
      expect(body).toMatch(/^choice=[012]$/);
      expect(headers["content-type"]).toBe("application/x-www-form-urlencoded");
      expect(headers.authorization).toBeUndefined();
    }
  });

  const page = { status: 200, body: "<h1>This page is gone</h1>" };
  it.each([
    ["a page that says that it is gone, however kindly", isView, page, "page_not_shown"],
    [
      "one that is not found",
      isView,
      { status: 404, body: honest({ method: "GET", path: "/c/x", headers: {}, body: "" }).body ?? "" },
      "page_not_shown",
    ],
    ["an answer that is shown a page again", isAnswer, { status: 200, body: "" }, "answer_not_taken"],
    [
      "one that is sent elsewhere",
      isAnswer,
      { status: 303, headers: { location: "tel:+15550199" } },
      "answer_not_taken",
    ],
    [
      "a challenge without a link to a page",
      isCreate,
      { status: 201, body: '{"url":"https://localhost/"}' },
      "server_failed",
    ],
    ["a refusal with its code", isCreate, { status: 503, body: '{"code":"store_failed"}' }, "store_failed"],
    ["a refusal without one that is known", isCreate, { status: 418, body: '{"code":"teapot"}' }, "server_failed"],
    ["a connection that is closed", isView, "hang up", "connection_lost"],
  ] as const)("counts %s as a failure", async (_what, kind, answer, code) => {
    const { machine, run } = await bench(await startStandIn(failing(kind, answer)));
    expect(await run({ requests: "6", concurrency: "2" })).toBe("requests_failed");
    expect(machine.facts).toMatchObject({ succeeded: 0, failed: 6, errors: { [code]: 6 } });
  });

  it("says so when the server limits it", async () => {
    const body = '{"code":"rate_limited","retry_after":2}';
    const { machine, run } = await bench(await startStandIn(failing(isCreate, { status: 429, body }, 12)), {
      json: false,
    });
    expect(await run()).toBe("requests_failed");
    expect(machine.printed).toMatch(/^rate_limited +10 +too many tries in a short time$/m);
    expect(machine.said).toContain("start it with\n  --address-limits 127.0.0.0/8,::1/128\n");
  });

  it("ends at Ctrl-C with a summary, and what is under way with it", async () => {
    const standIn = await startStandIn();
    const { machine, run } = await bench(standIn, { json: false });
    const [outcome] = await Promise.all([run({ requests: "300" }), machine.interruptAt("challenges  30 of 300")]);
    expect(outcome).toBe("cancelled");
    expect(machine.printed).toMatch(/^requests {4}\d+ of 300, 5 at once$/m);
    expect(machine.printed).toContain("failed      0\n");
  });
});

describe("on the pages of a real server", () => {
  async function realServer() {
    const clock = new Clock();
    // Certificates are judged by the clock of this machine.
    clock.advance(Date.now() - clock.now());
    const server = await startInProcess(await newStore({ clock }), { http: true });
    const { identity } = await currentIdentity(server.barrier, { now: clock.now, random: randomBytes }, ["localhost"]);
    const ca = new X509Certificate(identity.certificateDer).toString();
    const { text } = await apiKey(server.context, ["challenge"], { name: "bot" });
    return { server, port: server.running.http?.port ?? 0, ca, key: text };
  }

  it("every challenge is made, shown, and answered once", async () => {
    const { server, port, ca, key } = await realServer();
    const { machine, run, file } = await bench({ url: `https://localhost:${port}`, ca });
    expect(await run({ keyFile: file("real", key), warmUp: "2" })).toBe("done");
    expect(machine.facts).toMatchObject({ done: 20, succeeded: 20, errors: {} });
    const told = (await server.audit()).map(({ event }) => event);
    const times = (event: string) => told.filter((one) => one === event).length;
    expect([times("challenge.create"), times("challenge.answer")]).toEqual([23, 23]);
  });

  it("one that is gone counts as a failure, and so does a second answer", async () => {
    const { port, ca, key } = await realServer();
    const lookup = await lookUpTarget("localhost", async () => [{ address: "127.0.0.1", family: 4 }], false);
    const client = new HttpsClient({ host: "localhost", port, ca, lookup, atOnce: 1 });
    onTestFinished(() => client.close());
    let number = 0;
    const codeOf = (send: HttpsClient["send"]) =>
      loadChallenge({ client: { send }, key, subject: "somebody" }, number++, (_part, work) => work()).then(
        () => "done",
        ({ code }: PosternError) => code,
      );
    const elsewhere = `/c/${randomBytes(16).toString("base64url")}`;
    expect(await codeOf((sent) => client.send(sent))).toBe("done");
    expect(await codeOf((sent) => client.send(sent.method === "GET" ? { ...sent, path: elsewhere } : sent))).toBe(
      "page_not_shown",
    );
    const twice: HttpsClient["send"] = async (sent) => {
      if (sent.body?.startsWith("choice=")) await client.send(sent);
      return client.send(sent);
    };
    expect(await codeOf(twice)).toBe("answer_not_taken");
  });
});

describe("a load of challenges begins with one alone, and is over", () => {
  it("where the API refuses, by the code of that", async () => {
    const { run } = await bench(await startStandIn(() => ({ status: 403, body: '{"code":"scope_missing"}' })));
    expect(await run()).toBe("scope_missing");
  });

  it("where the certificate is not trusted, before the key is sent", async () => {
    const [standIn, other] = [await startStandIn(), await startStandIn()];
    const { run } = await bench({ url: standIn.url, ca: other.ca });
    expect(await run()).toMatch(/^https_untrusted /);
    const { run: byAddress } = await bench({ url: `https://127.0.0.1:${standIn.port}`, ca: standIn.ca });
    expect(await byAddress()).toBe("https_untrusted ERR_TLS_CERT_ALTNAME_INVALID");
    expect(standIn.asked).toEqual([]);
  });

  it("where nothing listens, or something else", async () => {
    const { ca } = await startStandIn();
    const mail = createServer((socket) =>
      socket
        .on("error", () => undefined)
        .resume()
        .end("220 mail.example ESMTP\r\n"),
    );
    await new Promise<void>((resolve) => mail.listen(0, "127.0.0.1", resolve));
    const { port } = mail.address() as AddressInfo;
    const { run } = await bench({ url: `https://localhost:${port}`, ca });
    expect(await run()).toBe("server_failed it is not an HTTPS port");
    await new Promise((resolve) => mail.close(resolve));
    expect(await run()).toBe("server_unreachable nothing listens there");
  });
});

describe("a load of challenges sends nothing", () => {
  it("to a server elsewhere, unless it is one's own", async () => {
    const standIn = await startStandIn();
    const resolve = async () => [{ address: "192.0.2.7", family: 4 }];
    const { run } = await bench(standIn, { resolve });
    expect(await run()).toBe("target_not_own 192.0.2.7");
    expect(standIn.connections()).toBe(0);
  });

  it.each([
    ["http://localhost:7466"],
    ["https://localhost:7466/v1"],
    ["https://localhost:7466/?key=1"],
    ["https://me:secret@localhost:7466"],
    ["localhost:7466"],
  ])("to %s", async (url) => {
    const { run } = await bench({ url, ca: "" });
    expect(await run()).toMatch(/^usage --url takes https:\/\/HOST:PORT/);
  });

  it("by a key that is none, and with certificates that are none", async () => {
    const standIn = await startStandIn();
    const { run, file } = await bench(standIn);
    expect(await run({ keyFile: file("other", "pk_0f_x\r\nX-Evil: 1") })).toBe("api_key_invalid");
    expect(await run({ ca: file("empty.pem", "none") })).toBe("usage --ca takes a PEM file with certificates");
    expect(standIn.connections()).toBe(0);
  });

  it.each([
    ["requests", "0"],
    ["requests", "1e3"],
    ["concurrency", "0"],
    ["concurrency", "10001"],
    ["warmUp", "-1"],
  ] as const)("where %s is %s", async (option, value) => {
    const { run } = await bench({ url: "https://localhost:1", ca: "" });
    expect(await run({ [option]: value })).toMatch(/^usage --\S+ takes a whole number from [01] to \d+$/);
  });
});
