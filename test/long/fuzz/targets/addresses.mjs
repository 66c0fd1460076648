import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { PosternError } from "@postern/shared/errors";
import { parseFingerprint, sameFingerprint } from "@postern/shared/fingerprint";
import { domainOf, parseMailAddress } from "@postern/shared/mail-address";
import { parseHost, parseListenAddress, parseServerAddress } from "@postern/shared/server-address";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

/** What a reader makes of a text: undefined where it refuses. */
function orRefused(read) {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "address_invalid") return undefined;
    throw thrown;
  }
}

/** In a URL and on a terminal this is one host, and cannot be taken for anything else. */
const SAFE_HOST = /^(?:[a-z0-9_.-]{1,253}|[0-9a-f:.]{2,45})$/;

function checkAddress(address) {
  must(SAFE_HOST.test(address.host), "a host is plain ASCII");
  must(Number.isInteger(address.port) && address.port >= 0 && address.port <= 65535, "a port is one");
  must(isIP(address.host) !== 0 || !/^[0-9.]+$/.test(address.host), "what looks like an address is one");
}

const serverAddress = {
  name: "server-address",
  codes: ["address_invalid"],
  dictionary: [
    "localhost",
    ":7465",
    "[::1]",
    "::ffff:1.2.3.4",
    "127.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "xn--",
    "xn--mnchen-3ya",
    ".",
    "%25eth0",
    "\u3002",
    "\uff0e",
    "\u00df",
    "\u00ad",
    "@",
    "/",
    "[",
    "]",
  ],
  seeds: [
    "localhost:7465",
    "LOCALHOST.",
    "127.0.0.1:1",
    "[::1]:65535",
    "[::ffff:127.0.0.1]",
    "[2001:DB8:0:0::1]:7465",
    "m\u00fcnchen.example:80",
    "xn--mnchen-3ya.example",
    "a_b.example.org:7465",
    "0.0.0.0:0",
  ],
  maxLength: 1100,
  run(input) {
    const text = textOf(input);
    const listen = orRefused(() => parseListenAddress(text));
    if (listen !== undefined) {
      checkAddress(listen);
      must(isDeepStrictEqual(parseListenAddress(listen.key), listen), "a key to listen on is read back");
    }
    const host = orRefused(() => parseHost(text));
    if (host !== undefined)
      must(parseHost(isIP(host) === 6 ? `[${host}]` : host) === host, "a host is the host of itself");
    const address = parseServerAddress(text);
    checkAddress(address);
    must(address.port > 0, "a server has a port");
    must(isDeepStrictEqual(parseServerAddress(address.key), address), "a key is read back");
  },
};

const fingerprint = {
  name: "fingerprint",
  codes: ["fingerprint_invalid"],
  dictionary: ["SHA256:", "sha256:", "=", "-", "_", "+", "/", "AAAA", "\n", " "],
  seeds: [
    `SHA256:${"A".repeat(43)}`,
    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
    `SHA256:${"A".repeat(43)}=`,
    `SHA256:${"/".repeat(42)}8`,
  ],
  maxLength: 200,
  run(input) {
    const text = textOf(input);
    must(parseFingerprint(text) === text, "a fingerprint has one spelling");
    must(sameFingerprint(text, text), "it is the same as itself");
  },
};

const mailAddress = {
  name: "mail-address",
  codes: ["mail_address_invalid"],
  dictionary: [
    "@",
    "example.org",
    "<",
    ">",
    ",",
    ";",
    ":",
    "(",
    '"',
    "\\",
    "\r\n",
    "Bcc: b@example.org",
    " ",
    ".",
    "..",
    "-",
    "[192.0.2.1]",
    "1.2.3.4",
    "xn--",
    "\u3002",
    "\uff20",
    "\u00df",
    "\u00ad",
  ],
  seeds: [
    "alice@example.org",
    "Alice.B+tag@EXAMPLE.org",
    "!#$%&'*+/=?^_`{|}~-@localhost",
    "a@m\u00fcnchen.example",
    "Alice <a@example.org>",
    "a@example.org\r\nBcc: b@example.org",
    '"a b"@example.org',
    "a@[IPv6:::1]",
    `${"a".repeat(64)}@${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(57)}.org`,
  ],
  maxLength: 1100,
  run(input) {
    const address = parseMailAddress(textOf(input));
    must(/^[!-~]{1,64}@[a-z0-9.-]+$/.test(address) && address.length <= 254, "an address is plain ASCII, and short");
    must(!/[<>()[\]\\,;:"]/.test(address), "nothing in it ends an address or a command");
    must(address.split("@").length === 2, "it is one");
    must(isIP(domainOf(address)) === 0, "its domain is a name");
    must(parseMailAddress(address) === address, "an address is read back");
  },
};

export const targets = [serverAddress, fingerprint, mailAddress];
