import { isDeepStrictEqual } from "node:util";
import { parseReply, parseRequest } from "@postern/shared/frames/rpc";
import { isMethod, methods } from "@postern/shared/messages";
import { takeStep } from "../../../../packages/server/dist/wire/steps.js";
import { must } from "../judge.mjs";

const hex = (digits) => "0123456789abcdef".repeat(digits / 16);
const secret = `pss_${hex(64)}_${hex(64)}`;
const stretch = { generation: 1, memory_kib: 65536, passes: 3 };
const facts = {
  account: "acc_1",
  name: "alice",
  session: "ses_1",
  authenticated_at: 1,
  expires_at: 2,
  idle_timeout: 3,
};

const requests = {
  hello: { client: "postern", version: "0.1.0", features: ["a", "b"] },
  "register.start": { name: "alice" },
  "register.verifier": { verifier: hex(512) },
  "register.confirm": { code: "123456" },
  "login.start": { name: "alice", A: hex(512) },
  "login.proof": { M1: hex(64), mac: hex(64) },
  "login.code": { factor: "totp", code: "123456" },
  "session.resume": { account: `acc_${hex(32)}`, session: `ses_${hex(32)}`, mac: hex(64) },
  "session.whoami": {},
  "session.token": { audience: "https://example.org" },
  "session.logout": {},
};

const results = [
  { server: "posternd", version: "0.1.0", features: [], registration: "open" },
  { identity: "alice", salt: hex(64), stretch, B: hex(512) },
  { secret: "ABC", uri: "otpauth://totp/a", algorithm: "SHA1", digits: 6, period: 30, expires_in: 600 },
  { account: "acc_1", name: "alice", recovery_codes: ["a"] },
  { M2: hex(64), mac: hex(64), factors: ["totp"] },
  { ...facts, secret, recovery_codes_left: 9 },
  { token: "a.b.c", expires_in: 300 },
];

const words = [...Object.keys(requests), ...Object.values(requests).flatMap(Object.keys), "totp", "recovery"];
const dictionary = [...words.map((word) => JSON.stringify(word)), secret, hex(64), hex(512), "null", "[]", "{}", "-1"];

/** Says hello; a call of any other method comes too early, if its parameters are right. */
const methodParameters = {
  name: "method-parameters",
  codes: ["bad_request", "out_of_order"],
  dictionary,
  seeds: Object.entries(requests).map(([method, params]) => JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })),
  maxLength: 4096,
  async run(input) {
    const { method, params } = parseRequest(input);
    const server = { name: "posternd", version: "0" };
    const context = { services: { registration: "open" }, server, peer: { address: "127.0.0.1", client: "" } };
    const { next, result } = await takeStep({ awaits: "hello" }, method, params, context);
    must(method === "hello" && next.awaits === "start", "only a hello is taken first");
    must(methods.hello.result.safeParse(result).success, "the result is a hello's");
  },
};

/** What a server may send, read as each method's result: never a throw, and reading it again gives the same. */
const methodResults = {
  name: "method-results",
  codes: ["server_failed"],
  dictionary: [...dictionary, ...results.flatMap(Object.keys).map((word) => JSON.stringify(word))],
  seeds: results.map((result) => JSON.stringify({ jsonrpc: "2.0", id: 1, result })),
  maxLength: 4096,
  run(input) {
    const reply = parseReply(input);
    if ("error" in reply) return;
    for (const method of Object.keys(methods).filter(isMethod)) {
      const parsed = methods[method].result.safeParse(reply.result);
      if (!parsed.success) continue;
      const again = methods[method].result.parse(parsed.data);
      must(isDeepStrictEqual(again, parsed.data), `a result of ${method} is read back`);
    }
  },
};

export const targets = [methodParameters, methodResults];
