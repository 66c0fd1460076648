import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { plainAddress } from "../../../../packages/server/dist/address-key.js";
import { HEADER_MAX, localHeader, readHeader } from "../../../../packages/server/dist/proxy-protocol/header.js";
import { must } from "../judge.mjs";

const signature = localHeader.subarray(0, 12);
const binary = (hex) => Buffer.concat([signature, Buffer.from(hex, "hex")]);

const proxyHeader = {
  name: "proxy-header",
  codes: [],
  dictionary: [
    signature,
    "PROXY ",
    "TCP4 ",
    "TCP6 ",
    "UNKNOWN",
    "\r\n",
    "255.255.255.255",
    "::ffff:192.0.2.1",
    " 65535",
  ],
  seeds: [
    "PROXY TCP4 192.0.2.9 203.0.113.1 50000 7465\r\n",
    "PROXY TCP6 2001:db8::9 2001:db8::1 50000 7465\r\nrest",
    "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
    localHeader,
    binary("2111000cc0000209cb007101c3501d29"),
    binary("2121002420010db800000000000000000000000920010db8000000000000000000000001c3501d29"),
    binary("21110014c0000209cb007101c3501d2904000500000000"),
    binary("21000000"),
  ],
  maxLength: 400,
  run(input) {
    const bytes = Buffer.from(input);
    const told = readHeader(bytes);
    for (const length of [1, 15, 16, bytes.length >> 1]) {
      const earlier = readHeader(bytes.subarray(0, length));
      must(earlier === "incomplete" || isDeepStrictEqual(earlier, told), "what was told holds when more comes");
    }
    if (typeof told === "string") return told;
    const { source, length } = told;
    must(length <= bytes.length && length <= HEADER_MAX, "a header is within what came, and its limit");
    must(
      source === undefined || (isIP(source) !== 0 && plainAddress(source) === source),
      "an address has one spelling",
    );
    return source === undefined ? "own" : `of ${isIP(source)}`;
  },
};

export const targets = [proxyHeader];
