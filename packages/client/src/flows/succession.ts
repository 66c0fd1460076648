import type { Fingerprint } from "@postern/shared/fingerprint";
import type { ServerAddress } from "@postern/shared/server-address";
import { say } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../environment.js";
import { moveDevices } from "../session/device-file.js";
import { movePin } from "../trust/pins.js";

/** From the identity that is pinned to the one that a server shows, for which it vouches. */
export interface PinMove {
  readonly from: Fingerprint;
  readonly to: Fingerprint;
}

/** A connection to a server that shows the successor of what is pinned. The pin stays until the server has proved itself. */
export class Succession implements PinMove {
  readonly from: Fingerprint;
  readonly to: Fingerprint;
  readonly #environment: Environment;
  readonly #address: ServerAddress;
  #moved = false;

  constructor(environment: Environment, address: ServerAddress, { from, to }: PinMove) {
    this.#environment = environment;
    this.#address = address;
    this.from = from;
    this.to = to;
  }

  get moved(): boolean {
    return this.#moved;
  }

  /**
   * Moves the pin, and tells the person. Only for who has just seen the server prove over this connection that it knows
   * the verifier: M2 and the channel MAC.
   * @throws PosternError as `movePin`
   */
  async proved(): Promise<void> {
    if (this.#moved) return;
    const { paths, output } = this.#environment;
    await movePin(paths.knownServers, this.#address, this);
    await moveDevices(paths, this.#address, this);
    this.#moved = true;
    output.note(
      say`${this.#address.key} has a new identity. The one known here vouches for it,`,
      say`and it has proved that it knows your account. From now on it is`,
      say`  ${this.to}`,
    );
  }
}
