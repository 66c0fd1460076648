import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createIdentity } from "../../src/identity/identity-key.js";
import { issueLeaf } from "../../src/identity/leaf-certificate.js";
import { expiryNotice, parseOwnCertificate } from "../../src/identity/own-certificate.js";

const now = Date.parse("2026-11-21T12:00:00Z");
const DAY = 86_400_000;

/** Stands in for an authority: what it signs lasts for 90 days. */
const authority = await createIdentity({ now });

async function issued() {
  const leaf = await issueLeaf(authority, { hosts: ["auth.example"], now });
  const key = createPrivateKey({ key: leaf.privateKeyPkcs8, format: "der", type: "pkcs8" });
  const [own, above] = [leaf, authority].map(({ certificateDer }) => new X509Certificate(certificateDer).toString());
  return { key, keyPem: String(key.export({ format: "pem", type: "pkcs8" })), own: own ?? "", above: above ?? "" };
}

const first = await issued();
const other = await issued();

describe("the operator's own certificate", () => {
  it("is taken alone, with its chain, with text around it, and with a key of either form", () => {
    const sec1 = String(first.key.export({ format: "pem", type: "sec1" }));
    for (const cert of [first.own, `${first.own}${first.above}`, `Subject: CN=x\n${first.own}\n`]) {
      for (const key of [first.keyPem, sec1]) {
        expect(parseOwnCertificate({ key, cert }, now)).toEqual({ key, cert, expiresAt: now + 90 * DAY });
      }
    }
  });

  const passphrase = { cipher: "aes-256-cbc", passphrase: "secret" } as const;
  const encrypted = String(first.key.export({ format: "pem", type: "pkcs8", ...passphrase }));
  const oldEncrypted = String(first.key.export({ format: "pem", type: "sec1", ...passphrase }));
  const publicKey = String(generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }));
  const short = String(
    generateKeyPairSync("rsa", { modulusLength: 512 }).privateKey.export({ format: "pem", type: "pkcs8" }),
  );
  const cut = first.own.replace(/\n[^\n]+\n-----END/, "\n-----END");
  const refused: [string, { key?: string; cert?: string; at?: number }, RegExp][] = [
    ["no certificate", { cert: "" }, /certificate's file has none/],
    ["a key in the certificate's place", { cert: first.keyPem }, /certificate's file has none/],
    ["a certificate that is cut", { cert: cut }, /certificate 1 .* cannot be read/],
    ["a chain that is cut", { cert: `${first.own}${cut}` }, /certificate 2 .* cannot be read/],
    ["the chain the wrong way around", { cert: `${first.above}${first.own}` }, /key is not that of the first/],
    ["no key", { key: "" }, /key's file has none/],
    ["a public key", { key: publicKey }, /key's file has none/],
    ["a key that is cut", { key: first.keyPem.replace(/\n[^\n]+\n-----END/, "\n-----END") }, /key cannot be read/],
    ["an encrypted key", { key: encrypted }, /encrypted/],
    ["an encrypted key of the old form", { key: oldEncrypted }, /encrypted/],
    ["another key", { key: other.keyPem }, /key is not that of the first/],
    ["a key of another kind", { key: short }, /key is not that of the first/],
    ["an end that has passed", { at: now + 91 * DAY }, /expired, on 2027-02-19/],
    ["a beginning that is to come", { at: now - 2 * DAY }, /not valid before 2026-11-20/],
  ];
  it.each(refused)("is refused with %s", (_name, { key = first.keyPem, cert = first.own, at = now }, why) => {
    expect(() => parseOwnCertificate({ key, cert }, at)).toThrow(
      expect.objectContaining({ code: "http_certificate_invalid", detail: expect.stringMatching(why) }),
    );
  });

  it("is told of two weeks before its end, and after it", () => {
    const own = parseOwnCertificate({ key: first.keyPem, cert: first.own }, now);
    expect(expiryNotice(own, now + 75 * DAY)).toBeUndefined();
    expect(expiryNotice(own, now + 76 * DAY)).toMatch(/expires on 2027-02-19/);
    expect(expiryNotice(own, now + 91 * DAY)).toMatch(/has expired, on 2027-02-19/);
  });
});
