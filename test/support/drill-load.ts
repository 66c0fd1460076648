import { setTimeout } from "node:timers/promises";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { totpCode } from "@postern/shared/otp/totp";
import { deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import { currentStep, isCut, type Login, newWitness, type Witness } from "./crash-load.js";
import type { Random } from "./crash-random.js";
import type { Clock } from "./in-process.js";
import { guessPassword, provePassword } from "./person.js";
import { codeOf, type Reply, type Target, WireClient } from "./wire-client.js";

/**
 * People who come to several nodes through a balancer, and who try again when a node dies or has lost its database: each
 * of them must get in before long. What they were told is kept, as in crash-load.ts; what may not have been answered is
 * asked again as a person would, and never counted as done.
 */
export interface Drill {
  /** The balancer. */
  readonly front: Target;
  /** The nodes themselves, for codes that are given to two of them in the same moment. */
  readonly nodes: readonly Target[];
  readonly clock: Clock;
  readonly random: Random;
  readonly sum: DrillSum;
  /** What must not have happened, in words. */
  readonly faults: string[];
  /** Hears of each thing that was asked. */
  readonly tick: () => void;
}

export interface DrillSum {
  registrations: number;
  logins: number;
  logouts: number;
  /** Sessions that went on over another connection. */
  resumed: number;
  /** Codes that two nodes got in the same moment, and of those the ones that neither took, or answered for. */
  races: number;
  racesLost: number;
  /** Calls that were refused as the database was away, on a connection that stood. */
  refused: number;
  /** Connections that broke, or were not taken. */
  cut: number;
  /** The most that somebody had to try, for one thing. */
  mostTries: number;
}

export const newSum = (): DrillSum => ({
  registrations: 0,
  logins: 0,
  logouts: 0,
  resumed: 0,
  races: 0,
  racesLost: 0,
  refused: 0,
  cut: 0,
  mostTries: 0,
});

/** With the pauses in between this is some twenty seconds: a database is back long before. */
const MOST_TRIES = 80;
const SHORTEST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 400;

/** What a person is told who may try again. After `internal` nobody knows whether it was done. */
const again = /(?:unavailable|busy|internal|shutting_down)$/;

/** Does something over a connection of its own, again and again until it is answered with something of its own. */
async function untilAnswered<T>(drill: Drill, what: string, act: (client: WireClient) => Promise<T>): Promise<T> {
  const { sum, random, front, tick } = drill;
  let client: WireClient | undefined;
  for (let tries = 1; ; tries++) {
    sum.mostTries = Math.max(sum.mostTries, tries);
    try {
      client ??= await WireClient.open(front);
      tick();
      return await act(client);
    } catch (thrown) {
      const { message } = thrown as Error;
      if (!isCut(thrown) && !again.test(message)) throw thrown;
      if (tries === MOST_TRIES) throw new Error(`${what}: not answered in ${MOST_TRIES} tries: ${message}`);
      // Where it was refused for the database, the same connection must do; another one is begun else.
      const stands = message.endsWith("unavailable");
      if (stands) sum.refused++;
      else sum.cut++;
      if (!stands) client = undefined;
      await pause(random);
    }
  }
}

const pause = (random: Random) => setTimeout(SHORTEST_PAUSE_MS + random.below(LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS));

/** A call in the middle of something: while the database is away it is made again, the same, on the same connection. */
async function insist(
  { sum, random }: Drill,
  client: WireClient,
  method: string,
  params: object,
): Promise<Reply | undefined> {
  for (let tries = 1; ; tries++) {
    const reply = await client.call(method, params);
    if (codeOf(reply) !== "unavailable" || tries === MOST_TRIES) return reply;
    sum.refused++;
    sum.mostTries = Math.max(sum.mostTries, tries);
    await pause(random);
  }
}

/** One person from their registration to their last login. */
export async function live(drill: Drill, name: string): Promise<Witness> {
  const witness = newWitness(name);
  const { random } = drill;
  await register(drill, witness);
  if (random.below(4) === 0) {
    await untilAnswered(drill, `${name} guesses`, async (client) => {
      const outcome = codeOf(await guessPassword(client, name));
      if (outcome !== "login_failed") throw new Error(`a wrong password: ${outcome}`);
    });
  }
  await race(drill, witness, { factor: "totp", code: nextCode(witness), logout: "no" });
  if (random.below(3) === 0) await race(drill, witness, recoveryLogin(witness));
  const last = await logIn(drill, witness);
  for (const login of witness.logins) {
    if (login.granted === undefined) continue;
    if (login !== last && random.below(2) === 0) await logOut(drill, witness, login);
    await resume(drill, witness, login);
  }
  return witness;
}

/** The step behind the registration's own, which stays good for half a minute and more. */
function nextCode({ person, step }: Witness): string {
  return totpCode(person.secret, step + 1, totpDefaults);
}

function recoveryLogin({ person, logins }: Witness): Login {
  return { factor: "recovery", code: person.recoveryCodes[logins.length] ?? "", logout: "no" };
}

/** When no answer came it may be done: then the name is taken, and the secret of that try is the account's. */
async function register(drill: Drill, witness: Witness): Promise<void> {
  const { person } = witness;
  const { clock, sum } = drill;
  const taken = () => person.secret.length > 0;
  await untilAnswered(drill, `${person.name} registers`, async (client) => {
    const started = await client.call("register.start", { name: person.name });
    if (codeOf(started) === "name_taken" && taken()) return;
    if (started?.result === undefined) throw new Error(`register.start failed: ${codeOf(started)}`);
    const { identity, salt, stretch } = started.result as never as Parameters<typeof person.stretched>[0] & {
      identity: string;
    };
    const password = await person.stretched({ salt, stretch });
    const verifier = deriveVerifier({ identity, salt: parseSalt(salt), password });
    const secret = decodeSecret((await client.ok("register.verifier", { verifier })).secret);
    const step = currentStep(clock);
    const before = { secret: person.secret, step: witness.step };
    person.secret = secret;
    witness.step = step;
    const first = { code: totpCode(secret, step, totpDefaults) };
    const confirmed = await insist(drill, client, "register.confirm", first);
    if (codeOf(confirmed) === "name_taken" && before.secret.length > 0) {
      person.secret = before.secret;
      witness.step = before.step;
      return;
    }
    if (confirmed?.result === undefined) throw new Error(`register.confirm failed: ${codeOf(confirmed)}`);
    const { account, recovery_codes } = confirmed.result as { account: string; recovery_codes: string[] };
    person.account = account;
    person.recoveryCodes = recovery_codes;
    witness.registered = true;
    sum.registrations++;
  });
}

/** Gives one code to two nodes in the same moment: one of them may take it, and only one. */
async function race(drill: Drill, witness: Witness, login: Login): Promise<void> {
  if (login.code === "") return;
  const { nodes, random, sum, faults } = drill;
  const first = random.below(nodes.length);
  const second = (first + 1 + random.below(nodes.length - 1)) % nodes.length;
  const pair = [nodes[first], nodes[second]] as [Target, Target];
  const clients = await Promise.all(pair.map((node) => proved(node, witness)));
  if (clients.some((client) => client === undefined)) return;
  sum.races++;
  witness.logins.push(login);
  drill.tick();
  const replies = await Promise.all(clients.map((client) => client?.call("login.code", { code: login.code })));
  const granted = replies.flatMap((reply) => (reply?.result === undefined ? [] : [reply.result]));
  const { name } = witness.person;
  if (granted.length > 1) faults.push(`${name}: two nodes took one ${login.factor} code`);
  for (const code of replies.map(codeOf)) {
    const expected = ["ok", "code_refused", "closed", "unavailable", "internal", "busy"];
    if (!expected.includes(code)) faults.push(`${name}: a code given twice was answered ${code}`);
  }
  if (granted.length === 0) sum.racesLost++;
  else take(drill, witness, login, granted[0]);
  for (const client of clients) client?.reset();
}

/** A connection to this very node that awaits a code; undefined where the node is down, or has no database. */
async function proved(node: Target, { person }: Witness): Promise<WireClient | undefined> {
  try {
    const client = await WireClient.open(node);
    await provePassword(client, person);
    return client;
  } catch (thrown) {
    if (isCut(thrown) || again.test((thrown as Error).message)) return undefined;
    throw thrown;
  }
}

function take({ sum }: Drill, { person }: Witness, login: Login, result: Record<string, unknown> | undefined): void {
  const { account, session, secret } = result as { account: string; session: string; secret: string };
  person.account = account;
  login.granted = { session, secret };
  sum.logins++;
}

/** A login that must succeed before long. A code whose answer was lost may be used up: the next try has another one. */
async function logIn(drill: Drill, witness: Witness): Promise<Login | undefined> {
  const { person, registered } = witness;
  if (!registered) return logInUnregistered(drill, witness);
  return untilAnswered(drill, `${person.name} logs in`, async (client) => {
    await provePassword(client, person);
    const login = recoveryLogin(witness);
    if (login.code === "") throw new Error(`${person.name}: all recovery codes are used, and none let them in`);
    witness.logins.push(login);
    const reply = await insist(drill, client, "login.code", { code: login.code });
    if (reply?.result === undefined) throw new Error(`login.code failed: ${codeOf(reply)}`);
    take(drill, witness, login, reply.result);
    return login;
  });
}

/** Who was never told so has no recovery codes, and gets in by the authenticator, if that race was not won already. */
async function logInUnregistered(drill: Drill, witness: Witness): Promise<Login | undefined> {
  const { person, logins } = witness;
  const own = logins.find(({ granted }) => granted !== undefined);
  if (own !== undefined) return own;
  return untilAnswered(drill, `${person.name} logs in`, async (client) => {
    await provePassword(client, person);
    const login: Login = { factor: "totp", code: nextCode(witness), logout: "no" };
    const reply = await insist(drill, client, "login.code", { code: login.code });
    // The code may be used up by a login that was not answered: that is all that one can know here.
    if (codeOf(reply) === "code_refused") return undefined;
    if (reply?.result === undefined) throw new Error(`login.code failed: ${codeOf(reply)}`);
    logins.push(login);
    take(drill, witness, login, reply.result);
    return login;
  });
}

async function logOut(drill: Drill, { person }: Witness, login: Login): Promise<void> {
  const secret = login.granted?.secret ?? "";
  await untilAnswered(drill, `${person.name} logs out`, async (client) => {
    const resumed = await client.resumed(secret);
    // An unanswered logout that was done all the same.
    if (resumed === "session_invalid" && login.logout === "asked") return;
    if (resumed !== "ok") throw new Error(`session.resume failed: ${resumed}`);
    login.logout = "asked";
    const reply = await insist(drill, client, "session.logout", {});
    if (reply?.result === undefined) throw new Error(`session.logout failed: ${codeOf(reply)}`);
    login.logout = "acknowledged";
    drill.sum.logouts++;
  });
}

/** A session goes on at whichever node, unless it was ended; then it does at none. */
async function resume(drill: Drill, { person }: Witness, { granted, logout }: Login): Promise<void> {
  await untilAnswered(drill, `${person.name} goes on`, async (client) => {
    const resumed = await client.resumed(granted?.secret ?? "");
    if (again.test(resumed) || resumed === "closed") throw new Error(`session.resume failed: ${resumed}`);
    const wanted = logout === "no" ? "ok" : "session_invalid";
    if (resumed !== wanted) drill.faults.push(`${person.name}: a session (logout: ${logout}): ${resumed}`);
    if (resumed === "ok") drill.sum.resumed++;
    await client.close();
  });
}
