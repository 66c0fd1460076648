import { type Method, methods } from "@postern/shared/messages";
import { clientEphemeral } from "@postern/shared/srp/client";
import { guessedProof } from "./person.js";
import { hello } from "./wire-client.js";

/** Parameters that fit their methods: what is refused is the moment, not the form. */
export const fittingParams: Record<Method, object> = {
  hello,
  "register.start": { name: "mallory" },
  "register.verifier": { verifier: clientEphemeral().publicHex },
  "register.confirm": { code: "123456" },
  "login.start": { name: "alice", A: clientEphemeral().publicHex },
  "login.proof": guessedProof(),
  "login.code": { code: "123456" },
  "password.change": { code: "123456", new_verifier: { generation: 1, verifier: clientEphemeral().publicHex } },
  "reset.start": { name: "alice", mac: "0".repeat(64) },
  "reset.password": { code: "123456", new_verifier: { generation: 1, verifier: clientEphemeral().publicHex } },
  "reset.factors": { token: "0".repeat(32) },
  "reset.confirm": { code: "123456" },
  "session.resume": { account: `acc_${"0".repeat(32)}`, session: `ses_${"0".repeat(32)}`, mac: "0".repeat(64) },
  "session.whoami": {},
  "session.token": {},
  "session.verify": { code: "123456" },
  "session.list": {},
  "session.revoke": { session: `ses_${"0".repeat(32)}` },
  "session.revoke_others": {},
  "session.logout": {},
  "device.list": {},
  "device.forget": { device: `dev_${"0".repeat(32)}` },
  "device.forget_others": {},
  "factor.list": {},
  "factor.add": { kind: "totp" },
  "factor.confirm": { code: "123456" },
  "factor.remove": { factor: `fac_${"0".repeat(32)}` },
  "recovery.status": {},
  "recovery.regenerate": {},
  "account.delete": { code: "123456" },
};

export const everyMethod = Object.keys(methods) as Method[];

/** They have a session's name, and are none of its calls. */
const outside: ReadonlySet<Method> = new Set(["session.resume", "factor.confirm"]);

/** The calls that a session takes. */
export const sessionCalls = everyMethod.filter(
  (method) => /^(?:session|device|factor|recovery|account)\./.test(method) && !outside.has(method),
);
