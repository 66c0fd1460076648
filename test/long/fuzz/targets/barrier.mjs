import { sodium } from "@postern/shared/sodium";
import { chosenPassword, offeredPassword } from "../../../../packages/server/dist/barrier/admin-password.js";
import {
  openEnvelope,
  plaintextLength,
  sealEnvelope,
  termOf,
} from "../../../../packages/server/dist/barrier/envelope.js";
import { encodeHeader, HEADER_BYTES, parseHeader } from "../../../../packages/server/dist/barrier/header.js";
import { Keyring } from "../../../../packages/server/dist/barrier/keyring.js";
import {
  encodeArrival,
  encodeDeparture,
  moved,
  parseArrival,
  parseDeparture,
  unfinished,
} from "../../../../packages/server/dist/barrier/migration-notes.js";
import { SecureBuffer } from "../../../../packages/server/dist/barrier/secure-buffer.js";
import { must } from "../judge.mjs";

const CHECKSUM_BYTES = 32;

function withChecksum(bytes) {
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  sodium.crypto_generichash(checksum, body);
  return Buffer.concat([body, checksum]);
}

const soundHeader = encodeHeader({
  stretch: { memoryKiB: 256 * 1024, passes: 3 },
  salt: Buffer.alloc(16, 1),
  nonce: Buffer.alloc(24, 2),
  wrappedRootKey: Buffer.alloc(48, 3),
});

/** An odd first byte: behind it stands a header whose checksum is made right first, or nothing would get past it. */
const header = {
  name: "barrier-header",
  codes: ["store_foreign", "store_future", "store_damaged"],
  dictionary: ["POSTERN\0", Buffer.from("0001", "hex"), Buffer.from("00010000", "hex"), Buffer.from("00000003", "hex")],
  seeds: [
    Buffer.concat([Buffer.of(0), soundHeader]),
    Buffer.concat([Buffer.of(1), soundHeader]),
    Buffer.alloc(HEADER_BYTES),
    Buffer.from("\0POST"),
  ],
  maxLength: 5000,
  run(input) {
    const rest = input.subarray(1);
    const bytes = (input[0] ?? 0) % 2 === 1 && rest.length >= CHECKSUM_BYTES ? withChecksum(rest) : rest;
    must(encodeHeader(parseHeader(bytes)).equals(bytes), "what is written is what was read");
  },
};

const place = { domain: "postern record", storageKey: Buffer.from("somewhere") };
const sealing = { term: 1, key: SecureBuffer.copyOf(Buffer.alloc(32, 7), "readonly") };
/** An odd first byte: the rest is sealed and must open; else the rest is what somebody put in a value's place. */
const envelope = {
  name: "envelope",
  codes: [],
  dictionary: [Buffer.from("01", "hex"), Buffer.from("00000001", "hex"), Buffer.from("ffffffff", "hex")],
  seeds: [
    Buffer.concat([Buffer.of(0, 1, 0, 0, 0, 1), Buffer.alloc(60, 5)]),
    "\x01plaintext",
    Buffer.concat([Buffer.of(0), Buffer.alloc(45)]),
  ],
  maxLength: 2048,
  run(input) {
    const rest = input.subarray(1);
    if ((input[0] ?? 0) % 2 === 0) {
      const length = plaintextLength(rest);
      must((length === undefined) === (termOf(rest) === undefined), "it is an envelope or none");
      must(openEnvelope(sealing, place, rest) === undefined, "what this key has not sealed does not open");
      return;
    }
    const sealed = sealEnvelope(sealing, place, rest);
    must(openEnvelope(sealing, place, sealed)?.equals(rest) === true, "what was sealed opens");
    must(openEnvelope(sealing, { ...place, storageKey: rest }, sealed) === undefined, "but nowhere else");
    const at = rest.length % sealed.length;
    sealed.writeUInt8(sealed.readUInt8(at) ^ 1, at);
    must(openEnvelope(sealing, place, sealed) === undefined, "nor with a bit flipped");
  },
};

function ringOf(...terms) {
  const parts = terms.map((term) => {
    const bytes = Buffer.alloc(36, term);
    bytes.writeUInt32BE(term, 0);
    return bytes;
  });
  return Buffer.concat([Buffer.of(1), Buffer.alloc(80, 9), ...parts]);
}

/** Each key is some pages of memory that only a collection frees: far more of them than a server ever has. */
const COLLECT_EVERY = 200;
let decoded = 0;

const keyring = {
  name: "keyring",
  codes: ["store_damaged"],
  dictionary: [ringOf(1), ringOf(1).subarray(81), Buffer.from("00000002", "hex"), Buffer.from("ffffffff", "hex")],
  seeds: [ringOf(1), ringOf(1, 2, 9), ringOf(2, 1), ringOf(0), ringOf()],
  maxLength: 81 + 36 * 6,
  run(input) {
    if (++decoded % COLLECT_EVERY === 0) globalThis.gc?.();
    const ring = Keyring.decode(input);
    const written = ring.encode();
    must(
      written.use((bytes) => bytes.equals(input)),
      "what is written is what was read",
    );
    must(ring.active.term === ring.terms.at(-1), "the newest term seals");
    written.wipe();
    ring.wipe();
  },
};

const adminPassword = {
  name: "admin-password",
  codes: ["password_too_short", "password_too_long", "secret_file_invalid"],
  dictionary: ["e\u0301", "\u1e9b\u0323", "\ufb01", "\u{1f600}", "x".repeat(1024)],
  seeds: ["correct horse battery", "Stra\u00dfe \u00fcber", "u\u0308", "", "x".repeat(1025), "\u0958".repeat(340)],
  maxLength: 1200,
  run(input) {
    if (++decoded % COLLECT_EVERY === 0) globalThis.gc?.();
    const chosen = chosenPassword(input);
    const offered = offeredPassword(input);
    must(chosen.equals(offered), "what is chosen opens");
    const again = chosen.use((bytes) => chosenPassword(bytes));
    must(again.equals(chosen), "its normal form is that of itself");
    for (const secret of [chosen, offered, again]) secret.wipe();
  },
};

const arrival = {
  run: "0123456789abcdef".repeat(2),
  storeId: "fedcba9876543210".repeat(2),
  digest: "00".repeat(32),
  from: "lmdb:/var/lib/postern",
  time: 1_795_000_000_000,
};
const keys = { header: Buffer.alloc(90, 7), keyring: Buffer.alloc(120, 8) };
const departure = { run: arrival.run, to: "postgres://me@db/store", time: 8.64e15, ...keys };

/** An odd first byte: what departed, else what arrives. Whoever can write a storage can write either. */
const migrationNotes = {
  name: "migration-notes",
  codes: ["store_damaged"],
  dictionary: [
    '"format":1',
    '"run":',
    '"time":',
    "8640000000000001",
    '"header":"',
    '"keyring":"',
    "=",
    "\\u0000",
    "1e400",
    "__proto__",
  ],
  seeds: [
    Buffer.concat([Buffer.of(0), encodeArrival(arrival)]),
    Buffer.concat([Buffer.of(1), encodeDeparture(departure)]),
    "\x00{}",
    "\x01null",
  ],
  maxLength: 2048,
  run(input) {
    const [parse, encode, refusal] =
      (input[0] ?? 0) % 2 === 0 ? [parseArrival, encodeArrival, unfinished] : [parseDeparture, encodeDeparture, moved];
    const note = parse(input.subarray(1));
    const written = encode(note);
    must(encode(parse(written)).equals(written), "what is written is what was read");
    must(/^store_(moved|unfinished)$/.test(refusal(note).code), "it says why the storage does not open");
  },
};

export const targets = [header, envelope, keyring, adminPassword, migrationNotes];
