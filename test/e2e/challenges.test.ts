import { expect, it } from "vitest";
import { call } from "../support/api.js";
import { onlyLine } from "../support/programs.js";
import { newMachine } from "./caretaker.js";

it("an application asks by a page that leads to a host of --reply-to-hosts, and takes it back; the log tells of it", async () => {
  const operator = newMachine();
  const server = await operator.startServer(["--reply-to-hosts", "bot.example:8443"]);
  const passwordFile = ["--admin-password-file", `${operator.home}/admin-password`];
  const made = await operator.run("posternd", [
    ...["apikey", "create", "--name", "bot", "--scope", "challenge"],
    ...passwordFile,
  ]);
  const [, port = ""] = /:([0-9]+)$/.exec(server.http) ?? [];
  const target = { running: { http: { port: Number(port) } } };
  const question = { kind: "birth_date", birth_date: "1984-02-29" };
  const post = (path: string, body?: object) =>
    call(target, path, { method: "POST", key: made.stdout.trim(), ...(body !== undefined && { body }) });
  const create = (reply_to: string) => post("/v1/challenges", { subject: "ann", question, reply_to });

  expect(await create("https://wa.me/15550100")).toMatchObject({ status: 422, body: { code: "reply_to_refused" } });
  const created = await create("https://bot.example:8443/chat");
  expect(created).toMatchObject({ status: 201, body: { state: "open", subject: "ann" } });
  const link = String(created.body["url"]);
  expect(link).toMatch(new RegExp(`^https://${server.http}/c/[A-Za-z0-9_-]{22}$`));
  expect(await post(`/v1/challenges/${created.body["id"]}/cancel`)).toMatchObject({ body: { state: "cancelled" } });

  const log = await operator.run("posternd", ["audit", "list", "--subject", "ann", "--json", ...passwordFile]);
  const rows = log.stdout
    .trimEnd()
    .split("\n")
    .map((line) => onlyLine(`${line}\n`));
  expect(rows.map(({ event, challenge }) => [event, challenge])).toEqual([
    ["challenge.create", created.body["id"]],
    ["challenge.cancel", created.body["id"]],
  ]);
  const told = server.process.stdout + server.process.stderr + log.stdout;
  for (const secret of ["1984", link.slice(-22), made.stdout.trim()]) expect(told).not.toContain(secret);

  const refused = await operator.run("posternd", ["start", "--reply-to-hosts", "https://wa.me", "--json"]);
  expect(refused).toMatchObject({ code: 2, stdout: expect.stringContaining("--reply-to-hosts") });
});
