import { createHash } from "node:crypto";
import { findAccount } from "../../../../packages/server/dist/records/account.js";
import { putSession } from "../../../../packages/server/dist/records/session.js";
import { resumeSession } from "../../../../packages/server/dist/services/sessions.js";
import { must } from "../judge.mjs";
import { NOW, plainStore, transactionOver } from "./plain-store.mjs";
import { textOf } from "./text.mjs";

const secret = Buffer.alloc(32, 0x3c);
const tx = transactionOver(await plainStore());
/** Where the record for unknown names stands: the session here is nobody's. */
const nameIndex = Buffer.from("dummy");
const account = await findAccount(tx, nameIndex);
const session = {
  id: `ses_${"2b".repeat(16)}`,
  account: account.id,
  identity: "nobody",
  secretHash: createHash("sha256").update(secret).digest(),
  authenticatedAt: NOW,
  verifiedAt: NOW,
  lastSeenAt: NOW,
  expiresAt: NOW + 1000,
  amr: ["pwd", "otp"],
  address: "127.0.0.1",
  client: "postern",
};
await putSession(tx, session);

const hexOf = (id) => id.slice(id.indexOf("_") + 1);
const sound = `pss_${hexOf(account.id)}${hexOf(session.id)}_${secret.toString("hex")}`;
const context = { barrier: { read: (fn) => fn(tx), nameIndex: () => nameIndex }, now: () => NOW };

const sessionSecret = {
  name: "session-secret",
  codes: ["session_invalid"],
  dictionary: ["pss_", "_", hexOf(account.id), hexOf(session.id), secret.toString("hex"), "__proto__"],
  seeds: [
    sound,
    `${sound.slice(0, -1)}0`,
    sound.toUpperCase(),
    `pss_${"0".repeat(64)}_${"0".repeat(64)}`,
    `${sound}\n`,
  ],
  maxLength: 400,
  async run(input) {
    const text = textOf(input);
    const resumed = await resumeSession(context, { address: "127.0.0.1", client: "" }, text);
    must(text === sound && resumed.id === session.id, "one secret opens the session, in one spelling");
  },
};

export const targets = [sessionSecret];
