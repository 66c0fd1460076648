import { totpDefaults } from "@postern/shared/otp/parameters";
import { stepAt } from "@postern/shared/otp/totp";
import type { Random } from "./crash-random.js";
import { Clock } from "./in-process.js";
import { guessPassword, Person, provePassword, register } from "./person.js";
import type { Server } from "./programs.js";
import { codeOf, connectRaw, handshake, hello, type Reply, type Target, WireClient } from "./wire-client.js";

/**
 * People who register and log in over the wire while a server may die at any moment, and who keep what they were
 * told: that must hold afterwards, and what they asked without an answer must be there whole or not at all.
 */
export interface Witness {
  readonly person: Person;
  /** Whose code confirmed the registration. */
  step: number;
  registered: boolean;
  readonly logins: Login[];
}

export interface Login {
  readonly factor: "totp" | "recovery";
  readonly code: string;
  /** The session's id and secret, once the server has acknowledged it. */
  granted?: { readonly session: string; readonly secret: string };
  logout: "no" | "asked" | "acknowledged";
  /** The same code was refused afterwards. */
  refusedAgain?: boolean;
}

/** A clock of the tests that shows the system's time, for servers that have no other. */
export function systemClock(): Clock {
  const clock = new Clock();
  clock.advance(Date.now() - clock.now());
  return clock;
}

/** Where a posternd that was started as a program takes connections. */
export function targetOf({ listen }: Pick<Server, "listen">): Target {
  return { port: Number(listen.slice(listen.lastIndexOf(":") + 1)) };
}

export const currentStep = (clock: Clock) => stepAt(clock.now(), totpDefaults.period);

/** Tells whenever something was sent or came back. */
class CountingClient extends WireClient {
  tick: () => void = () => {};

  override async call(method: string, params: unknown = {}): Promise<Reply | undefined> {
    this.tick();
    const reply = await super.call(method, params);
    this.tick();
    return reply;
  }
}

async function openCounting(target: Target, tick: () => void): Promise<CountingClient> {
  const raw = await connectRaw(target);
  const client = new CountingClient(raw, await handshake(raw));
  client.tick = tick;
  await client.ok("hello", hello);
  return client;
}

export interface Load {
  readonly target: Target;
  readonly clock: Clock;
  readonly random: Random;
  /** Names begin with it. */
  readonly prefix: string;
  readonly tick: () => void;
}

/** Registers and logs in new people, one after another, until the server answers no more. */
export async function liveUntilCut(load: Load, worker: number, witnesses: Witness[]): Promise<void> {
  for (let count = 0; ; count++) {
    const witness = newWitness(`${load.prefix}w${worker}n${count}`);
    witnesses.push(witness);
    try {
      await live(load, witness);
    } catch (thrown) {
      if (isCut(thrown)) return;
      throw thrown;
    }
  }
}

export function newWitness(name: string): Witness {
  return { person: new Person(name), step: 0, registered: false, logins: [] };
}

async function live({ target, clock, random, tick }: Load, witness: Witness): Promise<void> {
  const { person } = witness;
  const client = await openCounting(target, tick);
  await registerWitness(client, witness, clock);
  if (random.below(3) === 0) await guessPassword(client, random.below(2) === 0 ? person.name : "nobody-at-all");
  const first = await logInWitness(client, witness, { factor: "totp", code: person.code(clock, 1), logout: "no" });
  if (random.below(3) === 0) await logOutWitness(client, first);
  if (random.below(2) === 0) client.reset();
  else await client.close();
  const [code = ""] = person.recoveryCodes;
  await logInWitness(await openCounting(target, tick), witness, { factor: "recovery", code, logout: "no" });
}

export async function registerWitness(client: WireClient, witness: Witness, clock: Clock): Promise<void> {
  witness.step = currentStep(clock);
  await register(client, witness.person, { clock, offset: 0 });
  witness.registered = true;
}

export async function logInWitness(client: WireClient, witness: Witness, login: Login): Promise<Login> {
  witness.logins.push(login);
  await provePassword(client, witness.person);
  const { code } = login;
  const { account, session, secret } = await client.ok("login.code", { code });
  witness.person.account = account;
  login.granted = { session, secret };
  return login;
}

export async function logOutWitness(client: WireClient, login: Login): Promise<void> {
  login.logout = "asked";
  await client.ok("session.logout", {});
  login.logout = "acknowledged";
}

/** Whether a failure is that of the connection; an answer that the server gave is not. */
export function isCut(thrown: unknown): boolean {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return ["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(code ?? "") || /closed( in the handshake)?$/.test(message);
}

/** What a server that came up again does not keep of what it had acknowledged to someone, over the wire. */
export async function faultsServing(target: Target, clock: Clock, witness: Witness): Promise<string[]> {
  const faults = await Promise.all(witness.logins.map((login) => faultsOfLogin(target, witness, login)));
  const { name } = witness.person;
  const entry = await getIn(target, clock, witness).catch((thrown: Error) => thrown.message);
  return [...faults.flat(), ...(entry === "ok" ? [] : [`${name} cannot get in: ${entry}`])];
}

async function faultsOfLogin(target: Target, { person }: Witness, login: Login): Promise<string[]> {
  const { granted, factor, code, logout } = login;
  if (granted === undefined) return [];
  const client = await WireClient.open(target);
  await provePassword(client, person);
  const again = await client.outcome("login.code", { code });
  login.refusedAgain = again === "code_refused";
  await client.close();
  const resuming = await WireClient.open(target);
  const resumed = await resuming.resumed(granted.secret);
  await resuming.close();
  const faults: string[] = [];
  if (!login.refusedAgain) faults.push(`${person.name}: a used ${factor} code again: ${again}`);
  if (logout === "no" && resumed !== "ok") faults.push(`${person.name}: an open session: ${resumed}`);
  if (logout === "acknowledged" && resumed !== "session_invalid") faults.push(`${person.name}: logged out: ${resumed}`);
  return faults;
}

/** Whoever was told that they have an account can log in; whoever was not has one, or can register. */
async function getIn(target: Target, clock: Clock, witness: Witness): Promise<string> {
  const { person, registered } = witness;
  const client = await WireClient.open(target);
  if (registered) {
    const code = person.recoveryCodes[witness.logins.length] ?? "";
    await logInWitness(client, witness, { factor: "recovery", code, logout: "no" });
  } else if (codeOf(await client.call("register.start", { name: person.name })) === "name_taken") {
    await logInWitness(client, witness, { factor: "totp", code: person.code(clock, 1), logout: "no" });
    witness.registered = true;
  } else {
    await client.close();
    await registerWitness(await WireClient.open(target), witness, clock);
  }
  return "ok";
}
