import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressKey, plainAddress } from "../src/address-key.js";

const hex = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(":");
const group = fc.integer({ min: 0, max: 0xffff });
const groups = (count: number) => fc.array(group, { minLength: count, maxLength: count });
/** Global addresses (2000::/3, RFC 4291 2.4): none of them stands for an IPv4 address. */
const network = fc.tuple(fc.integer({ min: 0x2000, max: 0x3fff }), groups(3)).map(([first, rest]) => [first, ...rest]);

describe("attack 51: the key of an address", () => {
  it("is one for a whole /64 of IPv6, however its addresses are spelled", () => {
    fc.assert(
      fc.property(network, groups(4), groups(4), fc.boolean(), (prefix, one, other, upper) => {
        const spelled = hex([...prefix, ...one]);
        const key = addressKey(upper ? spelled.toUpperCase() : spelled);
        expect(key).toBe(`${hex(prefix)}::/64`);
        expect(addressKey(hex([...prefix, ...other]))).toBe(key);
      }),
    );
  });

  it("is another one for another /64", () => {
    fc.assert(
      fc.property(network, network, groups(4), (one, other, host) => {
        fc.pre(hex(one) !== hex(other));
        expect(addressKey(hex([...one, ...host]))).not.toBe(addressKey(hex([...other, ...host])));
      }),
    );
  });

  it("is the address itself for IPv4, also in its IPv6 forms", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const bytes = address.split(".").map(Number);
        const [a = 0, b = 0, c = 0, d = 0] = bytes;
        const mapped = [`::ffff:${address}`, `::FFFF:${address}`, `::ffff:${hex([a * 256 + b, c * 256 + d])}`];
        for (const form of [address, ...mapped]) expect(addressKey(form), form).toBe(address);
      }),
    );
  });

  it.each([
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["2001:db8::", "2001:db8:0:0::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:0DB8:0000:0001::", "2001:db8:0:1::/64"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4::/64"],
    ["1::4:5:6:7:8", "1:0:0:4::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["fe80::2%25", "fe80:0:0:0::/64"],
  ])("of %s is %s", (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  it("is one for all that is no address", () => {
    fc.assert(
      fc.property(fc.string(), (junk) => {
        expect(addressKey(`junk ${junk}`)).toBe("unknown");
      }),
    );
    for (const junk of [
      undefined,
      "",
      "%",
      "256.1.1.1",
      "1.2.3",
      "0x7f.1",
      "::1::",
      "[::1]",
      "localhost",
      "1.2.3.4:5",
    ]) {
      expect(addressKey(junk), junk).toBe("unknown");
    }
  });
});

it("an address has one spelling", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      const plain = plainAddress(address);
      expect(plainAddress(plain)).toBe(plain);
      expect(plainAddress(`${address}%eth0`)).toBe(plain);
      expect(addressKey(plain)).toBe(addressKey(address));
    }),
  );
});
