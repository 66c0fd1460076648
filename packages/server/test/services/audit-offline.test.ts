import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commitment, entryHash, entryText, parseEntry } from "../../src/records/audit-chain.js";
import {
  type Checkpoint,
  checkpointLine,
  parseCheckpoint,
  signCheckpoint,
} from "../../src/records/audit-checkpoint.js";
import { headerLine, MAX_LINE_BYTES, parseHeader } from "../../src/records/audit-export.js";
import type { AuditKey } from "../../src/records/audit-key.js";
import { appendAudit, beginAudit } from "../../src/records/audit-log.js";
import { type AuditPublicKey, formatPublicKey, newKeyPair, signText } from "../../src/records/audit-signature.js";
import { exportAudit, takeCheckpoint } from "../../src/services/audit-export.js";
import { auditKeyOf } from "../../src/services/audit-key.js";
import { verifyExport } from "../../src/services/audit-offline.js";
import { keepAuditFor } from "../../src/services/audit-retention.js";
import {
  bytesOf,
  DAY,
  exported,
  HOUR,
  keyOf,
  type Log,
  lengthOf,
  newLog,
  write,
  writeLogins,
} from "./audit-support.js";

const OTHER_NODE = "nod_ffffffffffffffffffffffffffffffff";

interface Exported {
  readonly publicKey: AuditPublicKey;
  readonly lines: readonly string[];
}

/** An export of a header, entries 0 to 6, and a checkpoint. */
async function plain(): Promise<Exported> {
  const log = await newLog();
  await writeLogins(log, 6);
  return linesOf(log);
}

/** An export that begins with an anchor. */
async function pruned(): Promise<Exported> {
  const log = await newLog();
  await writeLogins(log, 40);
  await keepAuditFor(log, DAY / 4);
  return linesOf(log);
}

/** An export of two chains, one without an entry between them. */
async function several(): Promise<Exported> {
  const log = await newLog();
  await writeLogins(log, 2);
  const event = { event: "login", outcome: "granted", time: 1, personal: { name: "bob" } } as const;
  await log.barrier.transact(async (tx) => {
    await beginAudit(tx, OTHER_NODE);
    await beginAudit(tx, OTHER_NODE.replaceAll("f", "0"));
    for (let count = 0; count < 3; count++) await appendAudit(tx, OTHER_NODE, event, log.random);
  });
  return linesOf(log);
}

async function linesOf(log: Log): Promise<Exported> {
  const text = await exported(log);
  return { publicKey: await keyOf(log), lines: text.trimEnd().split("\n") };
}

/** As the release before signed it. */
function asVersion1(checkpoint: Checkpoint, { privateKey }: AuditKey): Checkpoint {
  const { format, store, time, key } = checkpoint;
  const chains = checkpoint.chains.map(({ node, length, hash }) => ({ node, length, hash }));
  const unsigned = { format, version: 1 as const, store, time, key, chains };
  return { ...unsigned, signature: signText(privateKey, JSON.stringify(unsigned)) };
}

const textOf = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
const verify = (text: string | Buffer, publicKey: AuditPublicKey, size?: number) =>
  verifyExport(bytesOf(text, size), { publicKey });

describe.each([
  ["a whole log", plain],
  ["a log that begins with an anchor", pruned],
  ["the log of several nodes", several],
])("attack 45: an export of %s", (_, make) => {
  const at = fc.nat();
  const prepared = async () => {
    const made = await make();
    const found = async (changed: string | Buffer) =>
      expect(await verify(changed, made.publicKey)).toMatchObject({ ok: false });
    return { ...made, text: textOf(made.lines), found };
  };

  it("holds, in whatever pieces it is read", async () => {
    const { text, publicKey } = await prepared();
    for (const size of [1, 7, 1000, 1e6]) {
      expect(await verify(text, publicKey, size)).toMatchObject({ ok: true, erased: 0 });
    }
  });

  it("with any byte changed does not", async () => {
    const { text, found } = await prepared();
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (place, mask) => {
        const bytes = Buffer.from(text);
        const index = place % bytes.length;
        bytes.writeUInt8(bytes.readUInt8(index) ^ mask, index);
        await found(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("with a byte more, a byte less, or cut off anywhere does not", async () => {
    const { text, found } = await prepared();
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 0, max: 255 }), async (place, byte) => {
        const bytes = Buffer.from(text);
        const index = place % bytes.length;
        const [before, behind] = [bytes.subarray(0, index), bytes.subarray(index)];
        await found(Buffer.concat([before, Buffer.of(byte), behind]));
        await found(Buffer.concat([before, behind.subarray(1)]));
        await found(before);
      }),
      { numRuns: 100 },
    );
    await found("");
    await found(`${text}\n`);
  });

  it("with a line removed, doubled or in another's place does not", async () => {
    const { lines, found } = await prepared();
    for (const [index, line] of lines.entries()) {
      await found(textOf(lines.toSpliced(index, 1)));
      await found(textOf(lines.toSpliced(index, 0, line)));
      for (const [other, another] of lines.entries()) {
        if (other > index) await found(textOf(lines.with(index, another).with(other, line)));
      }
    }
  });
});

describe("attack 45: the first bad record of an export is named", () => {
  const prepared = async () => {
    const made = await plain();
    const verdictOn = (lines: readonly string[]) => verify(textOf(lines), made.publicKey);
    return { ...made, verdictOn, lineOf: (index: number) => made.lines[index] ?? "" };
  };

  it("where an entry is missing, doubled, or in another's place", async () => {
    const { lines, verdictOn, lineOf } = await prepared();
    // Entry 3 stands on line 5.
    expect(await verdictOn(lines.toSpliced(4, 1))).toMatchObject({ entry: 3, line: 5 });
    expect(await verdictOn(lines.toSpliced(4, 0, lineOf(4)))).toMatchObject({ entry: 4, why: "out of order" });
    expect(await verdictOn(lines.with(4, lineOf(5)).with(5, lineOf(4)))).toMatchObject({ entry: 3 });
  });

  it("where an entry was edited, in its only form and with all links behind it as they were", async () => {
    const { lines, verdictOn, lineOf } = await prepared();
    const edited = lineOf(4).replace("ses_2", "ses_9");
    expect(edited).not.toBe(lineOf(4));
    expect(await verdictOn(lines.with(4, edited))).toMatchObject({ entry: 3, why: "edited" });
  });

  it("where a personal field, or its salt, is not what the entry committed to", async () => {
    const { lines, verdictOn, lineOf } = await prepared();
    const salt = /"name":\{"value":"alice","salt":"([0-9a-f]{64})"/.exec(lineOf(4))?.[1] ?? "";
    for (const forged of [lineOf(4).replace('"alice"', '"mallory"'), lineOf(4).replace(salt, "0".repeat(64))]) {
      const verdict = await verdictOn(lines.with(4, forged));
      expect(verdict).toMatchObject({ entry: 3, why: "not what it committed to" });
    }
    const moved = lineOf(4).replace('"personal":{"name"', '"personal":{"client"');
    expect(await verdictOn(lines.with(4, moved))).toMatchObject({ ok: false, entry: 3 });
  });

  it("where the file was cut off", async () => {
    const { lines, publicKey, verdictOn } = await prepared();
    expect(await verdictOn(lines.slice(0, 4))).toMatchObject({ entry: 3, line: 5 });
    expect(await verdictOn(lines.slice(0, -1))).toMatchObject({
      line: 9,
      why: "is missing: the file was cut off",
    });
    expect(await verify(textOf(lines).slice(0, -1), publicKey)).toMatchObject({ line: 9 });
  });

  it("where something stands behind the checkpoint, or a line is too long", async () => {
    const { lines, verdictOn } = await prepared();
    expect(await verdictOn([...lines, "{}"])).toMatchObject({ line: 10, why: "stands behind the end" });
    expect(await verdictOn(lines.with(4, "x".repeat(MAX_LINE_BYTES + 1)))).toMatchObject({
      line: expect.any(Number),
      why: "is too long",
    });
  });

  it("where a line's JSON is not in its only form", async () => {
    const { lines, verdictOn, lineOf } = await prepared();
    for (const form of [`${lineOf(4)} `, ` ${lineOf(4)}`, lineOf(4).replace('{"entry":', '{"entry":"x","entry":')]) {
      expect(await verdictOn(lines.with(4, form))).toMatchObject({ entry: 3, why: "not an audit entry" });
    }
    expect(await verdictOn(lines.map((line) => `${line}\r`))).toMatchObject({ ok: false, line: 1 });
  });

  it("where the header, or the checkpoint, is of another store, key or time", async () => {
    const { lines, publicKey, verdictOn, lineOf } = await prepared();
    const other = await plain();
    expect(await verify(textOf(other.lines), publicKey)).toMatchObject({
      line: 1,
      why: "names another key than the given one",
    });
    expect(await verdictOn(lines.with(-1, other.lines.at(-1) ?? ""))).toMatchObject({
      line: 9,
      why: "has a wrong signature",
    });
    const header = parseHeader(Buffer.from(lineOf(0)));
    if (header === undefined) throw new Error("there is no header");
    const later = headerLine({ ...header, time: header.time + 1 });
    expect(await verdictOn(lines.with(0, later))).toMatchObject({ line: 9 });
  });
});

describe("promise 8: who writes an export without the audit key", () => {
  it("cannot make one of a log that never was, whatever else is made to fit", async () => {
    const { lines, publicKey } = await plain();
    const own = newKeyPair();
    const [header, checkpoint] = [parseHeader(Buffer.from(lines[0] ?? "")), parseCheckpoint(lines.at(-1) ?? "")];
    if (header === undefined || checkpoint === undefined) throw new Error("this is no export");
    const forged = forgedRows(lines.slice(1, -1));
    const [chain] = checkpoint.chains;
    const { node = "", first = 0, prev = "", length = 0 } = chain ?? {};
    const claims = { ...checkpoint, chains: [{ node, first, prev, length, hash: forged.hash }] };
    const signed = signCheckpoint({ ...own, createdAt: 0 }, claims);
    const withOwnKey = [headerLine({ ...header, key: signed.key }), ...forged.rows, checkpointLine(signed)];
    const withOldKey = [lines[0] ?? "", ...forged.rows, checkpointLine({ ...signed, key: publicKey })];
    expect(await verify(textOf(withOwnKey), publicKey)).toMatchObject({ ok: false, line: 1 });
    expect(await verify(textOf(withOldKey), publicKey)).toMatchObject({ ok: false, line: 9 });
    // It is the key that is missing, and nothing else.
    expect(await verify(textOf(withOwnKey), formatPublicKey(own.publicKey))).toMatchObject({ ok: true });
  });

  it("cannot pass off entries that begin late as what retention left", async () => {
    const { lines, publicKey } = await plain();
    const header = parseHeader(Buffer.from(lines[0] ?? ""));
    const kept = parseEntry(JSON.parse(lines[4] ?? "{}").entry);
    if (header?.chains[0] === undefined || kept === undefined) throw new Error("this is no export");
    const late = { ...header.chains[0], first: kept.index, prev: kept.prev };
    const anchor = { time: header.time, signature: Buffer.alloc(64, 1).toString("base64url") };
    for (const chain of [late, { ...late, anchor }]) {
      const text = textOf([headerLine({ ...header, chains: [chain] }), ...lines.slice(4)]);
      expect(await verify(text, publicKey)).toMatchObject({
        ok: false,
        line: 1,
        why: expect.stringContaining("anchor"),
      });
    }
  });

  describe.each([
    ["as it is made now", (checkpoint: Checkpoint) => checkpoint],
    ["of version 1, which did not say where a chain begins", asVersion1],
  ])("with a checkpoint %s", (_form, madeBy) => {
    it("cannot cut off its first entries with the anchor of a later one", async () => {
      const log = await newLog();
      await writeLogins(log, 40);
      const [publicKey, key] = [await keyOf(log), await auditKeyOf(log)];
      const lines = (await exported(log)).trimEnd().split("\n");
      const checkpoint = parseCheckpoint(lines.at(-1) ?? "");
      const header = parseHeader(Buffer.from(lines[0] ?? ""));
      if (checkpoint === undefined || header === undefined) throw new Error("this is no export");
      const ended = checkpointLine(madeBy(checkpoint, key));
      expect(await verify(textOf(lines.with(-1, ended)), publicKey)).toMatchObject({ ok: true });
      log.time += HOUR;
      await keepAuditFor(log, DAY / 4);
      const later = parseHeader(Buffer.from((await exported(log)).split("\n")[0] ?? ""));
      const [now, then] = [later?.chains[0], header.chains[0]];
      if (now === undefined || then === undefined) throw new Error("this is no export");
      const cut = headerLine({ ...header, chains: [{ ...now, length: then.length }] });
      const verdict = await verify(textOf([cut, ...lines.slice(1 + now.first, -1), ended]), publicKey);
      expect(verdict).toMatchObject({ ok: false, why: "is the checkpoint of a log that began elsewhere" });
    });
  });

  it("cannot move an anchor to another entry", async () => {
    const { lines, publicKey } = await pruned();
    const header = parseHeader(Buffer.from(lines[0] ?? ""));
    const [chain] = header?.chains ?? [];
    const second = parseEntry(JSON.parse(lines[2] ?? "{}").entry);
    if (header === undefined || chain === undefined || second === undefined) throw new Error("this is no export");
    const later = { ...chain, first: second.index, prev: second.prev };
    const text = textOf([headerLine({ ...header, chains: [later] }), ...lines.slice(2)]);
    expect(await verify(text, publicKey)).toMatchObject({ ok: false, line: 1 });
  });
});

describe("promise 8: an export that is held against an older checkpoint", () => {
  it("holds when the log has grown from there", async () => {
    const log = await newLog();
    await writeLogins(log, 3);
    const checkpoint = await takeCheckpoint(log);
    await writeLogins(log, 3);
    const options = { publicKey: await keyOf(log), checkpoint };
    expect(await verifyExport(bytesOf(await exported(log)), options)).toMatchObject({ ok: true, entries: 7 });
  });

  it("shows that the log was cut off past it, though the export by itself holds", async () => {
    const log = await newLog();
    await writeLogins(log, 3);
    const short = await exported(log);
    await writeLogins(log, 3);
    const options = { publicKey: await keyOf(log), checkpoint: await takeCheckpoint(log) };
    expect(await verifyExport(bytesOf(short), { publicKey: options.publicKey })).toMatchObject({ ok: true });
    expect(await verifyExport(bytesOf(short), options)).toMatchObject({ ok: false, entry: 4 });
  });

  it("is refused with one of another store, or one that was edited", async () => {
    const [log, other] = [await newLog(), await newLog()];
    const publicKey = await keyOf(log);
    const text = await exported(log);
    const checkpoint = await takeCheckpoint(log);
    const signature = checkpoint.signature.replace(/^./, (first) => (first === "A" ? "B" : "A"));
    for (const wrong of [await takeCheckpoint(other), { ...checkpoint, time: 1 }, { ...checkpoint, signature }]) {
      const judged = verifyExport(bytesOf(text), { publicKey, checkpoint: wrong });
      await expect(judged).rejects.toMatchObject({ code: "audit_damaged" });
    }
  });
});

describe("an export", () => {
  it("ends where it began to be made, while the log grows", async () => {
    const log = await newLog();
    await writeLogins(log, 300);
    let text = "";
    for await (const piece of exportAudit(log)) {
      text += piece;
      await write(log);
    }
    expect(await lengthOf(log)).toBeGreaterThan(301);
    expect(await verify(text, await keyOf(log))).toMatchObject({ ok: true, entries: 301 });
  });

  it("attack 63: is ASCII, a line an entry, and says every value exactly", async () => {
    const log = await newLog();
    const name = "=1+1\r\n\"',;\u2028\u202e\u001b[31m@é\u{1f600}";
    await write(log, { personal: { name } });
    const { lines, publicKey } = await linesOf(log);
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^\{[ -~]*\}$/);
    expect(JSON.parse(lines[2] ?? "").personal.name.value).toBe(name);
    expect(await verify(textOf(lines), publicKey)).toMatchObject({ ok: true });
  });

  it("can be verified with no more than SHA-256, Ed25519 and JSON, as the decision record says", async () => {
    const { lines } = await plain();
    const [header, ...rows] = lines.map((line) => JSON.parse(line));
    const checkpoint = rows.pop();
    let expected = createHash("sha256").update(`postern audit chain 1\n${header.chains[0].node}`).digest("hex");
    for (const { entry, personal = {} } of rows) {
      const parsed = JSON.parse(entry);
      expect(parsed.prev).toBe(expected);
      for (const [field, { value, salt }] of Object.entries<{ value: string; salt: string }>(personal)) {
        const hash = createHash("sha256").update(Buffer.from(salt, "hex")).update(`${field}\0${value}`);
        expect(parsed.commitments[field]).toBe(hash.digest("hex"));
      }
      expected = createHash("sha256").update(entry).digest("hex");
    }
    const { node, first, prev } = header.chains[0];
    expect(checkpoint.chains).toEqual([{ node, first, prev, length: rows.length, hash: expected }]);
    const signed = (lines.at(-1) ?? "").replace(/,"signature":"[^"]*"\}$/, "}");
    const spki = Buffer.from(
      `302a300506032b6570032100${Buffer.from(header.key.slice(8), "base64url").toString("hex")}`,
      "hex",
    );
    const key = createPublicKey({ key: spki, format: "der", type: "spki" });
    expect(verifySignature(null, Buffer.from(signed), key, Buffer.from(checkpoint.signature, "base64url"))).toBe(true);
  });
});

/** The rows with another session in the first login, and every link behind it made to fit. */
function forgedRows(rows: readonly string[]): { rows: string[]; hash: string } {
  let hash = "";
  const forged = rows.map((row, index) => {
    const { entry, ...rest } = JSON.parse(row);
    const parsed = parseEntry(entry);
    if (parsed === undefined) throw new Error("this is no entry");
    const next = entryText({ ...parsed, ...(index > 0 && { prev: hash }), ...(index === 1 && { session: "ses_x" }) });
    hash = entryHash(next);
    return JSON.stringify({ entry: next, ...rest });
  });
  return { rows: forged, hash };
}

it("a commitment of an export is the one of the store", () => {
  const salt = Buffer.alloc(32, 7);
  const byHand = createHash("sha256").update(salt).update("name\0alice").digest("hex");
  expect(commitment("name", "alice", salt)).toBe(byHand);
});
