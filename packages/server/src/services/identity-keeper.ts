import type { Fingerprint } from "@postern/shared/fingerprint";
import type { Barrier } from "../barrier/barrier.js";
import { identityFingerprint } from "../identity/identity-key.js";
import { type CurrentIdentity, currentIdentity, isCurrent } from "./server-identity.js";

export interface KeeperOptions {
  readonly barrier: Barrier;
  readonly now: () => number;
  readonly random: (size: number) => Buffer;
  /** The hosts that the leaf must be for, among others. */
  readonly hosts: readonly string[];
}

/**
 * The identity and the leaf that one running server shows. The store has the say: what another process renewed there,
 * or the operator replaced, is taken up.
 */
export class IdentityKeeper {
  readonly #options: KeeperOptions;
  #current: CurrentIdentity;

  private constructor(options: KeeperOptions, current: CurrentIdentity) {
    this.#options = options;
    this.#current = current;
  }

  /** @throws PosternError `store_damaged` */
  static async open(options: KeeperOptions): Promise<IdentityKeeper> {
    return new IdentityKeeper(options, await currentIdentity(options.barrier, options, options.hosts));
  }

  get current(): CurrentIdentity {
    return this.#current;
  }

  get fingerprint(): Fingerprint {
    return identityFingerprint(this.#current.identity);
  }

  /** Takes up what the store has, if that is something else. True when there is something new to show. */
  async takeUp(): Promise<boolean> {
    return (await isCurrent(this.#options.barrier, this.#current)) ? false : this.renew();
  }

  /** The same, and makes a new leaf when the last one comes to its end. */
  async renew(): Promise<boolean> {
    const { barrier, hosts } = this.#options;
    const before = this.#current.leaf.certificateDer;
    this.#current = await currentIdentity(barrier, this.#options, hosts);
    return !this.#current.leaf.certificateDer.equals(before);
  }
}
