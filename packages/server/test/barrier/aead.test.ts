import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openInto, seal } from "../../src/barrier/aead.js";
import { SecureBuffer } from "../../src/barrier/secure-buffer.js";
import { expectCode } from "./support.js";

interface Vector {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

const hex = (text: string) => Buffer.from(text, "hex");
const keyOf = (text: string) => SecureBuffer.copyOf(hex(text), "noaccess");

function sealHex({ key, iv, aad, msg }: Vector): string {
  return seal(keyOf(key), hex(iv), hex(aad), hex(msg)).toString("hex");
}

function openHex({ key, iv, aad, ct, tag }: Vector): string | undefined {
  const plaintext = Buffer.alloc(hex(ct).length);
  return openInto(plaintext, keyOf(key), hex(iv), hex(aad), hex(ct + tag)) ? plaintext.toString("hex") : undefined;
}

/** draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
const draft: Vector = {
  key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
  iv: "404142434445464748494a4b4c4d4e4f5051525354555657",
  aad: "50515253c0c1c2c3c4c5c6c7",
  msg: Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, " +
      "sunscreen would be it.",
  ).toString("hex"),
  ct:
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216" +
    "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13" +
    "b52e",
  tag: "c0875924c1c7987947deafd8780acf49",
};

/** Wycheproof tcId 2 to 5: no text or one byte, with and without associated data. */
const small: Vector[] = [
  {
    key: "ab1562faea9f47af3ae1c3d6d030e3af230255dff3df583ced6fbbcbf9d606a9",
    iv: "6a5e0c4617e07091b605a4de2c02dde117de2ebd53b23497",
    aad: "",
    msg: "",
    ct: "",
    tag: "e2697ea6877aba39d9555a00e14db041",
  },
  {
    key: "d821dce9b890ea37ae1c89e7cb6aeae9371b8179add0d08f5494718322ae0071",
    iv: "3ec3f7c45e687d75a895bf5e71809e7cdac32158bb48ec0d",
    aad: "8780fb400f94c55d",
    msg: "",
    ct: "",
    tag: "966c22d655b9e56326024f028cf887ad",
  },
  {
    key: "303ccb2e1567c3d9f629a5c632dbc62a9a82c525674f67988b31bd1dee990538",
    iv: "05188738844ab90a8b11beef38eaec3e100d8f4f85ae7a41",
    aad: "",
    msg: "62",
    ct: "45",
    tag: "d15734f984d749fa3f0550a70c43dddf",
  },
  {
    key: "697c197c9e0023c8eee42ddf08c12c46718a436561b0c66d998c81879f7cb74c",
    iv: "cd78f4533c94648feacd5aef0291b00b454ee3dcdb76dcc8",
    aad: "6384f4714ff18c18",
    msg: "e1",
    ct: "b0",
    tag: "e5e35f5332f91bdd2d28e59d68a0b141",
  },
];

describe("the seal is XChaCha20-Poly1305", () => {
  it.each([draft, ...small])("fixed vector $tag", (vector) => {
    expect(sealHex(vector)).toBe(vector.ct + vector.tag);
    expect(openHex(vector)).toBe(vector.msg);
  });

  it("leaves nothing of a text whose tag does not verify", () => {
    const plaintext = Buffer.alloc(hex(draft.ct).length, 0xaa);
    const forged = hex(draft.ct + draft.tag);
    forged.writeUInt8(forged.readUInt8(0) ^ 1, 0);
    expect(openInto(plaintext, keyOf(draft.key), hex(draft.iv), hex(draft.aad), forged)).toBe(false);
    expect(plaintext.every((byte) => byte === 0)).toBe(true);
  });

  it("refuses keys, nonces and plaintexts of another length before any arithmetic", () => {
    expectCode(() => seal(keyOf("00"), Buffer.alloc(24), Buffer.alloc(0), Buffer.alloc(0)), "bug");
    expectCode(() => sealHex({ ...draft, iv: "00" }), "bug");
    expectCode(() => openInto(Buffer.alloc(1), keyOf(draft.key), hex(draft.iv), hex(""), Buffer.alloc(16)), "bug");
    expectCode(() => openInto(Buffer.alloc(0), keyOf(draft.key), hex(draft.iv), hex(""), Buffer.alloc(3)), "bug");
  });
});

interface Wycheproof {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly ivSize: number;
    readonly tests: readonly (Vector & { readonly tcId: number; readonly result: "valid" | "invalid" })[];
  }[];
}

const file = new URL("../../../../../shared/vectors/wycheproof-xchacha20-poly1305.json", import.meta.url);

describe("attack 41: Wycheproof", () => {
  if (!existsSync(file)) {
    console.warn("wycheproof-xchacha20-poly1305.json is not here: only the fixed vectors ran");
    it("has its fixed vectors all the same", () => expect(small).toHaveLength(4));
    return;
  }
  const { numberOfTests, testGroups }: Wycheproof = JSON.parse(readFileSync(file, "utf8"));

  it("accepts every valid vector and no other", () => {
    let seen = 0;
    for (const { ivSize, tests } of testGroups) {
      for (const vector of tests) {
        seen++;
        if (ivSize !== 192) {
          expect(vector.result).toBe("invalid");
          expectCode(() => openHex(vector), "bug");
        } else if (vector.result === "valid") {
          expect(sealHex(vector), `tcId ${vector.tcId}`).toBe(vector.ct + vector.tag);
          expect(openHex(vector), `tcId ${vector.tcId}`).toBe(vector.msg);
        } else {
          expect(openHex(vector), `tcId ${vector.tcId}`).toBeUndefined();
        }
      }
    }
    expect(seen).toBe(numberOfTests);
  });
});
