import { readFileSync } from "node:fs";
import { PosternError } from "@postern/shared/errors";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { parseStrictJson } from "@postern/shared/frames/strict-json";
import { methods } from "@postern/shared/messages";
import { decodeSuccessor, encodeSuccessor } from "@postern/shared/successor";
import { leadsTo } from "../../../../packages/client/dist/trust/succession.js";
import { must } from "../judge.mjs";

/** Three identities of one server: the first vouches for the second, the second for the third. Newest first. */
const { successors } = JSON.parse(readFileSync(new URL("../../../corpus/successors.json", import.meta.url), "utf8"));
const [newest, oldest] = successors;
const fingerprint = (hex) => fingerprintOf(Buffer.from(hex, "hex"));
const pin = fingerprint(oldest.from);
const shown = fingerprint(newest.to);
const { successors: schema } = methods.hello.result.shape;

/** As they stand in the reply to `hello`. */
const asked = (statements) => JSON.stringify({ successors: statements });

const serverSuccessors = {
  name: "successors",
  codes: ["bad_request"],
  dictionary: [
    ...successors.flatMap(({ from, to, signature }) => [from, to, signature]),
    '"from":',
    '"to":',
    '"sequence":',
    '"time":',
    '"signature":',
    "null",
    "9007199254740991",
    "0".repeat(128),
  ],
  seeds: [
    asked(successors),
    asked([newest]),
    asked([oldest, newest]),
    asked([{ ...newest, signature: oldest.signature }, oldest]),
    asked([]),
  ],
  maxLength: 4096,
  run(input) {
    const parsed = schema.safeParse(parseStrictJson(input).successors);
    if (!parsed.success || parsed.data === undefined) throw new PosternError("bad_request");
    const statements = parsed.data.map(decodeSuccessor);
    must(JSON.stringify(statements.map(encodeSuccessor)) === JSON.stringify(parsed.data), "they are written as read");
    if (!leadsTo(shown, { pin, statements })) return "leads nowhere";
    const signed = statements.slice(0, 2).map(({ from, to, sequence, time }) => [from, to, sequence, time].join());
    const ours = successors
      .map(decodeSuccessor)
      .map(({ from, to, sequence, time }) => [from, to, sequence, time].join());
    must(signed.join() === ours.join(), "nobody else has statements that lead from the pin to what is shown");
    return "leads";
  },
};

export const targets = [serverSuccessors];
