import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  type Credentials,
  clientEphemeral,
  clientSession,
  derivePrivateKey,
  deriveVerifier,
  verifierOf,
  verifyServerProof,
} from "../../src/srp/client.js";
import { toBytes, toInteger } from "../../src/srp/integer.js";
import { parseProof, parsePublicValue, parseSalt, parseVerifier } from "../../src/srp/parse.js";
import { serverEphemeral, serverPremaster, serverSession } from "../../src/srp/server.js";
import { postern, rfc5054 } from "../../src/srp/suite.js";
import { clientProof, multiplier, scrambler, serverProof, sessionKey } from "../../src/srp/transcript.js";
import { bigintPower, client, fromHex, params, server, withFastPowers } from "./package-oracle.js";

const { prime } = postern.group;

/** A new person at each call; some salts begin with zeros, some names are beyond ASCII. */
function newCredentials(round: number): Credentials {
  const salt = randomBytes(32);
  salt.fill(0, 0, round % 4);
  const identity = round % 3 === 0 ? `žofie-${round}` : `person.${round}@example`;
  return { identity, salt: parseSalt(salt.toString("hex")), password: randomBytes(32).toString("hex") };
}

/** Postern's client against the package's server. */
function loginAtPackage(credentials: Credentials): void {
  const salt = credentials.salt.toString("hex");
  const verifier = deriveVerifier(credentials);
  const ephemeral = clientEphemeral();
  const theirs = server.generateEphemeral(verifier);
  const session = clientSession({ credentials, ephemeral, serverPublic: parsePublicValue(theirs.public) });
  const { publicHex: A } = ephemeral;
  const answer = server.deriveSession(theirs.secret, A, salt, credentials.identity, verifier, session.proofHex);
  expect(session.key.toString("hex")).toBe(answer.key);
  verifyServerProof(session, answer.proof);
}

/** The package's client against Postern's server. */
function loginFromPackage({ identity, salt, password }: Credentials): void {
  const x = client.derivePrivateKey(salt.toString("hex"), identity, password);
  const theirs = client.generateEphemeral();
  const clientPublic = parsePublicValue(theirs.public);
  const ephemeral = serverEphemeral({ clientPublic, verifier: parseVerifier(client.deriveVerifier(x)) });
  const asked = client.deriveSession(theirs.secret, ephemeral.publicHex, salt.toString("hex"), identity, x);
  const verdict = serverSession({ identity, salt, ephemeral }).verifyClientProof(parseProof(asked.proof));
  if (!verdict.proved) throw new Error("the package's client was refused");
  expect(verdict.key.toString("hex")).toBe(asked.key);
  client.verifySession(theirs.public, asked, verdict.proofHex);
}

/** 1,000 random cases in all; a login with the package's own powers takes some fifty times as long as with Postern's. */
const cases = { untouched: 8, fastPowers: 60, intermediates: 200 };

describe("secure-remote-password 0.3.1 as oracle", () => {
  it(`logs in ${cases.untouched} times with it untouched, at either end`, () => {
    for (let round = 0; round < cases.untouched; round += 2) {
      loginAtPackage(newCredentials(round));
      loginFromPackage(newCredentials(round + 1));
    }
  });

  it(`logs in ${cases.fastPowers} times, at either end, its powers computed by BigInt to save time`, () => {
    withFastPowers(() => {
      for (let round = 0; round < cases.fastPowers; round += 2) {
        loginAtPackage(newCredentials(round));
        loginFromPackage(newCredentials(round + 1));
      }
    });
  });

  it(`gives the same u, x, v, S, K, M1 and M2 in ${cases.intermediates} random transcripts`, () => {
    for (let round = 0; round < cases.intermediates; round++) compareIntermediates(newCredentials(round));
  });

  it("has its powers back after the shortcut, even when that ended in a throw", () => {
    const x = derivePrivateKey(newCredentials(0)).toString("hex");
    expect(() =>
      withFastPowers(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    expect(client.deriveVerifier(x)).toBe(verifierOf(postern, Buffer.from(x, "hex")).toString("hex"));
  });

  it("has the k that the RFC's formula does not give", () => {
    expect(params.k.toHex()).toBe(multiplier(postern).toString("hex"));
    expect(multiplier(rfc5054(postern.group, "sha256"))).not.toEqual(multiplier(postern));
  });

  it("keeps its k, whatever a caller does to the bytes that it got", () => {
    const k = multiplier(postern).toString("hex");
    multiplier(postern).fill(0);
    expect(multiplier(postern).toString("hex")).toBe(k);
  });

  it("has the x that the RFC's formula gives", () => {
    const { salt, identity, password } = newCredentials(3);
    const byFormula = rfc5054(postern.group, "sha256").derivePrivateKey(salt, identity, password);
    expect(postern.derivePrivateKey(salt, identity, password)).toEqual(byFormula);
  });
});

/** One transcript with random public values: every number from the package's functions, powers from BigInt. */
function compareIntermediates(credentials: Credentials): void {
  const { identity, salt, password } = credentials;
  const element = () => 2n + (toInteger(randomBytes(272)) % (prime - 3n));
  const [A, B, v, b] = [element(), element(), element(), toInteger(randomBytes(32)) | (1n << 255n)];
  const clientPublic = toBytes(A, 256);
  const serverPublic = toBytes(B, 256);
  const transcript = { identity, salt, clientPublic, serverPublic };
  const theirA = fromHex(clientPublic.toString("hex"));
  const theirB = fromHex(serverPublic.toString("hex"));
  const { H, N, g } = params;

  const x = derivePrivateKey(credentials);
  expect(x.toString("hex")).toBe(client.derivePrivateKey(salt.toString("hex"), identity, password));
  expect(verifierOf(postern, x)).toEqual(toBytes(bigintPower(2n, toInteger(x), prime), 256));

  const u = scrambler(postern, transcript);
  expect(u.toString("hex")).toBe(H(theirA, theirB).toHex());

  const S = serverPremaster(postern, { clientPublic, verifier: toBytes(v, 256), u, b: toBytes(b, 32) });
  expect(S).toEqual(toBytes(bigintPower(A * bigintPower(v, toInteger(u), prime), b, prime), 256));

  const K = sessionKey(postern, S);
  const theirK = H(fromHex(S.toString("hex")));
  expect(K.toString("hex")).toBe(theirK.toHex());

  const M1 = clientProof(postern, transcript, K);
  const groupHash = H(N).xor(H(g));
  const theirM1 = H(groupHash, H(identity), fromHex(salt.toString("hex")), theirA, theirB, theirK);
  expect(M1.toString("hex")).toBe(theirM1.toHex());
  expect(serverProof(postern, clientPublic, M1, K).toString("hex")).toBe(H(theirA, theirM1, theirK).toHex());
}
