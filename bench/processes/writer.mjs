/** A process that has a store do what logins ask of it, and nothing else: no connections, and no powers. */
import { randomBytes } from "node:crypto";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { serve } from "./channel.mjs";
import { server } from "./dist.mjs";
import { person } from "./people.mjs";
import { openStore } from "./store.mjs";
import { cpuMs } from "./usage.mjs";

const { findAccount } = await server("records/account.js");
const { joinNode } = await server("services/nodes.js");
const { stranger } = await server("services/guesser.js");
const { judgePasswordGuess } = await server("services/password-guess.js");
const { verifyCode } = await server("services/login-code.js");

const { place, node: name } = JSON.parse(process.argv[2]);
const store = await openStore(place);
const { barrier } = store;
const tools = { now: Date.now, random: randomBytes };
const node = await joinNode(barrier, tools, name);
const context = { barrier, node, ...tools, registration: "open", issuer: () => "" };
const peer = { address: "203.0.113.207", client: "bench" };

/** The two transactions of one login: the right password is judged, and the code used up for a session. */
async function login(number) {
  const { name: identity, secret } = person(number);
  const nameIndex = barrier.nameIndex(identity);
  const { id: account, passwordVersion } = await barrier.transact(async (tx) => {
    const found = await findAccount(tx, nameIndex);
    await judgePasswordGuess(tx, { nameIndex, account: found, guesser: stranger }, true, Date.now());
    return found;
  });
  const code = totpCode(secret, stepAt(Date.now(), totpDefaults.period), totpDefaults);
  const password = { account, identity, nameIndex, passwordVersion, guesser: stranger };
  await verifyCode(context, peer, password, { guess: { code } });
}

/** Those of `count` persons from `from` on, so many at once: seconds, and CPU milliseconds of each. */
async function logins({ from, count, atOnce }) {
  let next = from;
  const worker = async () => {
    while (next < from + count) {
      next += 1;
      await login(next - 1);
    }
  };
  const before = cpuMs();
  const began = performance.now();
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { seconds: (performance.now() - began) / 1000, cpu: (cpuMs() - before) / count };
}

serve({ logins, stop: () => store.close() });
