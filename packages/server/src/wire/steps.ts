import { type ErrorCode, PosternError } from "@postern/shared/errors";
import { isMethod, type Method, methods, type Params, type Result } from "@postern/shared/messages";
import type { Session } from "../records/session.js";
import type { Peer, ServiceContext } from "../services/context.js";
import { beginLogin, provePassword, verifyCode } from "../services/login.js";
import { beginRegistration, confirmRegistration, offerFactor } from "../services/registration.js";
import { endSession, resumeSession, sessionLimits, useSession } from "../services/sessions.js";
import { mintToken } from "../services/tokens.js";
import { type Awaits, awaitStart, type State, type StateOf } from "./states.js";

/** What a step can see of its connection. */
export interface StepContext {
  readonly services: ServiceContext;
  readonly server: { readonly name: string; readonly version: string };
  /** The peer, and after `hello` with the name that its client gave. */
  peer: Peer;
  /** The TLS exporter of this connection, 32 bytes. RFC 9266. */
  readonly exporter: () => Buffer;
  /** Seconds left of a registration. */
  readonly secondsLeft: () => number;
  /** Counts a start of this connection's address: 0 when it may go on, else the whole seconds to wait. */
  readonly startWait: () => number;
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

/** For each state the calls that are possible in it; every other one is out of order. */
const steps: { readonly [A in Awaits]: { readonly [M in Method]?: Step<A, M> } } = {
  hello: {
    hello: (_state, { client, version }, context) => {
      context.peer = { ...context.peer, client: `${client} ${version}` };
      const { server, services } = context;
      const { registration } = services;
      return {
        next: awaitStart,
        result: { server: server.name, version: server.version, features: [], registration },
      };
    },
  },

  start: {
    "register.start": async (_state, { name }, context) => {
      refuseIfTooMany(context);
      const { services, peer } = context;
      const free = await beginRegistration(services, peer, name);
      const { identity, salt, stretch } = free;
      return {
        next: { awaits: "verifier", name: free },
        result: { identity, salt: salt.toString("hex"), stretch },
      };
    },
    "login.start": async (_state, { name, A }, context) => {
      refuseIfTooMany(context);
      const challenge = await beginLogin(context.services, name, A);
      const { identity, salt, stretch, ephemeral } = challenge;
      return {
        next: { awaits: "proof", challenge },
        result: { identity, salt: salt.toString("hex"), stretch, B: ephemeral.publicHex },
      };
    },
    "session.resume": async (_state, { secret }, { services, peer }) => {
      const session = await resumeSession(services, peer, secret);
      return { next: { awaits: "session-call", session }, result: sessionFacts(session) };
    },
  },

  verifier: {
    "register.verifier": ({ name }, { verifier }, { services, secondsLeft }) => {
      const enrolment = offerFactor(services, name, verifier);
      const { uri, secretText, factor } = enrolment;
      const { algorithm, digits, period } = factor;
      return {
        next: { awaits: "first-code", enrolment },
        result: { secret: secretText, uri, algorithm, digits, period, expires_in: secondsLeft() },
      };
    },
  },

  "first-code": {
    "register.confirm": async ({ enrolment }, { code }, { services, peer }) => {
      const { account, identity, recoveryCodes } = await confirmRegistration(services, peer, enrolment, code);
      return { next: awaitStart, result: { account, name: identity, recovery_codes: [...recoveryCodes] } };
    },
  },

  proof: {
    "login.proof": async ({ challenge }, { M1, mac }, { services, peer, exporter }) => {
      const proof = { proofHex: M1, mac: Buffer.from(mac, "hex"), exporter: exporter() };
      const { password, proofHex, serverMac, factors } = await provePassword(services, peer, challenge, proof);
      return {
        next: { awaits: "code", password, tried: false },
        result: { M2: proofHex, mac: serverMac.toString("hex"), factors: [...factors] },
      };
    },
  },

  code: {
    "login.code": async ({ password }, { factor, code }, { services, peer }) => {
      const { grant, recoveryCodesLeft } = await verifyCode(services, peer, password, { factor, code });
      const { session, secret } = grant;
      return {
        next: { awaits: "session-call", session },
        result: { ...sessionFacts(session), secret, recovery_codes_left: recoveryCodesLeft },
      };
    },
  },

  "session-call": {
    "session.whoami": async (state, _params, { services, peer }) => {
      const session = await useSession(services, peer, state.session);
      return { next: { awaits: "session-call", session }, result: sessionFacts(session) };
    },
    "session.token": async (state, { audience }, { services, peer }) => {
      const session = await useSession(services, peer, state.session);
      const { token, expiresIn } = await mintToken(services, peer, session, audience);
      return { next: { awaits: "session-call", session }, result: { token, expires_in: expiresIn } };
    },
    "session.logout": async (state, _params, { services, peer }) => {
      await endSession(services, peer, state.session);
      return { next: awaitStart, result: {} };
    },
  },
};

/**
 * Takes one call from one state to the next.
 * @throws PosternError `bad_request` for an unknown method or parameters that do not fit it, `out_of_order` for a call
 * that this state does not await, and what the step itself refuses.
 */
export async function takeStep(
  state: State,
  method: string,
  params: unknown,
  context: StepContext,
): Promise<{ next: State; result: object }> {
  if (!isMethod(method)) throw new PosternError("bad_request");
  const parsed = methods[method].params.safeParse(params);
  if (!parsed.success) throw new PosternError("bad_request");
  const step = steps[state.awaits][method] as Step<Awaits, Method> | undefined;
  if (step === undefined) throw new PosternError("out_of_order");
  return step(state, parsed.data, context);
}

/** Refusals that a person can do something about: the connection goes on. After any other error it is closed. */
export const recoverable: readonly ErrorCode[] = [
  "registration_closed",
  "name_invalid",
  "name_taken",
  "verifier_invalid",
  "login_failed",
  "code_refused",
  "throttled",
  "rate_limited",
  "codes_locked",
  "busy",
  "session_invalid",
];

/** Where a connection stands after a refusal, or undefined when it is to be closed. */
export function stateAfter(state: State, { code }: PosternError): State | undefined {
  if (!recoverable.includes(code)) return undefined;
  if (code !== "code_refused") return awaitStart;
  if (state.awaits === "code") return { ...state, tried: true };
  return state.awaits === "first-code" && state.enrolment.triesLeft > 0 ? state : awaitStart;
}

/** @throws PosternError `rate_limited` when this connection's address begins too much */
function refuseIfTooMany({ startWait }: StepContext): void {
  const retryAfter = startWait();
  if (retryAfter > 0) throw new PosternError("rate_limited", { retryAfter });
}

function sessionFacts(session: Session): Result<"session.whoami"> {
  return {
    account: session.account,
    name: session.identity,
    session: session.id,
    authenticated_at: Math.floor(session.authenticatedAt / 1000),
    expires_at: Math.floor(session.expiresAt / 1000),
    idle_timeout: sessionLimits.idleMs / 1000,
  };
}
