import { request } from "node:https";
import { json } from "node:stream/consumers";
import { expect, it } from "vitest";
import { startMailServer } from "../support/mail-server.js";
import { onlyLine } from "../support/programs.js";
import { newMachine } from "./caretaker.js";

type Body = Readonly<Record<string, unknown>>;

/** What an application does, which knows the server's address and its key. */
const post = (http: string, key: string) => (path: string, body: Body) =>
  new Promise<Body>((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const asking = request(`https://${http}${path}`, { method: "POST", rejectUnauthorized: false, headers });
    asking.on("response", (reply) => json(reply).then((said) => resolve(said as Body), reject));
    asking.on("error", reject).end(JSON.stringify(body));
  });

it("an application with a key of the operator's judges codes of an authenticator, and of mails that the server sends", async () => {
  const operator = newMachine();
  const mailbox = await startMailServer({ disabledCommands: ["STARTTLS"] });
  const smtp = ["--smtp", `smtp://127.0.0.1:${mailbox.port}?tls=off`, "--smtp-from", "postern@example.org"];
  const server = await operator.startServer(smtp);
  const passwordFile = ["--admin-password-file", `${operator.home}/admin-password`];
  const made = await operator.hosted("posternd", [
    ...["apikey", "create", "--name", "shop", "--scope", "otp,totp"],
    ...passwordFile,
  ]);
  const call = post(server.http, made.stdout.trim());

  const totp = await call("/v1/totp", { subject: "ann", issuer: "Shop", account: "ann@example.org" });
  operator.write("uri", `${totp["uri"]}\n`);
  const shown = await operator.hosted("postern", ["otp", "code", "--uri-file", `${operator.home}/uri`]);
  const code = shown.stdout.trim();
  expect(await call(`/v1/totp/${totp["id"]}/verify`, { code })).toEqual({ result: "valid" });
  expect(await call(`/v1/totp/${totp["id"]}/verify`, { code })).toEqual({ result: "replayed" });

  const otp = await call("/v1/otp", {
    subject: "ann",
    digits: 10,
    delivery: { mail: "ann@example.org", purpose: "a new phone" },
  });
  const [mail] = mailbox.mails;
  expect(mail).toMatchObject({ to: ["ann@example.org"], body: expect.stringContaining("a new phone") });
  const [mailed = ""] = /^[0-9]{10}$/m.exec(mail?.body ?? "") ?? [];
  expect(await call(`/v1/otp/${otp["id"]}/verify`, { code: mailed })).toEqual({ result: "valid" });

  const log = await operator.hosted("posternd", ["audit", "list", "--subject", "ann", "--json", ...passwordFile]);
  const rows = log.stdout
    .trimEnd()
    .split("\n")
    .map((line) => onlyLine(`${line}\n`));
  expect(rows.map(({ event, outcome }) => `${event} ${outcome}`)).toEqual([
    "totp.create done",
    "totp.verify granted",
    "totp.verify refused",
    "otp.issue done",
    "otp.verify granted",
  ]);
  const told = server.process.stdout + server.process.stderr + log.stdout;
  for (const secret of [mailed, String(totp["secret"]), made.stdout.trim()]) expect(told).not.toContain(secret);
});
