import { createHash, randomBytes } from "node:crypto";
import { channelMac, verifyChannelMac } from "@postern/shared/channel";
import { stretchPassword } from "@postern/shared/kdf";
import type { Result } from "@postern/shared/messages";
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
import { parsePublicValue, parseSalt } from "@postern/shared/srp/parse";
import type { Clock } from "./in-process.js";
import { codeOf, type Target, WireClient } from "./wire-client.js";

/**
 * A person with a name, a password and an authenticator, who can take each step of a registration and a login on
 * its own, in whatever order a test wants.
 */

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

export async function startLogin(client: WireClient, name: string): Promise<Challenge> {
  const ephemeral = clientEphemeral();
  const challenge = await client.ok("login.start", { name, A: ephemeral.publicHex });
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
export async function provePassword(client: WireClient, person: Person): Promise<void> {
  const session = await sessionOf(await startLogin(client, person.name), person);
  const { M2, mac } = await client.ok("login.proof", proofOf(session, client.exporter));
  verifyServerProof(session, M2);
  if (!verifyChannelMac("server", session.key, client.exporter, Buffer.from(mac, "hex"))) {
    throw new Error("the server's channel MAC does not fit this connection");
  }
}

/** A password guess that is wrong, and paid for: how the server answers `login.proof`. */
export async function guessPassword(client: WireClient, name: string) {
  const started = await client.call("login.start", { name, A: clientEphemeral().publicHex });
  if (started?.result === undefined) return started;
  return client.call("login.proof", guessedProof());
}

/** A whole login on a connection that awaits `start`. */
export async function logIn(client: WireClient, person: Person, code: string): Promise<Result<"login.code">> {
  await provePassword(client, person);
  return client.ok("login.code", { code });
}

/** How a code is judged, over a connection of its own: `ok`, the code of the error, or `closed`. */
export async function tryCode(server: Target, person: Person, code: string): Promise<string> {
  const client = await WireClient.open(server);
  await provePassword(client, person);
  const outcome = codeOf(await client.call("login.code", { code }));
  await client.close();
  return outcome;
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
