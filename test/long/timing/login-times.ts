import { randomBytes } from "node:crypto";
import { newId } from "@postern/shared/ids";
import { verifierFromBytes } from "@postern/shared/srp/server";
import { type Account, findAccount, putAccount } from "../../../packages/server/src/records/account.js";
import type { Random } from "../../support/crash-random.js";
import { HOUR, startInProcess, type TestServer, type TestStore } from "../../support/in-process.js";
import { guessPassword, registered } from "../../support/person.js";
import {
  codeOf,
  connectRaw,
  handshake,
  hello,
  type Reply,
  type Target,
  WireClient,
} from "../../support/wire-client.js";

/**
 * How long a server takes over wrong passwords, as its client sees it over TLS. No budget is in the way: a name is tried
 * four times at most, which are free, and the clock is moved on before an hour's new counters are used up.
 */
export const TRIES_A_NAME = 4;

const TRIES_AN_HOUR = 2500;

/** Milliseconds from a request to its reply: of `login.start`, of `login.proof`, and of both. */
export interface Times {
  readonly start: number[];
  readonly proof: number[];
  readonly both: number[];
}

export type Group = "known" | "control" | "unknown";

export interface Measuring {
  /** Of each group. */
  readonly tries: number;
  readonly random: Random;
  readonly onTry: (done: number, all: number) => void;
}

/** Tries all groups in one random order. `control` are known names like `known`: they tell how much is chance. */
export async function loginTimes(store: TestStore, options: Measuring): Promise<Record<Group, Times>> {
  const server = await startInProcess(store);
  const names = drawNames(options);
  await seedAccounts(server, [...names.known, ...names.control]);
  const order = shuffled(triesOf(names, options.tries), options.random);
  const client = await TimedClient.openTimed(server);
  await warmUp(client, options.random);
  const times = { known: newTimes(), control: newTimes(), unknown: newTimes() };
  for (const [index, { group, name }] of order.entries()) {
    if (index % TRIES_AN_HOUR === 0) server.clock.advance(HOUR);
    note(times[group], await timedGuess(client, name));
    options.onTry(index + 1, order.length);
  }
  await client.close();
  return times;
}

/** Measures each call from its sending to its reply. */
class TimedClient extends WireClient {
  spent: number[] = [];

  static async openTimed(target: Target): Promise<TimedClient> {
    const raw = await connectRaw(target);
    const client = new TimedClient(raw, await handshake(raw));
    await client.ok("hello", hello);
    return client;
  }

  override async call(method: string, params: unknown = {}): Promise<Reply | undefined> {
    const began = performance.now();
    const reply = await super.call(method, params);
    this.spent.push(performance.now() - began);
    return reply;
  }
}

async function timedGuess(client: TimedClient, name: string): Promise<readonly number[]> {
  client.spent = [];
  const outcome = codeOf(await guessPassword(client, name));
  if (outcome !== "login_failed" || client.spent.length !== 2) throw new Error(`a wrong password was ${outcome}`);
  return client.spent;
}

function note({ start, proof, both }: Times, [first = 0, second = 0]: readonly number[]): void {
  start.push(first);
  proof.push(second);
  both.push(first + second);
}

const newTimes = (): Times => ({ start: [], proof: [], both: [] });

/** What runs the first times runs slowly. */
async function warmUp(client: TimedClient, random: Random): Promise<void> {
  for (let tries = 0; tries < 300; tries++) await timedGuess(client, drawName(random));
}

/** All of one length: only whether somebody has registered them differs. */
function drawName(random: Random): string {
  return Array.from({ length: 14 }, () => String.fromCharCode(0x61 + random.below(26))).join("");
}

function drawNames({ tries, random }: Measuring): Record<Group, readonly string[]> {
  const draw = () => Array.from({ length: Math.ceil(tries / TRIES_A_NAME) }, () => drawName(random));
  return { known: draw(), control: draw(), unknown: draw() };
}

interface Try {
  readonly group: Group;
  readonly name: string;
}

function triesOf(names: Record<Group, readonly string[]>, tries: number): Try[] {
  const groups: readonly Group[] = ["known", "control", "unknown"];
  return groups.flatMap((group) => {
    const repeated = names[group].flatMap((name) => Array.from({ length: TRIES_A_NAME }, () => ({ group, name })));
    return repeated.slice(0, tries);
  });
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const keyed = list.map((value) => ({ value, key: random.below(2 ** 32) }));
  return keyed.sort((one, other) => one.key - other.key).map(({ value }) => value);
}

/** Accounts like that of somebody who registered over the wire, each with a verifier of its own. */
async function seedAccounts(server: TestServer, names: readonly string[]): Promise<void> {
  const { barrier } = server;
  const { name } = await registered(server, "somebody");
  const model = await barrier.read((tx) => findAccount(tx, barrier.nameIndex(name)));
  if (model === undefined) throw new Error("a registered account is not found");
  for (let from = 0; from < names.length; from += 500) {
    await barrier.transact(async (tx) => {
      for (const identity of names.slice(from, from + 500)) {
        const verifier = verifierFromBytes(randomBytes(272));
        const account: Account = { ...model, id: newId("account"), identity, verifier };
        await putAccount(tx, barrier.nameIndex(identity), account);
      }
    });
  }
}
