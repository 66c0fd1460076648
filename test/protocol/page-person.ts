import { randomBytes } from "node:crypto";
import * as byThePage from "./by-the-page.js";
import { type Endpoint, type Failure, type KnownDevice, PageClient, type Result } from "./page-client.js";

/** What a person does with a client that is made of docs/protocol.md alone: registers, logs in, shows codes. */

export interface Person {
  readonly name: string;
  readonly password: string;
  /** The device that the person sits at, if it is a known one. */
  readonly device?: KnownDevice | undefined;
}

export interface Registered extends Person {
  readonly authenticator: byThePage.Authenticator;
  readonly recoveryCodes: readonly string[];
}

/** Section "Registration", with the code of the step before the present one; by an invite where there is one. */
export async function register(
  client: PageClient,
  endpoint: Endpoint,
  person: Person,
  by: { readonly invite?: string } = {},
): Promise<Registered> {
  const start = await client.call("register.start", { name: person.name, ...by });
  const enrolment = await client.call("register.verifier", { verifier: verifier(start, person.password) });
  const authenticator = authenticatorOf(enrolment);
  const done = await client.call("register.confirm", { code: codeNow(authenticator, endpoint, -1) });
  return { ...person, authenticator, recoveryCodes: done.recovery_codes };
}

/** What a reply that shows a secret tells an app. */
export function authenticatorOf({ secret, algorithm, digits, period }: Result): byThePage.Authenticator {
  return { secret: byThePage.fromBase32(secret), algorithm, digits, ...(period !== undefined && { period }) };
}

/** What a TOTP authenticator shows at the present step, or at one beside it. */
export function codeNow(authenticator: byThePage.Authenticator, { time }: Endpoint, offset = 0): string {
  return byThePage.otp(authenticator, Math.floor(time / (authenticator.period ?? 30)) + offset);
}

/** Waits until the authenticator shows another code than before. */
export function nextCode({ authenticator }: Registered, endpoint: { time: number } & Endpoint): string {
  endpoint.time += authenticator.period ?? 30;
  return codeNow(authenticator, endpoint);
}

/** P, kept as the page allows: as long as all that it was made of is the same. */
const kept = new Map<string, string>();

function stretched(password: string, start: byThePage.Start): string {
  const key = JSON.stringify([password, start.salt, start.stretch]);
  const P = kept.get(key) ?? byThePage.stretched(password, start);
  kept.set(key, P);
  return P;
}

/** v, with the parameters of the reply or with others. */
export function verifier(start: byThePage.Start, password: string, stretch = start.stretch): string {
  const x = byThePage.privateKey(start, stretched(password, { ...start, stretch }));
  return byThePage.power(x).toString("hex");
}

/** Section "Login" up to both proofs: what the last reply must hold is in `expected`. */
export async function proof(client: PageClient, { name, password, device }: Person, exporter = client.exporter) {
  const a = randomBytes(32);
  a.writeUInt8(a.readUInt8(0) | 0x80, 0);
  const A = byThePage.power(a);
  const shown = device && { device: deviceProof(device, exporter) };
  const start = await client.call("login.start", { name, A: A.toString("hex"), ...shown });
  const B = byThePage.unhex(start.B);
  const x = byThePage.privateKey(start, stretched(password, start));
  const K = byThePage.hash(byThePage.clientSecret({ B, x, u: byThePage.hash(A, B), a }));
  const M1 = byThePage.clientProof(start, { A, B, K });
  return {
    start,
    params: { M1: M1.toString("hex"), mac: byThePage.mac("client", K, exporter).toString("hex") },
    expected: {
      M2: byThePage.serverProof({ A, M1, K }).toString("hex"),
      mac: byThePage.mac("server", K, exporter).toString("hex"),
    },
  };
}

/** Section "Known devices". */
export function deviceProof({ device, secret }: KnownDevice, exporter: Buffer) {
  return { device, mac: byThePage.deviceMac(byThePage.unhex(secret), exporter).toString("hex") };
}

/** The whole password step: afterwards the connection awaits a code. Gives what both replies said. */
export async function provePassword(client: PageClient, person: Person): Promise<Result> {
  const { start, params, expected } = await proof(client, person);
  const reply = await client.call("login.proof", params);
  if (reply.M2 !== expected.M2 || reply.mac !== expected.mac) throw new Error("the server did not prove itself");
  return { ...start, ...reply };
}

/** A whole login, with the next code of the person's first authenticator. Moves to the stretching that is asked for. */
export async function login(
  client: PageClient,
  endpoint: { time: number } & Endpoint,
  person: Registered,
): Promise<Result> {
  const { restretch, ...start } = await provePassword(client, person);
  const moved = restretch && { restretched: stretchedVerifier(start, person.password, restretch) };
  return client.call("login.code", { code: nextCode(person, endpoint), ...moved });
}

/** What a login told of the device that it made known. */
export function newDevice({ new_device: device }: Result): KnownDevice {
  if (device === undefined) throw new Error("the device was a known one");
  return device;
}

/** What a code is answered in a login of its own: nothing, or why not. */
export async function answerToCode(
  endpoint: Endpoint,
  person: Person,
  params: object,
): Promise<Failure["error"]["data"] | undefined> {
  const client = await PageClient.open(endpoint);
  await provePassword(client, person);
  const reply = await client.ask("login.code", params);
  client.close();
  return "error" in reply ? reply.error.data : undefined;
}

/** Section "Stretching". */
export function stretchedVerifier(start: byThePage.Start, password: string, stretch: byThePage.Stretch) {
  return { generation: stretch.generation, verifier: verifier(start, password, stretch) };
}

/** Section "Authenticators". Gives the new one, and the facts that the last reply says of it. */
export async function addAuthenticator(client: PageClient, endpoint: Endpoint, wish: object) {
  const offer = await client.call("factor.add", wish);
  const authenticator = authenticatorOf(offer);
  const code = authenticator.period === undefined ? byThePage.otp(authenticator, 0) : codeNow(authenticator, endpoint);
  return { authenticator, offer, facts: await client.call("factor.confirm", { code }) };
}
