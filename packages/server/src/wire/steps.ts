import { isRecoverable, PosternError } from "@postern/shared/errors";
import type { AccountId, DeviceId } from "@postern/shared/ids";
import { type CodeParams, isMethod, type Method, type Params, type Result } from "@postern/shared/messages";
import { encodeSuccessor, SUCCESSORS_FEATURE, type SuccessorStatement } from "@postern/shared/successor";
import type { Factor, TotpFactor } from "../records/account.js";
import type { Device } from "../records/device.js";
import type { Session } from "../records/session.js";
import { removeOwnAccount } from "../services/account-removal.js";
import type { Peer, ServiceContext } from "../services/context.js";
import { forgetDevice, forgetOtherDevices, listDevices } from "../services/devices.js";
import type { FactorEnrolment } from "../services/enrolment.js";
import { confirmReplacement, offerReplacement } from "../services/factor-reset.js";
import type { CodeGuess } from "../services/factors.js";
import { type DeviceProof, recogniseDevice, stranger } from "../services/guesser.js";
import { sessionLimits } from "../services/live-session.js";
import { beginLogin, nameLogin, provePassword } from "../services/login.js";
import { changePassword, type LoggedIn, verifyCode } from "../services/login-code.js";
import { confirmNewFactor, listFactors, offerNewFactor, removeFactor } from "../services/own-factors.js";
import { listSessions, revokeOtherSessions, revokeSession } from "../services/own-sessions.js";
import { beginPasswordReset, resetPassword } from "../services/password-reset.js";
import { recoveryStatus, regenerateRecovery } from "../services/recovery.js";
import { beginRegistration, confirmRegistration, offerFactor, type Registered } from "../services/registration.js";
import { endSession, type MoveWait, resumeSession, useSession } from "../services/sessions.js";
import { freshUntil, verifySession } from "../services/step-up.js";
import { mintToken } from "../services/tokens.js";
import { readParams } from "./params.js";
import { type Awaits, awaitStart, type State, type StateOf } from "./states.js";

/** Whole seconds to wait, 0 for none; for a process that is one of several, it is another one that counts. */
type Wait = number | Promise<number>;

/** What a step can see of its connection. */
export interface StepContext {
  readonly services: ServiceContext;
  readonly server: { readonly name: string; readonly version: string };
  /** How the identity that this connection shows came to be the one, newest first. */
  readonly successors: readonly SuccessorStatement[];
  /** The peer, and after `hello` with the name that its client gave. */
  peer: Peer;
  /** The TLS exporter of this connection, 32 bytes. RFC 9266. */
  readonly exporter: () => Buffer;
  /** Seconds left of a registration. */
  readonly secondsLeft: () => number;
  /** Seconds that the enrolment of another authenticator may take. */
  readonly enrolmentSeconds: number;
  /**
   * Counts a start of this connection's address, or of the known device that makes it: 0 when it may go on, else the
   * whole seconds to wait.
   */
  readonly startWait: (device?: DeviceId) => Wait;
  /** The same for a call of a session that leaves a record, counted by its account: ten sessions have no more than one. */
  readonly recordWait: (account: AccountId) => Wait;
  /** The same for the records of its sessions that go on from another address. */
  readonly moveWait: MoveWait;
}

interface Done<M extends Method> {
  readonly next: State;
  readonly result: Result<M>;
}

type Step<A extends Awaits, M extends Method> = (
  state: StateOf<A>,
  params: Params<M>,
  context: StepContext,
) => Promise<Done<M>> | Done<M>;

/**
 * For each state the calls that are possible in it; every other one is out of order.
 *
 * A call of a session that leaves a record, by its refusal too, is counted first. Those that end something are not: each
 * record of theirs is of something that a counted call or a login made, and whoever has stolen a session must not be
 * able to keep its owner from ending it.
 */
const steps: { readonly [A in Awaits]: { readonly [M in Method]?: Step<A, M> } } = {
  hello: {
    hello: (_state, { client, version, features }, context) => {
      context.peer = { ...context.peer, client: `${client} ${version}` };
      const { server, services, successors } = context;
      const { registration } = services;
      const greeting = { server: server.name, version: server.version, registration };
      // Asked for only by a client that has pinned another identity. It sends no name before it has judged them.
      const result = features.includes(SUCCESSORS_FEATURE)
        ? { ...greeting, features: [SUCCESSORS_FEATURE], successors: successors.map(encodeSuccessor) }
        : { ...greeting, features: [] };
      return { next: awaitStart, result };
    },
  },

  start: {
    "register.start": async (_state, { name, invite }, context) => {
      refuseWhile(await context.startWait());
      const { services, peer } = context;
      const free = await beginRegistration(services, peer, name, invite);
      const { identity, salt, stretch } = free;
      return {
        next: { awaits: "verifier", name: free },
        result: { identity, salt: salt.toString("hex"), stretch },
      };
    },
    "login.start": async (_state, { name, A, device }, context) => {
      const { services } = context;
      const named = nameLogin(services, name, A);
      const guesser =
        device === undefined ? stranger : await recogniseDevice(services, named, deviceProof(device, context));
      // Whoever shares an address with strangers is not to be kept out by them: a known device has a count of its own.
      refuseWhile(await context.startWait(guesser.kind === "device" ? guesser.id : undefined));
      const challenge = await beginLogin(services, named, guesser);
      const { identity, salt, stretch, ephemeral } = challenge;
      return {
        next: { awaits: "proof", challenge },
        result: { identity, salt: salt.toString("hex"), stretch, B: ephemeral.publicHex },
      };
    },
    "reset.start": async (_state, { name, mac }, context) => {
      refuseWhile(await context.startWait());
      const { services, peer, exporter } = context;
      const proof = { mac: Buffer.from(mac, "hex"), exporter: exporter() };
      const { shown, salt, stretch, factors, period, mac: own } = await beginPasswordReset(services, peer, name, proof);
      const made = { mac: own.toString("hex"), identity: shown.identity, salt: salt.toString("hex") };
      return { next: { awaits: "reset-code", shown }, result: { ...made, stretch, factors: [...factors], period } };
    },
    "session.resume": async (_state, { account, session: id, mac }, { services, peer, exporter, moveWait }) => {
      const proof = { account, id, mac: Buffer.from(mac, "hex"), exporter: exporter() };
      const { session, mac: answer } = await resumeSession(services, peer, proof, moveWait);
      const result = { ...sessionFacts(session), mac: answer.toString("hex") };
      return { next: { awaits: "session-call", session }, result };
    },
  },

  verifier: {
    "register.verifier": ({ name }, { verifier }, { services, secondsLeft }) => {
      const enrolment = offerFactor(services, name, verifier);
      return {
        next: { awaits: "first-code", enrolment },
        result: { ...shownEnrolment(enrolment.authenticator), expires_in: secondsLeft() },
      };
    },
  },

  "first-code": {
    "register.confirm": async ({ enrolment }, { code }, { services, peer }) => {
      return { next: awaitStart, result: registeredAs(await confirmRegistration(services, peer, enrolment, code)) };
    },
  },

  proof: {
    "login.proof": async ({ challenge }, { M1, mac }, { services, peer, exporter }) => {
      const proof = { proofHex: M1, mac: Buffer.from(mac, "hex"), exporter: exporter() };
      const answer = await provePassword(services, peer, challenge, proof);
      const { password, proofHex, serverMac, factors, period, restretch } = answer;
      return {
        next: { awaits: "code", password, tried: false },
        result: { M2: proofHex, mac: serverMac.toString("hex"), factors: [...factors], period, restretch },
      };
    },
  },

  code: {
    "login.code": async ({ password }, { restretched, ...given }, { services, peer }) => {
      const entered = await verifyCode(services, peer, password, { guess: guessOf(given), restretched });
      return { next: { awaits: "session-call", session: entered.grant.session }, result: newSession(entered) };
    },
    "password.change": async ({ password }, { new_verifier: stretched, ...given }, { services, peer }) => {
      const entered = await changePassword(services, peer, password, { guess: guessOf(given), stretched });
      return { next: { awaits: "session-call", session: entered.grant.session }, result: newSession(entered) };
    },
    "reset.factors": async ({ password }, { token }, { services, peer, enrolmentSeconds }) => {
      const replacement = await offerReplacement(services, peer, password, token);
      return {
        next: { awaits: "replacement-code", replacement },
        result: { ...shownEnrolment(replacement.authenticator), expires_in: enrolmentSeconds },
      };
    },
  },

  "reset-code": {
    "reset.password": async ({ shown }, { new_verifier: stretched, ...given }, { services, peer }) => {
      const { account, identity } = await resetPassword(services, peer, shown, { guess: guessOf(given), stretched });
      return { next: awaitStart, result: { account, name: identity } };
    },
  },

  "replacement-code": {
    "reset.confirm": async ({ replacement }, { code }, { services, peer }) => {
      return { next: awaitStart, result: registeredAs(await confirmReplacement(services, peer, replacement, code)) };
    },
  },

  "session-call": {
    "session.whoami": (state) => ({ next: state, result: sessionFacts(state.session) }),
    "session.token": async (state, { audience }, { services, peer, recordWait }) => {
      refuseWhile(await recordWait(state.session.account));
      const { token, expiresIn } = await mintToken(services, peer, state.session, audience);
      return { next: state, result: { token, expires_in: expiresIn } };
    },
    "session.verify": async (state, given, { services, peer, recordWait }) => {
      refuseWhile(await recordWait(state.session.account));
      const session = await verifySession(services, peer, state.session, guessOf(given));
      return { next: { awaits: "session-call", session }, result: sessionFacts(session) };
    },
    "session.list": async (state, _params, { services }) => {
      const sessions = await listSessions(services, state.session);
      return { next: state, result: { sessions: sessions.map((session) => listedSession(session, state.session)) } };
    },
    "session.revoke": async (state, { session }, { services, peer }) => {
      await revokeSession(services, peer, state.session, session);
      return { next: session === state.session.id ? awaitStart : state, result: {} };
    },
    "session.revoke_others": async (state, _params, { services, peer }) => {
      return { next: state, result: { revoked: await revokeOtherSessions(services, peer, state.session) } };
    },
    "session.logout": async (state, _params, { services, peer }) => {
      await endSession(services, peer, state.session);
      return { next: awaitStart, result: {} };
    },

    "device.list": async (state, _params, { services }) => {
      const devices = await listDevices(services, state.session);
      return { next: state, result: { devices: devices.map((device) => listedDevice(device, state.session)) } };
    },
    "device.forget": async (state, { device }, { services, peer }) => {
      await forgetDevice(services, peer, state.session, device);
      return { next: state, result: {} };
    },
    "device.forget_others": async (state, _params, { services, peer }) => {
      return { next: state, result: { forgotten: await forgetOtherDevices(services, peer, state.session) } };
    },

    "factor.list": async (state, _params, { services }) => {
      const factors = await listFactors(services, state.session);
      return { next: state, result: { factors: factors.map((factor) => listedFactor(factor)) } };
    },
    "factor.add": async ({ session }, wish, { services, enrolmentSeconds, recordWait }) => {
      refuseWhile(await recordWait(session.account));
      const enrolment = await offerNewFactor(services, session, wish);
      const { factor, uri, secretText } = enrolment;
      const { label, algorithm, digits } = factor;
      const shown = { label, secret: secretText, uri, algorithm, digits, period: periodOf(factor) };
      return {
        next: { awaits: "factor-code", session, enrolment },
        result: { ...shown, expires_in: enrolmentSeconds },
      };
    },
    "factor.remove": async (state, { factor }, { services, peer }) => {
      await removeFactor(services, peer, state.session, factor);
      return { next: state, result: {} };
    },

    "recovery.status": async (state, _params, { services }) => {
      return { next: state, result: await recoveryStatus(services, state.session) };
    },
    "recovery.regenerate": async (state, _params, { services, peer, recordWait }) => {
      refuseWhile(await recordWait(state.session.account));
      return { next: state, result: { recovery_codes: await regenerateRecovery(services, peer, state.session) } };
    },

    "account.delete": async (state, given, { services, peer, recordWait }) => {
      refuseWhile(await recordWait(state.session.account));
      await removeOwnAccount(services, peer, state.session, guessOf(given));
      return { next: awaitStart, result: {} };
    },
  },

  "factor-code": {
    "factor.confirm": async ({ session, enrolment }, { code }, { services, peer }) => {
      const factor = await confirmNewFactor(services, peer, session, { enrolment, code });
      return { next: { awaits: "session-call", session }, result: listedFactor(factor) };
    },
  },
};

interface Taken {
  readonly next: State;
  readonly result: object;
}

/**
 * Takes one call from one state to the next.
 * @throws (or rejects with) PosternError `bad_request` for an unknown method or parameters that do not fit it, `out_of_order` for a call
 * that this state does not await, `session_invalid` where its session has ended, and what the step itself refuses.
 */
export function takeStep(state: State, method: string, params: unknown, context: StepContext): Promise<Taken> | Taken {
  if (!isMethod(method)) throw new PosternError("bad_request");
  const given = readParams(method, params);
  if (given === undefined) throw new PosternError("bad_request");
  const step = steps[state.awaits][method] as Step<Awaits, Method> | undefined;
  if (step === undefined) throw new PosternError("out_of_order");
  // A call of a session is a use of it, but for its end.
  if (!("session" in state) || method === "session.logout") return step(state, given, context);
  return usedBy(state, context).then((used) => step(used, given, context));
}

/** The session is then as the store has it now. */
async function usedBy<S extends State & { session: Session }>(state: S, context: StepContext): Promise<S> {
  const { services, peer, moveWait } = context;
  return { ...state, session: await useSession(services, peer, state.session, moveWait) };
}

const periodOf = (factor: Factor) => (factor.kind === "totp" ? factor.period : undefined);

/** Where a connection stands after a refusal, or undefined when it is to be closed. */
export function stateAfter(state: State, { code }: PosternError): State | undefined {
  if (!isRecoverable(code)) return undefined;
  if (code === "session_invalid") return awaitStart;
  // Nothing was decided when the database was away: nobody has to show again what they have shown.
  const again = code === "code_refused" || code === "unavailable";
  switch (state.awaits) {
    case "session-call":
      return state;
    case "factor-code":
      return again && state.enrolment.triesLeft > 0 ? state : { awaits: "session-call", session: state.session };
    case "replacement-code":
      return again && state.replacement.authenticator.triesLeft > 0 ? state : awaitStart;
    case "reset-code":
      return again || code === "verifier_invalid" ? state : awaitStart;
    case "first-code":
      return again && state.enrolment.authenticator.triesLeft > 0 ? state : awaitStart;
    case "code":
      if (code === "code_refused") return { ...state, tried: true };
      // No code was looked at: whoever leaves now leaves after the right password alone, and that is recorded.
      return again || code === "verifier_invalid" ? state : awaitStart;
    default:
      return awaitStart;
  }
}

function shownEnrolment({ factor, secretText: secret, uri }: FactorEnrolment<TotpFactor>) {
  const { algorithm, digits, period } = factor;
  return { secret, uri, algorithm, digits, period };
}

function registeredAs({ account, identity, recoveryCodes }: Registered): Result<"register.confirm"> {
  return { account, name: identity, recovery_codes: [...recoveryCodes] };
}

function guessOf({ code, second_code: secondCode }: CodeParams): CodeGuess {
  return { code, secondCode };
}

function deviceProof(
  { device, mac }: { device: DeviceId; mac: string },
  { exporter }: Pick<StepContext, "exporter">,
): DeviceProof {
  return { id: device, mac: Buffer.from(mac, "hex"), exporter: exporter() };
}

const inSeconds = (milliseconds: number) => Math.floor(milliseconds / 1000);

/** @throws PosternError `rate_limited` while there are seconds to wait */
function refuseWhile(retryAfter: number): void {
  if (retryAfter > 0) throw new PosternError("rate_limited", { retryAfter });
}

function sessionFacts(session: Session): Result<"session.whoami"> {
  return {
    account: session.account,
    name: session.identity,
    session: session.id,
    authenticated_at: inSeconds(session.authenticatedAt),
    expires_at: inSeconds(session.expiresAt),
    idle_timeout: sessionLimits.idleMs / 1000,
    fresh_until: inSeconds(freshUntil(session)),
    device: session.device,
  };
}

function newSession({ grant, recoveryCodesLeft, newDevice }: LoggedIn): Result<"login.code"> {
  return {
    ...sessionFacts(grant.session),
    secret: grant.secret,
    recovery_codes_left: recoveryCodesLeft,
    new_device: newDevice && { device: newDevice.id, secret: newDevice.secret.toString("hex") },
  };
}

function listedSession(session: Session, current: Session): Result<"session.list">["sessions"][number] {
  return {
    session: session.id,
    authenticated_at: inSeconds(session.authenticatedAt),
    last_seen_at: inSeconds(session.lastSeenAt),
    expires_at: inSeconds(session.expiresAt),
    address: session.address,
    client: session.client,
    device: session.device,
    current: session.id === current.id,
  };
}

function listedDevice(device: Device, current: Session): Result<"device.list">["devices"][number] {
  return {
    device: device.id,
    first_seen_at: inSeconds(device.createdAt),
    last_seen_at: inSeconds(device.lastSeenAt),
    address: device.address,
    client: device.client,
    current: device.id === current.device,
  };
}

function listedFactor(factor: Factor): Result<"factor.confirm"> {
  const { id, kind, label, algorithm, digits, createdAt, lastUsedAt } = factor;
  return {
    factor: id,
    kind,
    label,
    algorithm,
    digits,
    period: periodOf(factor),
    created_at: inSeconds(createdAt),
    last_used_at: lastUsedAt === undefined ? undefined : inSeconds(lastUsedAt),
  };
}
