import { describe, expect, it } from "vitest";
import { parseAddressLimits, parseForwarders } from "../../src/cli/address-limits.js";

describe("--address-limits", () => {
  it("off is for every address, and for what is none", () => {
    const { covers, of } = parseAddressLimits("off");
    expect(["192.0.2.1", "::1", "unknown"].map(covers)).toEqual([true, true, true]);
    expect(of).toBe("any address");
  });

  it.each([
    ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::1", "unknown"]],
    ["127.0.0.1/32", ["127.0.0.1"], ["127.0.0.0", "127.0.0.2"]],
    ["::1/128", ["::1"], ["::2", "::", "127.0.0.1"]],
    ["2001:DB8::/33", ["2001:db8::1", "2001:db8:7fff::1"], ["2001:db8:8000::1", "2001:db9::1"]],
    ["::/64", ["::1"], ["1.2.3.4", "0:0:0:1::1"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["::1"]],
    ["::/0", ["2001:db8::1"], ["1.2.3.4", "unknown"]],
    ["10.0.0.0/8,::1/128", ["10.1.2.3", "::1"], ["11.1.2.3", "::2"]],
    ["192.0.2.0/24, 198.51.100.0/24", ["192.0.2.9", "198.51.100.9"], ["203.0.113.9"]],
  ])("%s", (text, covered, others) => {
    const { covers } = parseAddressLimits(text);
    expect(covered.filter((address) => !covers(address))).toEqual([]);
    expect(others.filter(covers)).toEqual([]);
  });

  it("tells what it read, for the warning", () => {
    expect(parseAddressLimits(" 10.0.0.0/8,::1/128 ").of).toBe("10.0.0.0/8, ::1/128");
  });

  it.each([
    "",
    ",",
    "OFF",
    "on",
    "10.0.0.0",
    "::1",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/8.0",
    "10.0.0/8",
    "010.0.0.0/8",
    "::1/129",
    "::1/999",
    "::1::/64",
    "[::1]/128",
    "fe80::1%eth0/64",
    "::ffff:10.0.0.0/104",
    "::ffff:a00:0/104",
    "localhost/32",
    "10.0.0.0/8,",
    "10.0.0.0/8;::1/128",
    "10.0.0.0/8,off",
    "10.0.0.0/8,::1",
  ])("%j is refused", (text) => {
    expect(() => parseAddressLimits(text)).toThrow(expect.objectContaining({ code: "address_range_invalid", exit: 2 }));
  });
});

describe("--trusted-proxy and --proxy-protocol", () => {
  it.each(["off", "10.0.0.2"])("%s is refused, naming the option", (text) => {
    const refused = (detail: string) => expect.objectContaining({ code: "address_range_invalid", detail });
    expect(() => parseForwarders({ trustedProxy: text })).toThrow(refused(`--trusted-proxy has ${text}`));
    expect(() => parseForwarders({ proxyProtocol: text })).toThrow(refused(`--proxy-protocol has ${text}`));
  });

  const both = (trustedProxy: string, proxyProtocol: string) => parseForwarders({ trustedProxy, proxyProtocol });

  it("are of different addresses", () => {
    const { proxies, balancers } = both("10.0.0.1/32,::/64", "10.0.0.2/32,0:0:0:1::/64,1.2.3.4/32");
    expect(["10.0.0.1", "10.0.0.2"].map((address) => proxies?.covers(address))).toEqual([true, false]);
    expect(["10.0.0.1", "10.0.0.2"].map((address) => balancers?.covers(address))).toEqual([false, true]);
    expect(parseForwarders({})).toEqual({ proxies: undefined, balancers: undefined });
  });

  it.each([
    ["10.0.0.2/32", "10.0.0.2/32", "10.0.0.2"],
    ["10.0.0.9/8", "192.0.2.1/32,10.1.2.3/32", "10.1.2.3"],
    ["2001:db8::/64", "2001:db8::/32", "2001:db8::"],
    ["10.5.0.0/16", "0.0.0.0/0", "10.5.0.0"],
  ])("are refused where an address is of both: %s and %s", (proxies, balancers, detail) => {
    expect(() => both(proxies, balancers)).toThrow(
      expect.objectContaining({ code: "proxy_ranges_overlap", exit: 2, detail }),
    );
  });
});
