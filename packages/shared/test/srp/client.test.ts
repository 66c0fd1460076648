import { beforeAll, describe, expect, it } from "vitest";
import {
  type Credentials,
  clientEphemeral,
  clientSession,
  derivePrivateKey,
  deriveVerifier,
  verifierOf,
  verifyServerProof,
} from "../../src/srp/client.js";
import { pad } from "../../src/srp/group.js";
import { mod, toInteger } from "../../src/srp/integer.js";
import { parseProof, parsePublicValue, parseSalt, parseVerifier } from "../../src/srp/parse.js";
import { warmPower } from "../../src/srp/power.js";
import { serverEphemeral, serverSession } from "../../src/srp/server.js";
import { postern } from "../../src/srp/suite.js";
import { multiplier } from "../../src/srp/transcript.js";
import { codeOf } from "./code-of.js";

const { group } = postern;
const { prime: N } = group;
const credentials: Credentials = { identity: "alice", salt: parseSalt("a5".repeat(32)), password: "1e".repeat(32) };
const verifier = parseVerifier(deriveVerifier(credentials));

function login() {
  const ephemeral = clientEphemeral();
  const answer = serverEphemeral({ clientPublic: parsePublicValue(ephemeral.publicHex), verifier });
  const session = clientSession({ credentials, ephemeral, serverPublic: parsePublicValue(answer.publicHex) });
  const { identity, salt } = credentials;
  const verdict = serverSession({ identity, salt, ephemeral: answer }).verifyClientProof(parseProof(session.proofHex));
  if (!verdict.proved) throw new Error("the server refused a right password");
  return { ephemeral, session, proofHex: verdict.proofHex };
}

describe("the client's ephemeral", () => {
  beforeAll(() => warmPower(group));

  it("is fresh in 10,000 runs, a and A, with the top bit of a set", () => {
    const seen = new Set<string>();
    for (let run = 0; run < 10_000; run++) {
      const { secret, publicHex } = clientEphemeral();
      expect(secret.length === 32 && secret.readUInt8(0) >= 0x80).toBe(true);
      seen.add(secret.toString("hex")).add(publicHex);
    }
    expect(seen.size).toBe(20_000);
  });

  it("sets the top bit whatever the generator gives, and changes no other", () => {
    const { secret } = clientEphemeral((size) => Buffer.alloc(size, 0x01));
    expect(secret.toString("hex")).toBe(`81${"01".repeat(31)}`);
  });

  it("is wiped by its session", () => {
    expect(login().ephemeral.secret).toEqual(Buffer.alloc(32));
  });
});

describe("the client's session", () => {
  it("ends in the server's proof", () => {
    const { session, proofHex } = login();
    const key = Buffer.from(session.key);
    verifyServerProof(session, proofHex);
    expect(session.key).toEqual(key);
  });

  it.each([
    ["0", 0n],
    ["1", 1n],
    ["N-1", N - 1n],
    ["N", N],
    ["2^2048-1", (1n << 2048n) - 1n],
  ])("does not begin with B = %s", (_name, value) => {
    const parse = () => parsePublicValue(value.toString(16).padStart(512, "0"), "server_not_proved");
    expect(codeOf(parse)).toBe("server_not_proved");
  });

  it.each([
    ["0", 0n],
    ["1", 1n],
    ["N-1", N - 1n],
  ])("aborts when B - k*g^x is %s, and wipes a", (_name, base) => {
    const v = toInteger(verifierOf(postern, derivePrivateKey(credentials)));
    const B = pad(group, mod(toInteger(multiplier(postern)) * v + base, N));
    const ephemeral = clientEphemeral();
    const begin = () => clientSession({ credentials, ephemeral, serverPublic: parsePublicValue(B.toString("hex")) });
    expect(codeOf(begin)).toBe("server_not_proved");
    expect(ephemeral.secret).toEqual(Buffer.alloc(32));
  });

  it("aborts when u = 0, where the password would not matter", () => {
    const zeroHash = { ...postern, hash: () => Buffer.alloc(32) };
    const serverPublic = parsePublicValue(pad(group, 5n).toString("hex"));
    const begin = () => clientSession({ credentials, ephemeral: clientEphemeral(), serverPublic }, zeroHash);
    expect(codeOf(begin)).toBe("server_not_proved");
  });

  it("refuses a server's proof with any one bit flipped, and wipes K", () => {
    for (let bit = 0; bit < 256; bit++) {
      const { session, proofHex } = login();
      const proof = Buffer.from(proofHex, "hex");
      proof.writeUInt8(proof.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(codeOf(() => verifyServerProof(session, proof.toString("hex")))).toBe("server_not_proved");
      expect(session.key).toEqual(Buffer.alloc(32));
    }
  });

  it("refuses a server that answers with the client's own proof", () => {
    const { session } = login();
    expect(codeOf(() => verifyServerProof(session, session.proofHex))).toBe("server_not_proved");
  });

  it.each([
    ["in upper case", (proof: string) => proof.toUpperCase()],
    ["padded, as the package takes it", (proof: string) => `00${proof}`],
    ["cut short", (proof: string) => proof.slice(0, 62)],
    ["empty", () => ""],
    ["missing", () => undefined],
    ["in an array", (proof: string) => [proof]],
  ])("refuses the right proof %s", (_name, change) => {
    const { session, proofHex } = login();
    expect(codeOf(() => verifyServerProof(session, change(proofHex)))).toBe("server_not_proved");
  });

  it("has another K and M1 for another name, salt or password", () => {
    const serverPublic = parsePublicValue(pad(group, 1234567n).toString("hex"));
    const variants: Credentials[] = [
      credentials,
      { ...credentials, identity: "alicf" },
      { ...credentials, salt: parseSalt(`${"a5".repeat(31)}a4`) },
      { ...credentials, password: `${"1e".repeat(31)}1f` },
    ];
    const sessions = variants.map((variant) => {
      const ephemeral = clientEphemeral((size) => Buffer.alloc(size, 0xc3));
      return clientSession({ credentials: variant, ephemeral, serverPublic });
    });
    expect(new Set(sessions.map(({ key }) => key.toString("hex"))).size).toBe(4);
    expect(new Set(sessions.map(({ proofHex }) => proofHex)).size).toBe(4);
  });
});
