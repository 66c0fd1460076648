import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clientPremaster, clientPublicValue, verifierOf } from "../../src/srp/client.js";
import { group1024, group2048 } from "../../src/srp/group.js";
import { serverPremaster, serverPublicValue } from "../../src/srp/server.js";
import { rfc5054, type Suite } from "../../src/srp/suite.js";
import { clientProof, multiplier, scrambler, serverProof, sessionKey } from "../../src/srp/transcript.js";

interface Vector {
  readonly H: string;
  readonly size: number;
  readonly N: string;
  readonly g: string;
  readonly I: string;
  readonly P: string;
  readonly s: string;
  readonly k: string;
  readonly x: string;
  readonly v: string;
  readonly a: string;
  readonly b: string;
  readonly A: string;
  readonly B: string;
  readonly u: string;
  readonly S: string;
  readonly K?: string;
  readonly M1?: string;
  readonly M2?: string;
}

/** RFC 5054 appendix B. */
const appendixB: Vector = {
  H: "sha1",
  size: 1024,
  N: `EEAF0AB9 ADB38DD6 9C33F80A FA8FC5E8 60726187 75FF3C0B 9EA2314C 9C256576
      D674DF74 96EA81D3 383B4813 D692C6E0 E0D5D8E2 50B98BE4 8E495C1D 6089DAD1
      5DC7D7B4 6154D6B6 CE8EF4AD 69B15D49 82559B29 7BCF1885 C529F566 660E57EC
      68EDBC3C 05726CC0 2FD4CBF4 976EAA9A FD5138FE 8376435B 9FC61D2F C0EB06E3`,
  g: "02",
  I: "alice",
  P: "password123",
  s: "BEB25379 D1A8581E B5A72767 3A2441EE",
  k: "7556AA04 5AEF2CDD 07ABAF0F 665C3E81 8913186F",
  x: "94B7555A ABE9127C C58CCF49 93DB6CF8 4D16C124",
  v: `7E273DE8 696FFC4F 4E337D05 B4B375BE B0DDE156 9E8FA00A 9886D812 9BADA1F1
      822223CA 1A605B53 0E379BA4 729FDC59 F105B478 7E5186F5 C671085A 1447B52A
      48CF1970 B4FB6F84 00BBF4CE BFBB1681 52E08AB5 EA53D15C 1AFF87B2 B9DA6E04
      E058AD51 CC72BFC9 033B564E 26480D78 E955A5E2 9E7AB245 DB2BE315 E2099AFB`,
  a: "60975527 035CF2AD 1989806F 0407210B C81EDC04 E2762A56 AFD529DD DA2D4393",
  b: "E487CB59 D31AC550 471E81F0 0F6928E0 1DDA08E9 74A004F4 9E61F5D1 05284D20",
  A: `61D5E490 F6F1B795 47B0704C 436F523D D0E560F0 C64115BB 72557EC4 4352E890
      3211C046 92272D8B 2D1A5358 A2CF1B6E 0BFCF99F 921530EC 8E393561 79EAE45E
      42BA92AE ACED8251 71E1E8B9 AF6D9C03 E1327F44 BE087EF0 6530E69F 66615261
      EEF54073 CA11CF58 58F0EDFD FE15EFEA B349EF5D 76988A36 72FAC47B 0769447B`,
  B: `BD0C6151 2C692C0C B6D041FA 01BB152D 4916A1E7 7AF46AE1 05393011 BAF38964
      DC46A067 0DD125B9 5A981652 236F99D9 B681CBF8 7837EC99 6C6DA044 53728610
      D0C6DDB5 8B318885 D7D82C7F 8DEB75CE 7BD4FBAA 37089E6F 9C6059F3 88838E7A
      00030B33 1EB76840 910440B1 B27AAEAE EB4012B7 D7665238 A8E3FB00 4B117B58`,
  u: "CE38B959 3487DA98 554ED47D 70A7AE5F 462EF019",
  S: `B0DC82BA BCF30674 AE450C02 87745E79 90A3381F 63B387AA F271A10D 233861E3
      59B48220 F7C4693C 9AE12B0A 6F67809F 0876E2D0 13800D6C 41BB59B6 D5979B5C
      00A172B4 A2A5903A 0BDCAF8A 709585EB 2AFAFA8F 3499B200 210DCC1F 10EB3394
      3CD67FC8 8A2F39A4 BE5BEC4E C0A3212D C346D7E4 74B29EDE 8A469FFE CA686E5A`,
};

const bytes = (hex: string) => Buffer.from(hex.replace(/\s/g, ""), "hex");

function suiteOf({ H, size }: Vector): Suite {
  return rfc5054(size === 1024 ? group1024 : group2048, H === "sha1" ? "sha1" : "sha256");
}

/** A number as wide as this core writes it: the vectors of others leave out leading zeros. */
function padded(hex: string, size: number): string {
  return bytes(hex)
    .toString("hex")
    .padStart(size * 2, "0");
}

function describeVector(title: string, vector: Vector): void {
  const suite = suiteOf(vector);
  const width = suite.group.bytes;
  const digest = suite.hash().length;
  const [x, v, a, b] = [vector.x, vector.v, vector.a, vector.b].map(bytes) as [Buffer, Buffer, Buffer, Buffer];
  const [A, B, u, S] = [vector.A, vector.B, vector.u, vector.S].map(bytes) as [Buffer, Buffer, Buffer, Buffer];
  const transcript = { identity: vector.I, salt: bytes(vector.s), clientPublic: A, serverPublic: B };

  describe(title, () => {
    it("N and g are the group's", () => {
      expect(suite.group.primeBytes.toString("hex")).toBe(padded(vector.N, width));
      expect(suite.group.generatorBytes).toEqual(bytes(vector.g));
    });
    it("k", () => expect(multiplier(suite).toString("hex")).toBe(padded(vector.k, digest)));
    it("x", () => {
      const derived = suite.derivePrivateKey(bytes(vector.s), vector.I, vector.P);
      expect(derived.toString("hex")).toBe(padded(vector.x, digest));
    });
    it("v", () => expect(verifierOf(suite, x).toString("hex")).toBe(padded(vector.v, width)));
    it("A", () => expect(clientPublicValue(suite, a).toString("hex")).toBe(padded(vector.A, width)));
    it("B", () => expect(serverPublicValue(suite, v, b).toString("hex")).toBe(padded(vector.B, width)));
    it("u", () => expect(scrambler(suite, transcript).toString("hex")).toBe(padded(vector.u, digest)));
    it("S of the client", () => {
      expect(clientPremaster(suite, { serverPublic: B, u, x, a }).toString("hex")).toBe(padded(vector.S, width));
    });
    it("S of the server", () => {
      expect(serverPremaster(suite, { clientPublic: A, verifier: v, u, b }).toString("hex")).toBe(
        padded(vector.S, width),
      );
    });

    const { K, M1, M2 } = vector;
    if (K === undefined || M1 === undefined || M2 === undefined) return;
    it("K", () => expect(sessionKey(suite, S).toString("hex")).toBe(K));
    it("M1", () => expect(clientProof(suite, transcript, bytes(K)).toString("hex")).toBe(M1));
    it("M2", () => expect(serverProof(suite, A, bytes(M1), bytes(K)).toString("hex")).toBe(M2));
  });
}

describeVector("RFC 5054 appendix B", appendixB);

const elsewhere = new URL("../../../../../shared/vectors/", import.meta.url);

for (const name of ["srp-rfc5054.json", "srp-srptools-sha256-2048.json"]) {
  const file = new URL(name, elsewhere);
  if (existsSync(file)) {
    const { testVectors } = JSON.parse(readFileSync(file, "utf8")) as { testVectors: Vector[] };
    testVectors.forEach((vector, index) => {
      describeVector(`${name}, vector ${index}`, vector);
    });
  } else {
    console.info(`${name} is not there: only the numbers in this file are checked`);
  }
}
