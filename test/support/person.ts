import { createHash, randomBytes } from "node:crypto";
import { channelMac, deviceMac, verifyChannelMac } from "@postern/shared/channel";
import { stretchPassword } from "@postern/shared/kdf";
import type { Params, Result } from "@postern/shared/messages";
import { hotpCode } from "@postern/shared/otp/hotp";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import {
  type ClientEphemeral,
  type ClientSession,
  clientEphemeral,
  clientSession,
  deriveVerifier,
  verifyServerProof,
} from "@postern/shared/srp/client";
import { group2048 } from "@postern/shared/srp/group";
import { parsePublicValue, parseSalt } from "@postern/shared/srp/parse";
import { warmPower } from "@postern/shared/srp/power";
import { findAccount, putAccount } from "../../packages/server/src/records/account.js";
import { deviceOwner, findDevice, putDevice } from "../../packages/server/src/records/device.js";
import { type Clock, HOUR, type TestServer } from "./in-process.js";
import { codeOf, type Reply, type Target, WireClient } from "./wire-client.js";

/**
 * A person with a name, a password and an authenticator, who can take each step of a registration and a login on
 * its own, in whatever order a test wants.
 */

warmPower(group2048);

/** A server never learns how a password was stretched: so most tests spare the 100 ms and 64 MiB of Argon2id. */
type Stretching = "cheap" | "real";

export class Person {
  readonly name: string;
  readonly password: string;
  readonly stretching: Stretching;
  /** The authenticator's, once there is one. */
  secret: Buffer = Buffer.alloc(0);
  account = "";
  recoveryCodes: readonly string[] = [];

  constructor(name: string, password = "purple monkey dishwasher", stretching: Stretching = "cheap") {
    this.name = name;
    this.password = password;
    this.stretching = stretching;
  }

  /** The same person, who has another password by now. */
  renewed(password: string): Person {
    const { secret, account, recoveryCodes } = this;
    return Object.assign(new Person(this.name, password, this.stretching), { secret, account, recoveryCodes });
  }

  /** The password as SRP takes it. */
  async stretched({ salt, stretch }: Pick<Result<"login.start">, "salt" | "stretch">): Promise<string> {
    if (this.stretching === "cheap") return createHash("sha256").update(`${salt} ${this.password}`).digest("hex");
    return stretchPassword({ password: this.password, salt: parseSalt(salt), parameters: stretch });
  }

  /** What the authenticator shows at the clock's step, or so many steps later. */
  code(clock: Clock, offset = 0): string {
    return totpCode(this.secret, stepAt(clock.now(), totpDefaults.period) + offset, totpDefaults);
  }

  /** A code that is right for no step near the clock's own. */
  wrongCode(clock: Clock): string {
    const near = Array.from({ length: 64 }, (_, index) => this.code(clock, index - 32));
    let code = 0;
    while (near.includes(String(code).padStart(6, "0"))) code += 1;
    return String(code).padStart(6, "0");
  }
}

/** An authenticator as `factor.add` shows it. */
export type Authenticator = Pick<Result<"factor.add">, "secret" | "algorithm" | "digits" | "period">;

/** What a TOTP authenticator shows at the clock's step, or so many steps later. */
export function totpOf({ secret, algorithm, digits, period = 30 }: Authenticator, clock: Clock, offset = 0): string {
  return totpCode(decodeSecret(secret), stepAt(clock.now(), period) + offset, { algorithm, digits, period });
}

/** What an HOTP authenticator shows at a counter. */
export function hotpOf({ secret, algorithm, digits }: Authenticator, counter: number): string {
  return hotpCode(decodeSecret(secret), counter, { algorithm, digits });
}

export interface RegisterOptions {
  readonly clock: Clock;
  /** Which step's code confirms: by default the one before the clock's, so that two more logins need no waiting. */
  readonly offset?: number;
}

/** Registers on a connection that awaits `start`, and fills in what the server gave. */
export async function register(client: WireClient, person: Person, options: RegisterOptions): Promise<Person> {
  const { identity, salt, stretch } = await client.ok("register.start", { name: person.name });
  const password = await person.stretched({ salt, stretch });
  const verifier = deriveVerifier({ identity, salt: parseSalt(salt), password });
  const enrolment = await client.ok("register.verifier", { verifier });
  person.secret = decodeSecret(enrolment.secret);
  const code = person.code(options.clock, options.offset ?? -1);
  const { account, recovery_codes } = await client.ok("register.confirm", { code });
  person.account = account;
  person.recoveryCodes = recovery_codes;
  return person;
}

/** Registers a new person over a connection of its own. */
export async function registered(server: Target & { clock: Clock }, name = "alice"): Promise<Person> {
  const client = await WireClient.open(server);
  const person = await register(client, new Person(name), { clock: server.clock });
  await client.close();
  return person;
}

/** What a client holds between `login.start` and `login.proof`. */
export interface Challenge extends Result<"login.start"> {
  readonly ephemeral: ClientEphemeral;
}

/** A device as the login gave it that made it known. */
export type KnownDevice = NonNullable<Result<"login.code">["new_device"]>;

export type OfferedDevice = NonNullable<Params<"login.start">["device"]>;

/** How a known device shows itself over the connection whose exporter is given. */
export function offered({ device, secret }: KnownDevice, exporter: Buffer): OfferedDevice {
  return { device, mac: deviceMac(Buffer.from(secret, "hex"), exporter).toString("hex") };
}

/** The parameters of `login.start`, on a known device where there is one. */
export function startOf(client: WireClient, name: string, A: string, device?: KnownDevice): Params<"login.start"> {
  return { name, A, ...(device !== undefined && { device: offered(device, client.exporter) }) };
}

export async function startLogin(client: WireClient, name: string, device?: KnownDevice): Promise<Challenge> {
  const ephemeral = clientEphemeral();
  const challenge = await client.ok("login.start", startOf(client, name, ephemeral.publicHex, device));
  return { ...challenge, ephemeral };
}

/** The client's half of SRP, up to M1, for whatever the password is said to be. */
export async function sessionOf(challenge: Challenge, person: Person): Promise<ClientSession> {
  const { identity, salt, ephemeral, B } = challenge;
  const credentials = { identity, salt: parseSalt(salt), password: await person.stretched(challenge) };
  return clientSession({ credentials, ephemeral, serverPublic: parsePublicValue(B) });
}

/** The parameters of `login.proof`, bound to the connection whose exporter is given. */
export function proofOf({ key, proofHex }: ClientSession, exporter: Buffer): { M1: string; mac: string } {
  return { M1: proofHex, mac: channelMac("client", key, exporter).toString("hex") };
}

/** A proof that somebody sends who has no idea of the password. */
export function guessedProof(): { M1: string; mac: string } {
  return { M1: randomBytes(32).toString("hex"), mac: randomBytes(32).toString("hex") };
}

/** Goes to where the server awaits a code, and checks what the server proved on the way. */
export async function provePassword(
  client: WireClient,
  person: Person,
  device?: KnownDevice,
): Promise<Challenge & Result<"login.proof">> {
  const challenge = await startLogin(client, person.name, device);
  const session = await sessionOf(challenge, person);
  const answer = await client.ok("login.proof", proofOf(session, client.exporter));
  verifyServerProof(session, answer.M2);
  if (!verifyChannelMac("server", session.key, client.exporter, Buffer.from(answer.mac, "hex"))) {
    throw new Error("the server's channel MAC does not fit this connection");
  }
  return { ...challenge, ...answer };
}

/** A verifier of a person's password, and the generation that it is said to be of. */
export async function stretchedVerifier(
  { identity, salt, stretch }: Challenge,
  person: Person,
  generation = stretch.generation,
): Promise<Params<"password.change">["new_verifier"]> {
  const password = await person.stretched({ salt, stretch });
  return { generation, verifier: deriveVerifier({ identity, salt: parseSalt(salt), password }) };
}

/** A whole change of the password on a connection that awaits `start`: how `password.change` was answered. */
export async function renewPassword(
  client: WireClient,
  person: Person,
  { to, code, device }: { to: Person; code: string; device?: KnownDevice | undefined },
): Promise<Reply | undefined> {
  const challenge = await provePassword(client, person, device);
  return client.call("password.change", { code, new_verifier: await stretchedVerifier(challenge, to) });
}

/** Who guesses in the dark needs no new one each time. */
const guessersA = clientEphemeral().publicHex;

/** A password guess that is wrong, and paid for: how the server answers `login.proof`. */
export async function guessPassword(client: WireClient, name: string, device?: KnownDevice) {
  const started = await client.call("login.start", startOf(client, name, guessersA, device));
  if (started?.result === undefined) return started;
  return client.call("login.proof", guessedProof());
}

/** A whole login on a connection that awaits `start`. */
export async function logIn(
  client: WireClient,
  person: Person,
  code: string,
  device?: KnownDevice,
): Promise<Result<"login.code">> {
  await provePassword(client, person, device);
  return client.ok("login.code", { code });
}

/** A login from a device that was not known before, and is then. */
export async function becomeKnown(server: Target, person: Person, code: string): Promise<KnownDevice> {
  const client = await WireClient.open(server);
  const { new_device: device } = await logIn(client, person, code);
  if (device === undefined) throw new Error("the login made no device known");
  await client.close();
  return device;
}

/** How a password is judged, right or wrong, over a connection of its own; the login goes no further. */
export async function tryPassword(server: Target, person: Person, device?: KnownDevice): Promise<string> {
  const client = await WireClient.open(server);
  const session = await sessionOf(await startLogin(client, person.name, device), person);
  const outcome = codeOf(await client.call("login.proof", proofOf(session, client.exporter)));
  await client.close();
  return outcome;
}

/** So many wrong passwords, each as soon as it is judged; the clock goes on with the waits. */
export async function failPasswords(
  server: Target & { clock: Clock },
  name: string,
  count: number,
  device?: KnownDevice,
): Promise<void> {
  const client = await WireClient.open(server);
  for (let charged = 0; charged < count; ) {
    const wait = (await guessPassword(client, name, device))?.error?.data.retry_after;
    if (wait === undefined) charged += 1;
    else server.clock.advance(wait * 1000);
  }
  await client.close();
}

/** The same of codes, behind the right password. */
export async function failCodes(
  server: Target & { clock: Clock },
  person: Person,
  count: number,
  device?: KnownDevice,
): Promise<void> {
  const client = await WireClient.open(server);
  let proved = false;
  for (let charged = 0; charged < count; ) {
    if (!proved) await provePassword(client, person, device);
    const reply = await client.call("login.code", { code: person.wrongCode(server.clock) });
    const wait = reply?.error?.data.retry_after;
    proved = wait === undefined;
    if (wait === undefined) charged += 1;
    else server.clock.advance(wait * 1000);
    if (codeOf(reply) === "codes_locked") throw new Error(`locked after ${charged}`);
  }
  await client.close();
}

/** How a code is judged, over a connection of its own: `ok`, the code of the error, or `closed`. */
export async function tryCode(server: Target, person: Person, code: string, device?: KnownDevice): Promise<string> {
  const client = await WireClient.open(server);
  await provePassword(client, person, device);
  const outcome = codeOf(await client.call("login.code", { code }));
  await client.close();
  return outcome;
}

/**
 * Locks the codes of strangers, or of a known device, by the last wrong one of a hundred in a row; the others are
 * written into the store, as `failCodes` would in a while. The clock then stands behind the wait for that last one.
 */
export async function lockCodes(server: TestServer, person: Person, device?: KnownDevice): Promise<void> {
  const { barrier, clock } = server;
  const nameIndex = barrier.nameIndex(person.name);
  const codeBudget = { failures: 99, lastFailure: clock.now(), blockedUntil: clock.now(), noted: false };
  await barrier.transact(async (tx) => {
    const account = await findAccount(tx, nameIndex);
    if (account === undefined) throw new Error("nobody has that name");
    const known = device && (await findDevice(tx, deviceOwner(account.id), device.device));
    if (known === undefined) await putAccount(tx, nameIndex, { ...account, codeBudget });
    else await putDevice(tx, { ...known, codeBudget });
  });
  await failCodes(server, person, 1, device);
  clock.advance(HOUR);
}

/** Connections that all await a code of this person. */
export async function awaitingCode(server: Target, person: Person, count: number): Promise<WireClient[]> {
  const clients: WireClient[] = [];
  for (let made = 0; made < count; made += 20) {
    const batch = Array.from({ length: Math.min(20, count - made) }, async () => {
      const client = await WireClient.open(server);
      await provePassword(client, person);
      return client;
    });
    clients.push(...(await Promise.all(batch)));
  }
  return clients;
}
