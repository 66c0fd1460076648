import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReceiver } from "../../packages/server/test/outward/support.js";
import { call } from "../support/api.js";
import { eventually } from "../support/eventually.js";
import type { HttpTarget } from "../support/https.js";
import { hasNginx, startNginx } from "../support/nginx.js";
import { Machine, onlyLine, type Server } from "../support/programs.js";
import { FORM, visit } from "../support/visit.js";

const operator = new Machine();
const run = (...args: string[]) =>
  operator.hosted("posternd", [...args, "--admin-password-file", join(operator.home, "admin-password")]);
const lines = (stdout: string) => (stdout.trimEnd().split("\n") as string[]).map((line) => onlyLine(`${line}\n`));

let there: Awaited<ReturnType<typeof openReceiver>>;
let server: Server;
let target: HttpTarget;
let key: string;
let application: string;
beforeAll(async () => {
  there = await openReceiver((_request, response) => response.writeHead(204).end());
  server = await operator.startServer([
    ...["--reply-to-hosts", "bot.example:8443", "--callback-hosts", there.host, "--callback-private", "127.0.0.0/8"],
    ...["--public-url", "https://id.example", "--trusted-proxy", "127.0.0.1/32"],
  ]);
  target = { running: { http: { port: Number(/:([0-9]+)$/.exec(server.http)?.[1]) } } };
  const made = onlyLine((await run("apikey", "create", "--name", "bot", "--scope", "challenge", "--json")).stdout);
  key = String(made["key"]);
  application = String(made["application"]);
});
afterAll(() => {
  there.close();
  return operator.close();
});

const post = (path: string, body?: object) =>
  call(target, path, { method: "POST", key, ...(body !== undefined && { body }) });

const pet = { kind: "own", text: "Which was your first pet?", answer: "Rex", decoys: ["Bella", "Luna"] };
const usual = { subject: "ann", question: pet, reply_to: "https://bot.example:8443/chat" };

/** A page that was made, and how its person answers. */
async function asked(callback: object) {
  const { body } = await post("/v1/challenges", { ...usual, locale: "en", callback });
  const path = new URL(String(body["url"])).pathname;
  const answer = async (option: string) => {
    const page = await visit(target, path);
    const [, choice = ""] = new RegExp(`value="(\\d)" required><span>${option}<`).exec(page.body) ?? [];
    return visit(target, path, { method: "POST", body: `choice=${choice}`, headers: { "user-agent": "Phone/1.0" } });
  };
  return { id: String(body["id"]), path, answer };
}

async function nextRequest() {
  await eventually(() => there.requests.length > 0);
  const [request] = there.requests.splice(0);
  if (request === undefined) throw new Error("nothing has come");
  return request;
}

describe("an application that asks people by pages, with the real posternd", () => {
  it("has them led to a host of --reply-to-hosts, and takes a page back; the log tells of it", async () => {
    const question = { kind: "birth_date", birth_date: "1984-02-29" };
    const create = (reply_to: string) => post("/v1/challenges", { subject: "bob", question, reply_to });
    expect(await create("https://wa.me/15550100")).toMatchObject({ status: 422, body: { code: "reply_to_refused" } });
    const created = await create("https://bot.example:8443/chat");
    expect(created).toMatchObject({ status: 201, body: { state: "open", subject: "bob" } });
    const link = String(created.body["url"]);
    expect(link).toMatch(/^https:\/\/id\.example\/c\/[A-Za-z0-9_-]{22}$/);
    expect(await post(`/v1/challenges/${created.body["id"]}/cancel`)).toMatchObject({ body: { state: "cancelled" } });

    const log = await run("audit", "list", "--subject", "bob", "--json");
    expect(lines(log.stdout).map(({ event, challenge }) => [event, challenge])).toEqual([
      ["challenge.create", created.body["id"]],
      ["challenge.cancel", created.body["id"]],
    ]);
    const told = server.process.stdout + server.process.stderr + log.stdout;
    for (const secret of ["1984", link.slice(-22), key]) expect(told).not.toContain(secret);

    const refused = await operator.hosted("posternd", ["start", "--reply-to-hosts", "https://wa.me", "--json"]);
    expect(refused).toMatchObject({ code: 2, stdout: expect.stringContaining("--reply-to-hosts") });
  });

  it("is told by a signed webhook and by a template, once each; the export of the log is evidence of both", async () => {
    const hook = ["--name", "bot", "--url", `http://${there.host}/hook`];
    const secret = (await run("callback", "create", "--application", application, ...hook)).stdout.trim();
    const platform = `http://${there.host}/users/{client_id}/send?flow={flow}&user_validated={validated}&token={token}`;
    const template = ["--name", "chat", "--kind", "template", "--url", platform];
    const token = ["--token-file", operator.write("chat.token", "s3cret\n")];
    await run("callback", "create", "--application", application, ...template, ...token);

    const right = await asked({ name: "bot", client_id: "77" });
    expect(await right.answer("Rex")).toMatchObject({ status: 303, headers: { location: usual.reply_to }, body: "" });
    const webhook = await nextRequest();
    expect(JSON.parse(webhook.body)).toMatchObject({
      type: "challenge.answered",
      data: { challenge_id: right.id, subject: "ann", result: "right", client_id: "77" },
    });
    const signed = `${right.id}.${String(webhook.headers["webhook-timestamp"])}.${webhook.body}`;
    const mac = createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64")).update(signed);
    expect(webhook.headers["webhook-signature"]).toBe(`v1,${mac.digest("base64")}`);
    expect((await visit(target, right.path)).status).toBe(404);

    const wrong = await asked({ name: "chat", client_id: "a/77", flow: "pay & go" });
    expect(await wrong.answer("Luna")).toMatchObject({ status: 303, headers: { location: usual.reply_to } });
    expect(await nextRequest()).toMatchObject({
      method: "POST",
      path: "/users/a%2F77/send?flow=pay%20%26%20go&user_validated=false&token=s3cret",
    });
    expect(there.requests).toEqual([]);

    const status = onlyLine((await run("status", "--json")).stdout);
    expect(status).toMatchObject({ challenges: { open: 0 }, callbacks: { waiting: 0, dead: 0 } });

    const publicKey = (await run("audit", "key")).stdout.trim();
    const file = join(operator.home, "audit.jsonl");
    await run("audit", "export", file);
    const verify = ["audit", "verify", file, "--public-key", publicKey, "--data", join(operator.home, "nowhere")];
    expect(await operator.hosted("posternd", verify)).toMatchObject({ code: 0 });
    const exported = readFileSync(file, "utf8");
    const changed = operator.write("changed.jsonl", exported.replace(String.raw`\"refused\"`, String.raw`\"granted\"`));
    const judged = await operator.hosted("posternd", ["audit", "verify", changed, "--public-key", publicKey, "--json"]);
    expect(onlyLine(judged.stdout)).toMatchObject({ error: { code: "audit_damaged" } });
    const answers = exported.split("\n").filter((line) => line.includes("challenge.answer"));
    expect(answers).toHaveLength(2);
    for (const [index, { id }] of [right, wrong].entries()) {
      for (const fact of [id, "own en", "ann", "127.0.0.1", "Phone/1.0", index === 0 ? "granted" : "refused"]) {
        expect(answers[index]).toContain(fact);
      }
    }
    const told = exported + server.process.stdout + server.process.stderr;
    for (const secretText of ["Rex", right.path.slice(3), wrong.path.slice(3), secret, "s3cret", key]) {
      expect(told).not.toContain(secretText);
    }
  });

  it.runIf(hasNginx)(
    "has its pages behind nginx, by the configuration of docs/challenges.md, and nothing else",
    async () => {
      const socketPath = await startNginx(operator, {
        name: "nginx",
        page: "docs/challenges.md",
        places: {
          "ssl_certificate /etc/nginx/id.pem;": "",
          "ssl_certificate_key /etc/nginx/id.key;": "",
          "127.0.0.1:7466": server.http,
          // Over a Unix socket nobody has an address.
          $remote_addr: "203.0.113.9",
        },
        files: { "postern-identity.pem": (await run("identity", "show", "--pem")).stdout },
      });
      const { id, path } = await asked({ name: "bot", client_id: "77" });
      const seen = async (at: string, options: object = {}, body?: string) => {
        const forged = { "x-forwarded-for": "198.51.100.66", ...(body && { "content-type": FORM }) };
        const sent = request({ socketPath, path: at, headers: forged, agent: false, ...options }).end(body);
        const [reply] = (await once(sent, "response")) as [IncomingMessage];
        return { status: reply.statusCode, location: reply.headers.location, body: await text(reply) };
      };
      expect(await seen(path)).toMatchObject({
        status: 200,
        body: expect.stringContaining("Which was your first pet?"),
      });
      expect(await seen("/")).toMatchObject({ status: 200, body: expect.stringContaining("Nothing to do here") });
      for (const hidden of ["/v1/challenges", "/metrics", "/docs", "/readyz", "/openapi.json", "/c/"]) {
        expect((await seen(hidden)).status).toBe(404);
      }
      expect(await seen(path, { method: "POST" }, "choice=0")).toMatchObject({ status: 303, location: usual.reply_to });
      await nextRequest();
      const log = await run("audit", "list", "--event", "challenge.answer", "--json");
      expect(lines(log.stdout).at(-1)).toMatchObject({ challenge: id, address: "203.0.113.9" });
    },
  );
});
