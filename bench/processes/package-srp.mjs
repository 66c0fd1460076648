import { createRequire } from "node:module";
import * as ours from "@postern/shared/srp/server";

/**
 * `shared/srp/server` on the server's half of npm's secure-remote-password 0.3.1, as who takes the package calls it. Only
 * the bench ever loads this: its arithmetic takes a time that depends on the secret.
 */

const inShared = createRequire(new URL("../../packages/shared/package.json", import.meta.url));
const { generateEphemeral, deriveSession } = inShared("secure-remote-password/server.js");

const hex = (bytes) => Buffer.from(bytes).toString("hex");

export const { verifierFromBytes, discard, VERIFIER_SEED_BYTES } = ours;

export function serverEphemeral({ clientPublic, verifier }) {
  const { secret, public: publicHex } = generateEphemeral(hex(verifier));
  return { clientPublic, verifier, secret: Buffer.from(secret, "hex"), publicHex };
}

/** The package wants the client's proof first, and throws where it is wrong: the bench has no wrong ones. */
export function serverSession({ identity, salt, ephemeral: { clientPublic, verifier, secret } }) {
  return {
    verifyClientProof: (proof) => {
      const given = [hex(secret), hex(clientPublic), hex(salt), identity, hex(verifier), hex(proof)];
      const { key, proof: proofHex } = deriveSession(...given);
      return { proved: true, key: Buffer.from(key, "hex"), proofHex };
    },
    discard: () => undefined,
  };
}
