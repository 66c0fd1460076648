import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { type Credentials, clientEphemeral, clientSession, deriveVerifier } from "../../src/srp/client.js";
import { inRange, pad } from "../../src/srp/group.js";
import { mod, toBytes, toInteger } from "../../src/srp/integer.js";
import { parseProof, parsePublicValue, parseSalt, parseVerifier } from "../../src/srp/parse.js";
import { warmPower } from "../../src/srp/power.js";
import {
  discard,
  serverEphemeral,
  serverPremaster,
  serverSession,
  VERIFIER_SEED_BYTES,
  verifierFromBytes,
} from "../../src/srp/server.js";
import { postern } from "../../src/srp/suite.js";
import { multiplier } from "../../src/srp/transcript.js";
import { codeOf } from "./code-of.js";
import { bigintPower } from "./package-oracle.js";

const { group } = postern;
const { prime: N } = group;
const salt = parseSalt("5a".repeat(32));
const credentials: Credentials = { identity: "alice", salt, password: "0f".repeat(32) };
const verifier = parseVerifier(deriveVerifier(credentials));

/** A login up to the client's proof. */
function login(password = credentials.password) {
  const asked = clientEphemeral();
  const ephemeral = serverEphemeral({ clientPublic: parsePublicValue(asked.publicHex), verifier });
  const serverPublic = parsePublicValue(ephemeral.publicHex);
  const ofClient = clientSession({ credentials: { ...credentials, password }, ephemeral: asked, serverPublic });
  const session = serverSession({ identity: "alice", salt, ephemeral });
  return { ephemeral, session, ofClient, proof: parseProof(ofClient.proofHex) };
}

/** Solves B = k*v + g^b for v: the verifier with which this b gives that B. */
function verifierFor(serverPublic: bigint, b: Buffer) {
  const power = bigintPower(2n, toInteger(b), N);
  const inverse = bigintPower(toInteger(multiplier(postern)), N - 2n, N);
  return parseVerifier(pad(group, mod((serverPublic - power) * inverse, N)).toString("hex"));
}

describe("the server's ephemeral", () => {
  beforeAll(() => warmPower(group));

  it("is fresh in 10,000 runs, b and B, with the top bit of b set", () => {
    const clientPublic = parsePublicValue(pad(group, 5n).toString("hex"));
    const seen = new Set<string>();
    for (let run = 0; run < 10_000; run++) {
      const { secret, publicHex } = serverEphemeral({ clientPublic, verifier });
      expect(secret.length === 32 && secret.readUInt8(0) >= 0x80).toBe(true);
      seen.add(secret.toString("hex")).add(publicHex);
    }
    expect(seen.size).toBe(20_000);
  });

  it.each([
    ["0", 0n],
    ["1", 1n],
    ["N-1", N - 1n],
  ])("draws b again when B would be %s", (_name, serverPublic) => {
    const unlucky = Buffer.alloc(32, 0xa7);
    const lucky = Buffer.alloc(32, 0xb9);
    const draws = [Buffer.from(unlucky), Buffer.from(lucky)];
    const ephemeral = serverEphemeral(
      { clientPublic: parsePublicValue(pad(group, 5n).toString("hex")), verifier: verifierFor(serverPublic, unlucky) },
      () => draws.shift() ?? Buffer.alloc(0),
    );
    expect(draws).toEqual([]);
    expect(ephemeral.secret).toEqual(lucky);
    expect(parsePublicValue(ephemeral.publicHex)).toHaveLength(256);
  });

  it("is wiped by its session, so that it makes no second one", () => {
    const { ephemeral } = login();
    expect(ephemeral.secret).toEqual(Buffer.alloc(32));
    expect(codeOf(() => serverSession({ identity: "alice", salt, ephemeral }))).toBe("bug");
  });

  it("is wiped when its login ends early", () => {
    const { secret } = serverEphemeral({ clientPublic: parsePublicValue(pad(group, 5n).toString("hex")), verifier });
    discard({ secret });
    expect(secret).toEqual(Buffer.alloc(32));
  });
});

describe("the server's session", () => {
  it("agrees with the client on K when the password is right", () => {
    const { session, ofClient, proof } = login();
    const verdict = session.verifyClientProof(proof);
    expect(verdict).toEqual({ proved: true, key: ofClient.key, proofHex: ofClient.expected.toString("hex") });
  });

  it("gives nothing but a refusal when the password is wrong", () => {
    const { session, proof } = login("0e".repeat(32));
    expect(session.verifyClientProof(proof)).toEqual({ proved: false });
  });

  it("refuses a proof with any one bit flipped", () => {
    for (let bit = 0; bit < 256; bit++) {
      const { session, proof } = login();
      proof.writeUInt8(proof.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(session.verifyClientProof(proof)).toEqual({ proved: false });
    }
  });

  it("takes one proof: the right one after a wrong one is out of order", () => {
    const { session, proof } = login();
    session.verifyClientProof(parseProof("00".repeat(32)));
    expect(codeOf(() => session.verifyClientProof(proof))).toBe("out_of_order");
  });

  it("takes no proof after it was discarded, not even that of a wiped session", () => {
    const { session } = login();
    session.discard();
    expect(codeOf(() => session.verifyClientProof(parseProof("00".repeat(32))))).toBe("out_of_order");
  });

  it("shows neither K nor a proof to a log, to JSON or to a spread", () => {
    const { session, ofClient } = login();
    const shown = [inspect(session, { depth: 9, showHidden: true }), JSON.stringify(session), inspect({ ...session })];
    expect(shown.join()).not.toContain(ofClient.key.toString("hex").slice(0, 8));
    expect(shown.join()).not.toMatch(/Buffer|key|proof"|expected/);
  });

  it("refuses u = 0, where any password would do, and wipes b", () => {
    const zeroHash = { ...postern, hash: () => Buffer.alloc(32) };
    const clientPublic = parsePublicValue(pad(group, 5n).toString("hex"));
    const ephemeral = serverEphemeral({ clientPublic, verifier });
    expect(codeOf(() => serverSession({ identity: "alice", salt, ephemeral }, zeroHash))).toBe("ephemeral_invalid");
    expect(ephemeral.secret).toEqual(Buffer.alloc(32));
  });

  it.each([
    ["1", 1n],
    ["N-1", N - 1n],
  ])("refuses A = %s / v^u, where S would not depend on b", (_name, target) => {
    const u = Buffer.alloc(32, 3);
    const inverse = bigintPower(bigintPower(toInteger(verifier), toInteger(u), N), N - 2n, N);
    const clientPublic = toBytes((target * inverse) % N, 256);
    const inputs = { clientPublic, verifier, u, b: Buffer.alloc(32, 0xff) };
    expect(codeOf(() => serverPremaster(postern, inputs))).toBe("ephemeral_invalid");
  });
});

describe("a name that nobody has", () => {
  it("has a verifier in range for every seed, and goes through the same arithmetic to a refusal", () => {
    const unknown = verifierFromBytes(randomBytes(VERIFIER_SEED_BYTES));
    const asked = clientEphemeral();
    const ephemeral = serverEphemeral({ clientPublic: parsePublicValue(asked.publicHex), verifier: unknown });
    const serverPublic = parsePublicValue(ephemeral.publicHex);
    const { proofHex } = clientSession({ credentials, ephemeral: asked, serverPublic });
    const session = serverSession({ identity: "nobody", salt, ephemeral });
    expect(session.verifyClientProof(parseProof(proofHex))).toEqual({ proved: false });
  });

  it("keeps its verifier between the least and the greatest of anyone's", () => {
    const seed = (value: bigint) => toBytes(value, VERIFIER_SEED_BYTES);
    expect(verifierFromBytes(seed(0n))).toEqual(pad(group, 2n));
    expect(verifierFromBytes(seed(N - 4n))).toEqual(pad(group, N - 2n));
    expect(verifierFromBytes(seed(N - 3n))).toEqual(pad(group, 2n));
    expect(inRange(group, verifierFromBytes(Buffer.alloc(VERIFIER_SEED_BYTES, 0xff)))).toBe(true);
  });

  it.each([0, 32, 256, 271, 273])("takes no seed of %d bytes", (size) => {
    expect(codeOf(() => verifierFromBytes(Buffer.alloc(size, 7)))).toBe("bug");
  });
});
