// Hears how challenges ended, and prints it: node challenge-bot.mjs bot.secret 8080
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [, , secretFile, port] = process.argv;
const secret = Buffer.from(readFileSync(secretFile, "utf8").trim().slice("whsec_".length), "base64");
const seen = new Set();

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  if (!isSigned(request.headers, body)) return response.writeHead(401).end();
  response.writeHead(204).end();
  const id = request.headers["webhook-id"];
  const { type, data } = JSON.parse(body);
  if (type !== "callback.test" && !seen.has(id)) console.log(`${data.client_id}: ${data.result}`);
  seen.add(id);
});
server.listen(Number(port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));

/** Standard Webhooks: over id, time and the bytes as they came; and the time must be near. */
function isSigned(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures = "" } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(time)) <= 300)) return false;
  const expected = createHmac("sha256", secret).update(`${id}.${time}.`).update(body).digest();
  return signatures.split(" ").some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
