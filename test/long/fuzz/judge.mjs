import { Buffer } from "node:buffer";

/** What came of an input that a parser must not do: whatever it threw that is no refusal of the kinds it may give. */
export class Finding extends Error {
  constructor(kind, cause) {
    super(`${kind}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "Finding";
    this.kind = kind;
  }
}

/**
 * Gives one input to a target: what it calls the outcome, "accepted" where it says nothing, or the code of its refusal
 * with the detail, numbers left out.
 * @throws Finding for any other error: an unforeseen one, a code that this parser must not give, a broken property
 */
export async function judge(target, input) {
  try {
    // A copy in memory of its own: a parser that reads beyond its input finds nothing there.
    const outcome = await target.run(Buffer.from(Uint8Array.from(input).buffer));
    return outcome ?? "accepted";
  } catch (thrown) {
    if (thrown?.name !== "PosternError") throw new Finding("unforeseen error", thrown);
    if (!target.codes.includes(thrown.code)) throw new Finding(`refused with ${thrown.code}`, thrown);
    return `${thrown.code} ${thrown.detail ?? ""}`.replaceAll(/[0-9]+/g, "#");
  }
}

/** For the properties of targets: a sentence that is false is a finding. */
export function must(holds, sentence) {
  if (!holds) throw new Error(`broken property: ${sentence}`);
}
