import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import type { ApplicationId } from "@postern/shared/ids";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBarrier } from "../../packages/server/src/barrier/barrier.js";
import { silentLog } from "../../packages/server/src/log.js";
import { LEASE_MS } from "../../packages/server/src/services/challenges/claims.js";
import { startDelivery } from "../../packages/server/src/services/challenges/deliver.js";
import type { ServiceContext } from "../../packages/server/src/services/context.js";
import { readSettings } from "../../packages/server/src/services/store.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { firstOf, openReceiver, type Receiver } from "../../packages/server/test/outward/support.js";
import { enqueue, messageTo, postToLoopback } from "../../packages/server/test/services/challenges/support.js";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { leastStretch } from "../support/ready-store.js";

const operator = new Machine();
const passwordFile = join(operator.home, "admin-password");
const run = (...args: string[]) => operator.run("posternd", [...args, "--admin-password-file", passwordFile]);
const columns = (text: string) => Math.max(...text.split("\n").map((line) => line.length));
const idOf = (request: Receiver["requests"][number] | undefined) => String(request?.headers["webhook-id"]);

/** What the receiver answers: taken, nothing at all, or gone for good by its path. */
const mood = { silent: false };
let there: Awaited<ReturnType<typeof openReceiver>>;
let server: Server;
let application: ApplicationId;
let secret: string;
beforeAll(async () => {
  there = await openReceiver((request, response) => {
    if (request.url === "/gone") response.writeHead(410).end();
    else if (!mood.silent) response.writeHead(204).end();
  });
  server = await operator.startServer([
    ...["--http", "off", "--callback-hosts", there.host, "--callback-private", "127.0.0.0/8"],
  ]);
  const made = await run("apikey", "create", "--name", "bot", "--scope", "challenge", "--json");
  application = onlyLine(made.stdout)["application"] as ApplicationId;
});
afterAll(() => {
  there.close();
  return operator.close();
});

/** The store beside the server's, as a process that answers challenges has it. */
async function opened<T>(use: (context: ServiceContext) => Promise<T>): Promise<T> {
  const storage = await openLmdbStorage({ directory: operator.data, create: false });
  try {
    const barrier = await openBarrier(storage, Buffer.from(adminPassword), leastStretch);
    const { node } = await readSettings(barrier);
    const rest = { now: Date.now, random: randomBytes, registration: "open", issuer: () => "" } as const;
    try {
      return await use({ barrier, node, ...rest });
    } finally {
      await barrier.close();
    }
  } finally {
    await storage.close();
  }
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise(setImmediate);
}

describe("posternd callback, while the server runs,", () => {
  it("makes one, its secret alone on stdout; lists it, tries it, and what it sends verifies by that secret", async () => {
    const url = `http://${there.host}/hook`;
    const create = ["callback", "create", "--application", application, "--name", "bot", "--url", url];
    const { code, stdout, stderr } = await run(...create);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=\n$/) });
    secret = stdout.trim();
    expect(stderr).toContain("shown this one time");
    expect(stderr).toContain(`--callback-hosts ${there.host}`);
    const [, id = ""] = /(cbk_[0-9a-f]{32})/.exec(stderr) ?? [];

    const again = await run(...create, "--json");
    expect({ code: again.code, ...onlyLine(again.stdout) }).toMatchObject({
      code: 1,
      error: { code: "callback_exists" },
    });
    const listed = await run("callback", "list");
    expect(listed.stdout).toBe(`${id}  webhook  bot\n  ${application}  0 waiting, 0 dead\n  POST ${url}\n`);
    expect(columns(listed.stdout)).toBeLessThanOrEqual(80);

    const hosts = ["--callback-hosts", there.host, "--callback-private", "127.0.0.0/8"];
    const tried = await run("callback", "test", id.slice(0, 12), ...hosts, "--json");
    expect(onlyLine(tried.stdout)).toEqual({ id, delivered: true, status: 204 });
    const { headers, body } = firstOf(there);
    expect(JSON.parse(body)).toMatchObject({ type: "callback.test", data: {} });
    const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
    const mac = createHmac("sha256", Buffer.from(secret.slice(6), "base64"))
      .update(signed)
      .digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${mac}`);
    const refused = await run("callback", "test", id, "--callback-hosts", there.host, "--json");
    expect({ code: refused.code, ...onlyLine(refused.stdout) }).toMatchObject({
      code: 3,
      error: { code: "callback_failed", message: expect.stringContaining("address_refused") },
    });
  });

  it.each([
    [["delete", "cbk_1"], 6, "input_needed"],
    [["dead", "retry"], 2, "usage"],
  ] as const)("%j: says so before the store is opened", async (args, code, error) => {
    const ended = await operator.run("posternd", ["callback", ...args, "--data", "nowhere", "--json"]);
    expect({ code: ended.code, ...onlyLine(ended.stdout) }).toMatchObject({ code, error: { code: error } });
  });

  it("delivers what another process enqueues; killed in the midst of it (kill -9), nothing is lost", async () => {
    there.requests.length = 0;
    const sent: string[] = [];
    await opened(async (context) => {
      const send = async (count: number) => {
        const messages = Array.from({ length: count }, () => messageTo(context, application, "bot"));
        sent.push(...messages.map(({ challenge }) => challenge));
        await enqueue(context, ...messages);
      };
      await send(3);
      await until(() => there.requests.length === 3);
      mood.silent = true;
      await send(4);
      await until(() => there.requests.length === 5);
      process.kill(server.process.pid, "SIGKILL");
      await server.process.ended;
      mood.silent = false;
      const now = () => Date.now() + LEASE_MS;
      const post = postToLoopback([there.host]);
      const delivery = startDelivery({ context: { ...context, now }, post, log: silentLog });
      await delivery.quiet();
      await delivery.stop();
    });
    expect(new Set(there.requests.map(idOf))).toEqual(new Set(sent));
    const [listed] = (await run("callback", "list", "--json")).stdout
      .split("\n")
      .map((line) => JSON.parse(line || "{}"));
    expect(listed).toMatchObject({ name: "bot", waiting: 0, dead: 0 });
  });

  it("shows what could not be delivered; it is tried again, or dropped, and all of it is on record", async () => {
    const url = `http://${there.host}/gone`;
    await run("callback", "create", "--application", application, "--name", "gone", "--url", url);
    await opened(async (context) => {
      await enqueue(
        context,
        messageTo(context, application, "gone", { subject: "\u001b[31mred" }),
        messageTo(context, application, "gone", { subject: "x".repeat(100) }),
      );
      const delivery = startDelivery({ context, post: postToLoopback([there.host]), log: silentLog });
      await delivery.quiet();
      await delivery.stop();
    });
    const shown = await run("callback", "dead", "list");
    expect(shown.stdout).toContain("http_410");
    expect(shown.stdout).toContain("\\x1b[31mred");
    expect(columns(shown.stdout)).toBeLessThanOrEqual(80);
    const [first, second] = (await run("callback", "dead", "list", "--json")).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({ callback_name: "gone", application, attempts: 1, fault: "http_410" });
    const retried = await run("callback", "dead", "retry", first.challenge.slice(0, 16), "--json");
    expect(onlyLine(retried.stdout)).toEqual({ retried: 1 });
    const dropped = await run("callback", "dead", "drop", "--all", "--yes", "--json");
    expect(onlyLine(dropped.stdout)).toEqual({ dropped: 1 });
    const deleted = await run("callback", "delete", first.callback, "--yes", "--json");
    expect(onlyLine(deleted.stdout)).toEqual({ id: first.callback, deleted: true, dropped: 1 });
    const log = await run("audit", "list", "--application", application, "--json");
    const events = log.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(
      events.filter(({ event }) => event.startsWith("callback.")).map(({ event, challenge }) => [event, challenge]),
    ).toEqual([
      ["callback.create", undefined],
      ["callback.create", undefined],
      ["callback.dead", first.challenge],
      ["callback.dead", second.challenge],
      ["callback.retry", first.challenge],
      ["callback.drop", second.challenge],
      ["callback.delete", undefined],
    ]);
    expect(log.stdout).not.toContain(secret);
  });
});
