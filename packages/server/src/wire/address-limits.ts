import { addressKey, plainAddress } from "../address-key.js";

/** Logins and registrations that an address may begin at once; then they come back one by one, so many a minute. */
export const STARTS_A_MINUTE = 30;

/** Addresses that are remembered, at most. */
export const ADDRESSES_KEPT = 65_536;

const MINUTE_MS = 60_000;
const INTERVAL_MS = MINUTE_MS / STARTS_A_MINUTE;

export interface AddressLimitsOptions {
  /** Milliseconds. It may jump. */
  readonly now: () => number;
  /** Whether an address, in the spelling of `plainAddress`, has no limits. */
  readonly exempt: (address: string) => boolean;
}

/**
 * How often an address begins a login or a registration: the generic cell rate algorithm (ITU-T I.371), which keeps one
 * number for each address, the time at which it would have all of its starts back.
 *
 * The numbers are kept in two halves, younger and older. What is used goes into the younger one; when that is full, or
 * a minute old, it becomes the older one, and what was older is given up. After a minute without use there is nothing
 * left to remember; so before its time is given up only what was used least recently, and only while more addresses
 * come in a minute than half of those kept. To be forgotten is to have all starts back: that errs in the peer's favour.
 */
export class AddressLimits {
  readonly #options: AddressLimitsOptions;
  #younger = new Map<string, number>();
  #older = new Map<string, number>();
  #turnedAt = 0;
  #lastSeen: number;
  #time = 0;

  constructor(options: AddressLimitsOptions) {
    this.#options = options;
    this.#lastSeen = options.now();
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#younger.size + this.#older.size;
  }

  /** What limits of an address are counted by, or undefined when it has none. */
  keyOf(address: string | undefined): string | undefined {
    return this.#options.exempt(plainAddress(address)) ? undefined : addressKey(address);
  }

  /** Counts a start: 0 when it is allowed, else the whole seconds to wait; one that is refused costs nothing. */
  takeStart(address: string | undefined): number {
    return this.take(this.keyOf(address));
  }

  /**
   * The same for what is counted by itself, wherever it comes from: a known device, the calls of an account that leave a
   * record. Only who is known has such a count, so nobody can fill the table with them. An exempt address has none.
   */
  takeFor(owner: string, address: string | undefined): number {
    return this.take(this.ownKeyOf(owner, address));
  }

  /** What `takeFor` counts by. */
  ownKeyOf(owner: string, address: string | undefined): string | undefined {
    return this.keyOf(address) === undefined ? undefined : `for ${owner}`;
  }

  /** Counts by a key of the two functions above; what has none is not limited. */
  take(key: string | undefined): number {
    if (key === undefined) return 0;
    const time = this.#elapsed();
    const full = Math.max(this.#younger.get(key) ?? this.#older.get(key) ?? 0, time);
    const wait = full + INTERVAL_MS - (time + MINUTE_MS);
    this.#keep(key, wait > 0 ? full : full + INTERVAL_MS, time);
    return wait > 0 ? Math.ceil(wait / 1000) : 0;
  }

  #keep(key: string, full: number, time: number): void {
    if (this.#younger.size >= ADDRESSES_KEPT / 2 || time - this.#turnedAt >= MINUTE_MS) {
      this.#older = this.#younger;
      this.#younger = new Map();
      this.#turnedAt = time;
    }
    this.#younger.set(key, full);
  }

  /**
   * Milliseconds that the clock went forward since the beginning; being set back counts as no time. So no address has to
   * wait until the clock is where it was, and none has its starts back.
   */
  #elapsed(): number {
    const now = this.#options.now();
    this.#time += Math.max(0, now - this.#lastSeen);
    this.#lastSeen = now;
    return this.#time;
  }
}
