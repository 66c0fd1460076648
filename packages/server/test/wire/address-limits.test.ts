import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ADDRESSES_KEPT, AddressLimits, STARTS_A_MINUTE } from "../../src/wire/address-limits.js";

const MINUTE = 60_000;

class Limits {
  now = 1_795_000_000_000;
  readonly table: AddressLimits;

  constructor(exempt: (address: string) => boolean = () => false) {
    this.table = new AddressLimits({ now: () => this.now, exempt });
  }

  start(address = "192.0.2.1"): number {
    return this.table.takeStart(address);
  }

  /** Begins as often as it may, and tells how often that was. */
  exhaust(address?: string): number {
    let allowed = 0;
    while (this.start(address) === 0) allowed += 1;
    return allowed;
  }
}

/** The `index`th address of 10.0.0.0/8. */
const ipv4 = (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

describe("the starts of an address", () => {
  it("are thirty at once; then it waits for the next one, to the second", () => {
    const limits = new Limits();
    expect(limits.exhaust()).toBe(30);
    expect(limits.start()).toBe(2);
    limits.now += 1;
    expect(limits.start()).toBe(2);
    limits.now += 999;
    expect(limits.start()).toBe(1);
    limits.now += 1000;
    expect([limits.start(), limits.start()]).toEqual([0, 2]);
  });

  it("are thirty again after a minute, and never more", () => {
    const limits = new Limits();
    limits.exhaust();
    limits.now += MINUTE;
    expect(limits.exhaust()).toBe(30);
    limits.now += 60 * MINUTE;
    expect(limits.exhaust()).toBe(30);
  });

  it("are thirty a minute in the long run, however often it tries, and the wait that it is told is true", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 400 }), (pauses) => {
        const limits = new Limits();
        const began = limits.now;
        let allowed = 0;
        for (const pause of pauses) {
          limits.now += pause;
          const wait = limits.start();
          if (wait === 0) allowed += 1;
          else expect(wait).toBeLessThanOrEqual(2);
        }
        expect(allowed).toBeLessThanOrEqual(STARTS_A_MINUTE + (limits.now - began) / (MINUTE / STARTS_A_MINUTE));
        limits.now += limits.start() * 1000;
        expect(limits.start()).toBe(0);
      }),
    );
  });

  it("are its own: another address does not pay for them", () => {
    const limits = new Limits();
    limits.exhaust("192.0.2.1");
    expect(limits.exhaust("192.0.2.2")).toBe(30);
    expect(limits.exhaust("2001:db8:0:1::1")).toBe(30);
    expect(limits.exhaust("2001:db8:0:2::1")).toBe(30);
  });

  it("are not counted where it is exempt", () => {
    const limits = new Limits((address) => address === "192.0.2.1" || address === "2001:db8::1");
    for (const address of ["192.0.2.1", "::ffff:192.0.2.1", "2001:DB8:0::1"]) {
      for (let made = 0; made < 1000; made++) expect(limits.start(address)).toBe(0);
      expect(limits.table.keyOf(address)).toBeUndefined();
    }
    expect(limits.table.size).toBe(0);
    expect(limits.exhaust("2001:db8::2")).toBe(30);
  });
});

describe("attack 51: one bucket", () => {
  it("for a /64 of IPv6, whichever of its addresses are used", () => {
    const limits = new Limits();
    for (let made = 0; made < 30; made++) expect(limits.start(`2001:db8:1:2:${made}::${made}`)).toBe(0);
    expect(limits.start("2001:db8:1:2:ffff:ffff:ffff:ffff")).toBe(2);
    expect(limits.start("2001:db8:1:3::1")).toBe(0);
  });

  it("for an IPv4 address, by whichever listener it comes", () => {
    const limits = new Limits();
    for (let made = 0; made < 30; made++) limits.start(made % 2 === 0 ? "192.0.2.1" : "::ffff:192.0.2.1");
    expect([limits.start("192.0.2.1"), limits.start("::ffff:c000:201")]).toEqual([2, 2]);
  });

  it("for all that is no address", () => {
    const limits = new Limits();
    for (let made = 0; made < 30; made++)
      expect(limits.table.takeStart(made % 2 === 0 ? undefined : `${made}`)).toBe(0);
    expect(limits.start("")).toBe(2);
  });
});

describe("a clock that is set back", () => {
  it.each([1, 1000, 59_000, MINUTE, 365 * 24 * 60 * MINUTE])("by %s ms locks nobody out, and gives nothing", (back) => {
    const limits = new Limits();
    limits.exhaust("192.0.2.1");
    for (let made = 0; made < 10; made++) limits.start("192.0.2.2");
    limits.now -= back;
    expect(limits.start("192.0.2.1")).toBe(2);
    expect(limits.exhaust("192.0.2.2")).toBe(20);
    expect(limits.exhaust("192.0.2.3")).toBe(30);
    limits.now += 2000;
    expect([limits.start("192.0.2.1"), limits.start("192.0.2.1")]).toEqual([0, 2]);
  });

  it("again and again does not stop the time of those who wait", () => {
    const limits = new Limits();
    limits.exhaust();
    const waits = Array.from({ length: 4 }, () => {
      limits.now -= 10 * MINUTE;
      limits.start();
      limits.now += 500;
      return limits.start();
    });
    expect(waits).toEqual([2, 1, 1, 0]);
  });
});

describe("the memory of addresses", () => {
  it("is bounded, whatever comes, and a stream of new ones does not touch those in use", () => {
    const limits = new Limits();
    limits.exhaust("192.0.2.1");
    let most = 0;
    for (let index = 0; index < 200_000; index++) {
      limits.start(ipv4(index));
      if (index % 10_000 === 0) expect(limits.start("192.0.2.1")).toBe(2);
      most = Math.max(most, limits.table.size);
    }
    expect(most).toBeGreaterThan(ADDRESSES_KEPT / 2);
    expect(most).toBeLessThanOrEqual(ADDRESSES_KEPT);
  });

  it("remembers at least the last half of what it may hold, and gives up the least recent first: all starts are back", () => {
    const limits = new Limits();
    const last = ADDRESSES_KEPT * 2 - 1;
    const kept = [last, last - 1000, last - ADDRESSES_KEPT / 2];
    for (let index = 0; index <= last; index++) {
      if (index === 0 || kept.includes(index)) limits.exhaust(ipv4(index));
      else limits.start(ipv4(index));
    }
    for (const index of kept) expect(limits.start(ipv4(index))).toBe(2);
    expect(limits.exhaust(ipv4(0))).toBe(30);
  });

  it("holds nothing back for addresses that are gone for two minutes", () => {
    const limits = new Limits();
    for (let index = 0; index < 1000; index++) limits.start(ipv4(index));
    for (const address of ["192.0.2.1", "192.0.2.2"]) {
      limits.now += MINUTE;
      limits.start(address);
    }
    expect(limits.table.size).toBe(2);
  });
});
