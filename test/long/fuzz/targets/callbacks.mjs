import { isIP } from "node:net";
import { PosternError } from "@postern/shared/errors";
import {
  fillTemplate,
  hostAndPort,
  parseCallbackUrl,
  placeholdersOf,
} from "../../../../packages/server/dist/services/challenges/callback-url.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const values = { result: "right", validated: "true", challenge_id: "chl_1", token: "t" };

/** What a template makes of a value: undefined where it refuses. */
function filledWith(template, value) {
  try {
    return fillTemplate(template, { ...values, client_id: value, flow: value });
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "callback_value_invalid") return undefined;
    throw thrown;
  }
}

/** A line is the URL, what is behind it the value that an application gives. */
const callbackUrl = {
  name: "callback-url",
  codes: ["callback_url_invalid"],
  dictionary: [
    ...["https://", "http://", "bot.example", ":8443", "@", "\\", "//", "/../", "%2e%2e", "?", "&", "=", "#", "%", "."],
    ...[
      "{client_id}",
      "{flow}",
      "{result}",
      "{validated}",
      "{challenge_id}",
      "{token}",
      "{",
      "}",
      "\n",
      "\r",
      "\t",
      "xn--",
    ],
    ...[
      "127.0.0.1",
      "127.1",
      "0x7f000001",
      "0177.0.0.1",
      "2130706433",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "[64:ff9b::7f00:1]",
    ],
    ...["\u3002", "\uff0f", "\uff20", "\u2460", "\u00ad", "\ud800", "..", ";"],
  ],
  seeds: [
    "https://bot.example/hook\nx",
    "https://bot.example:8443/users/{client_id}/send?flow={flow}&ok={validated}\n77",
    "http://127.0.0.1:8080/?r={result}&id={challenge_id}&k={token}\n..",
    "http://[2606:2800:220::1]/{flow}\na&b=c",
    "https://b\u00fccher.example/{client_id}\n../../x?y#z",
    "https://allowed.example@evil.example/\nx",
  ],
  maxLength: 1400,
  run(input) {
    const [line = "", ...rest] = textOf(input).split("\n");
    const url = parseCallbackUrl(line);
    must(parseCallbackUrl(url) === url, "a URL is read back");
    const host = new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
    must(isIP(host) !== 0 || !/^[0-9.]+$/.test(host), "what looks like an address is one");
    must(/^(?:[a-z0-9_.-]+|\[[0-9a-f:]+\]):\d+$/.test(hostAndPort(url)), "a host is plain ASCII, with its port");
    const [plain, filled] = ["x", rest.join("\n")].map((value) => filledWith(url, value));
    must(plain !== undefined, "a plain value fits");
    if (filled === undefined) return placeholdersOf(url).join();
    const [before, after] = [plain, filled].map((text) => new URL(text));
    must(before.origin === after.origin && after.username === "" && after.hash === "", "no value leads elsewhere");
    must(before.pathname.split("/").length === after.pathname.split("/").length, "no value leaves its segment");
    const names = ({ searchParams }) => [...searchParams.keys()].join("\n");
    must(names(before) === names(after), "no value adds a parameter");
    return placeholdersOf(url).join();
  },
};

export const targets = [callbackUrl];
