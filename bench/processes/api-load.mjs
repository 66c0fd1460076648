/** An application that calls the HTTPS API, and the persons whom it sends to its pages, over connections that stay. */
import { Agent, request } from "node:https";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { serve } from "./channel.mjs";

const { port, key } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: 64, rejectUnauthorized: false });

function send({ method, path, headers = {}, body }) {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: "127.0.0.1", port, method, path, headers }, (reply) => {
      const chunks = [];
      reply.on("data", (chunk) => chunks.push(chunk));
      reply.once("end", () => resolve({ status: reply.statusCode, text: Buffer.concat(chunks).toString() }));
      reply.once("error", reject);
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

async function post(path, body, wanted) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const { status, text } = await send({ method: "POST", path, headers, body: JSON.stringify(body) });
  if (status !== wanted) throw new Error(`${path}: ${status} ${text}`);
  return JSON.parse(text);
}

const authenticators = [];
const pages = [];

/** Each is called with the number of what it does. */
const steps = {
  createTotp: async (number) => {
    const subject = `user-${number}`;
    const { id, secret } = await post("/v1/totp", { subject, issuer: "Bench", account: subject }, 201);
    authenticators[number] = { id, secret: decodeSecret(secret) };
  },
  verifyTotp: async (number) => {
    const { id, secret } = authenticators[number];
    const code = totpCode(secret, stepAt(Date.now(), totpDefaults.period), totpDefaults);
    const { result } = await post(`/v1/totp/${id}/verify`, { code }, 200);
    if (result !== "valid") throw new Error(`a code was ${result}`);
  },
  createChallenge: async (number) => {
    const question = {
      kind: "own",
      text: "Which is your street?",
      answer: "Elm Road",
      decoys: ["Oak Lane", "Mill Row"],
    };
    const wish = { subject: `user-${number}`, question, expires_in: 600, reply_to: "tel:+15550100" };
    const { url } = await post("/v1/challenges", wish, 201);
    pages[number] = { path: new URL(url).pathname };
  },
  viewPage: async (number) => {
    const { status, text } = await send({ method: "GET", path: pages[number].path });
    const [, place] = /value="(\d)"[^>]*><span>Elm Road</.exec(text) ?? [];
    if (status !== 200 || place === undefined) throw new Error(`a page: ${status}`);
    pages[number].place = place;
  },
  answerPage: async (number) => {
    const { path, place } = pages[number];
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const { status } = await send({ method: "POST", path, headers, body: `choice=${place}` });
    if (status !== 303) throw new Error(`an answer: ${status}`);
  },
};

async function run({ step, from, count, atOnce }) {
  let next = from;
  const began = performance.now();
  const latencies = [];
  const worker = async () => {
    while (next < from + count) {
      next += 1;
      const start = performance.now();
      await steps[step](next - 1);
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { latencies, seconds: (performance.now() - began) / 1000 };
}

serve({ run });
