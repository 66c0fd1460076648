import { PosternError } from "@postern/shared/errors";
import { dateOf, dayNumber, parseBirthDate } from "../../../../packages/server/dist/services/challenges/calendar.js";
import { parseOwnQuestion } from "../../../../packages/server/dist/services/challenges/question.js";
import { parseReplyTo, parseReplyToHosts } from "../../../../packages/server/dist/services/challenges/reply-to.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const NOW = Date.UTC(2026, 10, 21);
const DAY_MS = 86_400_000;

const birthDate = {
  name: "birth-date",
  codes: ["birth_date_impossible"],
  dictionary: ["-02-29", "-02-28", "-12-31", "-00-", "2000", "1900", "-", "\uff11"],
  seeds: ["1984-02-29", "1900-01-01", "2026-11-21", "2000-02-29", "1999-12-31"],
  maxLength: 40,
  run(input) {
    const text = textOf(input);
    const day = parseBirthDate(text, NOW);
    must(new Date(day * DAY_MS).toISOString().slice(0, 10) === text, "it is the day that the system's calendar has");
    must(dayNumber(dateOf(day)) === day, "its date is that day's");
    must(day * DAY_MS <= NOW, "it has come");
    return text.slice(5, 7);
  },
};

const hosts = parseReplyToHosts("wa.me,t.me,bot.example:8443,[::1]:8443");

const replyTo = {
  name: "reply-to",
  codes: ["reply_to_refused"],
  dictionary: [
    "https:",
    "//",
    "wa.me",
    "@",
    "\\",
    "javascript:",
    "%40",
    "%2e",
    "?",
    "#",
    ":8443",
    "[::1]",
    "\u3002",
    "\t",
    "\n",
  ],
  seeds: [
    "https://wa.me/15550100?text=done%20it",
    "https://t.me/postern_bot#x",
    "https://bot.example:8443/a/../b?c=d'e",
    "https://[::1]:8443/",
    "whatsapp://send?phone=15550100",
    "tg://resolve?domain=postern_bot",
    "sms:+15550100",
    "tel:+15550100",
    "https://wa.me@evil.example/",
    "javascript:alert(1)",
  ],
  maxLength: 1100,
  run(input) {
    const link = parseReplyTo(textOf(input), hosts);
    const { protocol, host, username, password, href } = new URL(link);
    must(/^[!-~]+$/.test(link) && !/["<>\\^`{|}]/.test(link), "it is one word of plain characters");
    must(
      protocol === "https:" ? hosts.has(host) : /^(?:whatsapp|tg|fb-messenger|sgnl|sms|tel):$/.test(protocol),
      "it leads where it may",
    );
    must(username === "" && password === "", "it has no name and password");
    must(href === link && parseReplyTo(link, hosts) === link, "it is spelled in its one way");
    return protocol;
  },
};

const ownQuestion = {
  name: "own-question",
  codes: ["question_invalid"],
  dictionary: ["\n", " ", "\u00e9", "e\u0301", "\uff21", "\u200d", "\u202e", "\ud83d\udc15", "\u00df", "SS", "\u0130"],
  seeds: ["Which?\nRex\nBella", "\u00bfC\u00f3mo se llama?\nCanel\u00f3n\nRex\nLuna", "a\nb\nB", "a\nb\n b"],
  maxLength: 600,
  run(input) {
    const [text = "", answer = "", ...decoys] = textOf(input).split("\n");
    const { kind: _own, ...asked } = parseOwnQuestion({ text, answer, decoys });
    const options = [asked.answer, ...asked.decoys];
    must(
      options.every((option) => option.trim() !== ""),
      "every option shows",
    );
    must(new Set(options.map((option) => option.trim().toLowerCase())).size === options.length, "no two look alike");
    must(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test([asked.text, ...options].join("")), "nothing is hidden in them");
    must(isItself(asked), "what was taken is taken again as it is");
    return String(options.length);
  },
};

function isItself(asked) {
  try {
    return JSON.stringify({ ...parseOwnQuestion(asked), kind: undefined }) === JSON.stringify(asked);
  } catch (thrown) {
    if (thrown instanceof PosternError) return false;
    throw thrown;
  }
}

export const targets = [birthDate, replyTo, ownQuestion];
