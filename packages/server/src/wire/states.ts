import type { Session } from "../records/session.js";
import type { FactorEnrolment } from "../services/enrolment.js";
import type { FactorReplacement } from "../services/factor-reset.js";
import type { LoginChallenge } from "../services/login.js";
import type { Enrolment, NameFree } from "../services/registration.js";
import type { PasswordVerified, ResetTokenShown } from "../services/witnesses.js";
import type { DeadlineKind } from "./admission.js";

/**
 * What a connection awaits. A state carries the witness of every check that led to it, and nothing else: in
 * `AwaitCode` there is a proved password and no session, so nothing can be done but give a code or fail.
 */
export type State =
  | { readonly awaits: "hello" }
  | { readonly awaits: "start" }
  | { readonly awaits: "verifier"; readonly name: NameFree }
  | { readonly awaits: "first-code"; readonly enrolment: Enrolment }
  | { readonly awaits: "proof"; readonly challenge: LoginChallenge }
  | { readonly awaits: "code"; readonly password: PasswordVerified; readonly tried: boolean }
  | { readonly awaits: "reset-code"; readonly shown: ResetTokenShown }
  | { readonly awaits: "replacement-code"; readonly replacement: FactorReplacement }
  | { readonly awaits: "session-call"; readonly session: Session }
  | { readonly awaits: "factor-code"; readonly session: Session; readonly enrolment: FactorEnrolment };

export type Awaits = State["awaits"];
export type StateOf<A extends Awaits> = Extract<State, { awaits: A }>;

export const awaitHello: State = { awaits: "hello" };
export const awaitStart: State = { awaits: "start" };

/**
 * How long each state waits. Registration has one deadline from its start to its end: a person chooses a password and
 * installs an app meanwhile; so going from one of its states to the next does not begin a new one.
 */
export const deadlineOf: Record<Awaits, DeadlineKind> = {
  hello: "step",
  start: "step",
  verifier: "registration",
  "first-code": "registration",
  proof: "step",
  code: "step",
  "reset-code": "registration",
  "replacement-code": "registration",
  "session-call": "idle",
  "factor-code": "registration",
};
