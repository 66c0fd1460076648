import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  clientEphemeral,
  clientPremaster,
  clientSession,
  derivePrivateKey,
  deriveVerifier,
  verifyServerProof,
} from "../../src/srp/client.js";
import { parseProof, parsePublicValue, parseSalt, parseVerifier } from "../../src/srp/parse.js";
import { serverEphemeral, serverPremaster, serverSession } from "../../src/srp/server.js";
import { postern } from "../../src/srp/suite.js";
import { scrambler } from "../../src/srp/transcript.js";

type Letter = "I" | "s" | "P" | "x" | "v" | "a" | "b" | "A" | "B" | "u" | "S" | "K" | "M1" | "M2";

const file = new URL("transcripts.json", import.meta.url);
const { transcripts } = JSON.parse(readFileSync(file, "utf8")) as {
  transcripts: (Record<Letter, string> & { title: string })[];
};

const bytes = (hex: string) => Buffer.from(hex, "hex");

describe.each(transcripts)("the package's transcript: $title", ({ I, s, P, x, v, a, b, A, B, u, S, K, M1, M2 }) => {
  const credentials = { identity: I, salt: parseSalt(s), password: P };
  const clientPublic = parsePublicValue(A);
  const serverPublic = parsePublicValue(B);
  const verifier = parseVerifier(v);

  it("x, v, u and S", () => {
    const transcript = { identity: I, salt: credentials.salt, clientPublic, serverPublic };
    expect(derivePrivateKey(credentials).toString("hex")).toBe(x);
    expect(deriveVerifier(credentials)).toBe(v);
    expect(scrambler(postern, transcript).toString("hex")).toBe(u);
    const ofClient = clientPremaster(postern, { serverPublic, u: bytes(u), x: bytes(x), a: bytes(a) });
    const ofServer = serverPremaster(postern, { clientPublic, verifier, u: bytes(u), b: bytes(b) });
    expect([ofClient.toString("hex"), ofServer.toString("hex")]).toEqual([S, S]);
  });

  it("the client's half: A, K, M1, M2", () => {
    const ephemeral = clientEphemeral(() => bytes(a));
    expect(ephemeral.publicHex).toBe(A);
    const session = clientSession({ credentials, ephemeral, serverPublic });
    expect(session.key.toString("hex")).toBe(K);
    expect(session.proofHex).toBe(M1);
    verifyServerProof(session, M2);
  });

  it("the server's half: B, K, M1, M2", () => {
    const ephemeral = serverEphemeral({ clientPublic, verifier }, () => bytes(b));
    expect(ephemeral.publicHex).toBe(B);
    const session = serverSession({ identity: I, salt: credentials.salt, ephemeral });
    expect(session.verifyClientProof(parseProof(M1))).toEqual({ proved: true, key: bytes(K), proofHex: M2 });
  });
});
