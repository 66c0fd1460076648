import { PosternError } from "@postern/shared/errors";
import { choicesIn, pagePathIn } from "../../../../packages/client/dist/flows/load/challenge-replies.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

/** What a load test reads of a server: of what it has made, and of the pages that it shows. */

const id = "3q2-7wAAAAAAAAAAAAAAAA";

function refusalIn(body) {
  try {
    return pagePathIn({ status: 429, body });
  } catch (thrown) {
    return thrown;
  }
}

const challengeCreated = {
  name: "challenge-created",
  codes: ["server_failed"],
  dictionary: [
    '{"url":"',
    '"code":"',
    '"retry_after":',
    "/c/",
    id,
    "https://",
    "?",
    "#",
    "..",
    "\\u002f",
    "1e999",
    "null",
  ],
  seeds: [
    JSON.stringify({ id: "chl_1", url: `https://auth.example/c/${id}`, state: "open" }),
    JSON.stringify({ url: `https://auth.example/below/c/${id}` }),
    JSON.stringify({ url: `https://auth.example/c/${id}?a=1` }),
    JSON.stringify({ code: "rate_limited", retry_after: 2 }),
    JSON.stringify({ code: "api_key_invalid", retry_after: "soon" }),
    JSON.stringify({ code: "__proto__" }),
    "[]",
    "not JSON",
  ],
  maxLength: 2048,
  run(input) {
    const body = textOf(input);
    must(refusalIn(body) instanceof PosternError, "a refusal is told by a code");
    must(/^\/c\/[\w-]{22}$/.test(pagePathIn({ status: 201, body })), "a path is that of a page");
  },
};

const challengePage = {
  name: "challenge-page",
  codes: ["page_not_shown"],
  dictionary: ["<input", "<button", ' name="choice"', ' value="1"', ">", "<", '"', "'", "0", "12", "&quot;", "<!--"],
  seeds: [
    '<form method="post"><input type="radio" name="choice" value="0" required></form>',
    '<button name="choice" value="5">five</button><button name="choice" value="6">six</button>',
    '<input name="choice">',
    '<input name="other" value="1">',
    "<h1>This page is gone</h1>",
    `${"<input".repeat(40)}`,
  ],
  maxLength: 8192,
  run(input) {
    const choices = choicesIn({ status: 200, body: textOf(input) });
    must(choices.length > 0, "a page that is taken has choices");
    for (const choice of choices) must(/^[0-9]{1,2}$/.test(choice), "a choice is a number");
  },
};

export const targets = [challengeCreated, challengePage];
