import { PosternError } from "@postern/shared/errors";
import { type Fingerprint, sameFingerprint } from "@postern/shared/fingerprint";

export interface TrustQuestion {
  /** What is kept of this server from an earlier time. */
  readonly pin?: Fingerprint | undefined;
  /** What it has shown and proved over this connection (`identityOf`). */
  readonly shown: Fingerprint;
  /** What it must be, by `--fingerprint`. */
  readonly fingerprintOption?: Fingerprint | undefined;
  /** What it must be, by an invite or a reset token. */
  readonly fingerprintOfToken?: Fingerprint | undefined;
  readonly trustOnFirstUse: boolean;
  /** Whether there is a person at a terminal to ask. */
  readonly interactive: boolean;
}

export type Trust =
  /** Go on. */
  | { readonly kind: "trusted" }
  /**
   * The pin is another one. Go on, with a login alone, if the pin vouches for what is shown (`leadsTo`); move it when the
   * server has proved itself in that login. Else it is `server_identity_changed`.
   */
  | { readonly kind: "succession"; readonly pin: Fingerprint }
  /** Store this pin, then go on. */
  | { readonly kind: "pin"; readonly fingerprint: Fingerprint }
  /** Show it to the person; go on as with `pin` only at a yes. */
  | { readonly kind: "ask"; readonly fingerprint: Fingerprint };

/**
 * Whether to send this server a name at all. Whatever is known of it, the pin and the fingerprints that were given,
 * must agree with what it shows; `--trust-on-first-use` and a person's yes count only where nothing is known. A
 * fingerprint that was given never takes the place of a pin.
 * Throws `server_fingerprint_mismatch` (against the option), `token_identity_mismatch` (against the token),
 * `server_identity_changed` (against the pin too), `server_unknown` (nothing known, nobody to ask).
 */
export function decideTrust(question: TrustQuestion): Trust {
  const { pin, shown, fingerprintOption, fingerprintOfToken, trustOnFirstUse, interactive } = question;
  const refusal = givenRefusal(question);
  if (pin !== undefined && !sameFingerprint(pin, shown)) {
    if (refusal !== undefined) throw identityChanged(pin, shown);
    return { kind: "succession", pin };
  }
  if (refusal !== undefined) throw refusal;
  if (pin !== undefined) return { kind: "trusted" };
  const given = fingerprintOption ?? fingerprintOfToken;
  if (given !== undefined || trustOnFirstUse) return { kind: "pin", fingerprint: shown };
  if (interactive) return { kind: "ask", fingerprint: shown };
  throw new PosternError("server_unknown", { detail: `it shows ${shown}` });
}

export function identityChanged(pin: Fingerprint, shown: Fingerprint): PosternError {
  return new PosternError("server_identity_changed", { detail: `${pin} before, ${shown} now` });
}

/** What is wrong with what was given for this server, if anything is. */
function givenRefusal({ shown, fingerprintOption, fingerprintOfToken }: TrustQuestion): PosternError | undefined {
  const detail = `the server shows ${shown}`;
  if (fingerprintOption !== undefined && !sameFingerprint(fingerprintOption, shown)) {
    return new PosternError("server_fingerprint_mismatch", { detail });
  }
  if (fingerprintOfToken !== undefined && !sameFingerprint(fingerprintOfToken, shown)) {
    return new PosternError("token_identity_mismatch", { detail });
  }
  return undefined;
}
