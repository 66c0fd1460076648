import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { parseFingerprint } from "@postern/shared/fingerprint";
import { describe, expect, it } from "vitest";
import { createIdentity, identityFingerprint, identityPublicKey } from "../../src/identity/identity-key.js";
import { newSerialNumber } from "../../src/identity/x509.js";

const now = Date.parse("2026-11-21T12:00:00.500Z");

describe("identity key", () => {
  it("is a P-256 key with a self-signed certificate that may sign, for 30 years", async () => {
    const identity = await createIdentity({ now });
    const certificate = new X509Certificate(identity.certificateDer);
    expect(certificate.subject).toBe("CN=Postern identity");
    expect(certificate.issuer).toBe("CN=Postern identity");
    expect(certificate.ca).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkIssued(certificate)).toBe(true);
    expect(new Date(certificate.validFrom).toISOString()).toBe("2026-11-20T12:00:00.000Z");
    expect(new Date(certificate.validTo).toISOString()).toBe("2056-11-21T12:00:00.000Z");
  });

  it("keeps the private key that belongs to its certificate", async () => {
    const identity = await createIdentity({ now });
    const key = createPrivateKey({ key: identity.privateKeyPkcs8, format: "der", type: "pkcs8" });
    expect(new X509Certificate(identity.certificateDer).checkPrivateKey(key)).toBe(true);
    expect(createPublicKey(key).equals(identityPublicKey(identity))).toBe(true);
  });

  it("has a fingerprint of the key, another for each identity", async () => {
    const [one, other] = [await createIdentity({ now }), await createIdentity({ now })];
    expect(parseFingerprint(identityFingerprint(one))).toBe(identityFingerprint(one));
    expect(identityFingerprint(one)).not.toBe(identityFingerprint(other));
  });

  it.each([
    ["all ones", 0xff],
    ["all zeros", 0x00],
    ["the sign bit alone", 0x80],
  ])("RFC 5280 4.1.2.2: has a positive serial number of 16 bytes when the randomness is %s", async (_, byte) => {
    const random = (size: number) => Buffer.alloc(size, byte);
    expect(newSerialNumber(random)).toMatch(/^[4-7][0-9a-f]{31}$/);
    const identity = await createIdentity({ now, random });
    expect(new X509Certificate(identity.certificateDer).serialNumber.toLowerCase()).toBe(newSerialNumber(random));
  });
});
