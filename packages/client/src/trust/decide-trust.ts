import { PosternError } from "@postern/shared/errors";
import { type Fingerprint, sameFingerprint } from "@postern/shared/fingerprint";

export interface TrustQuestion {
  /** What is kept of this server from an earlier time. */
  readonly pin?: Fingerprint | undefined;
  /** What it has shown and proved over this connection (`identityOf`). */
  readonly shown: Fingerprint;
  /** What it must be, by `--fingerprint`, an invite or a reset token. */
  readonly fingerprintOption?: Fingerprint | undefined;
  readonly trustOnFirstUse: boolean;
  /** Whether there is a person at a terminal to ask. */
  readonly interactive: boolean;
}

export type Trust =
  /** Go on. */
  | { readonly kind: "trusted" }
  /** Store this pin, then go on. */
  | { readonly kind: "pin"; readonly fingerprint: Fingerprint }
  /** Show it to the person; go on as with `pin` only at a yes. */
  | { readonly kind: "ask"; readonly fingerprint: Fingerprint };

/**
 * Whether to send this server a name at all. Whatever is known of it, the pin and the fingerprint that was given,
 * must agree with what it shows; `--trust-on-first-use` and a person's yes count only where nothing is known.
 * Throws `server_identity_changed` (against the pin), `server_fingerprint_mismatch` (against what was given),
 * `server_unknown` (nothing known, nobody to ask).
 */
export function decideTrust({ pin, shown, fingerprintOption, trustOnFirstUse, interactive }: TrustQuestion): Trust {
  if (pin !== undefined && !sameFingerprint(pin, shown)) {
    throw new PosternError("server_identity_changed", { detail: `${pin} before, ${shown} now` });
  }
  if (fingerprintOption !== undefined && !sameFingerprint(fingerprintOption, shown)) {
    throw new PosternError("server_fingerprint_mismatch", { detail: `the server shows ${shown}` });
  }
  if (pin !== undefined) return { kind: "trusted" };
  if (fingerprintOption !== undefined || trustOnFirstUse) return { kind: "pin", fingerprint: shown };
  if (interactive) return { kind: "ask", fingerprint: shown };
  throw new PosternError("server_unknown", { detail: `it shows ${shown}` });
}
