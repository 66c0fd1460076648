import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { beforeAll, describe, expect, it } from "vitest";
import { createIdentity, identityPublicKey, type ServerIdentity } from "../../src/identity/identity-key.js";
import { hostsOf, issueLeaf, leafNeedsRenewal, tlsCredentials } from "../../src/identity/leaf-certificate.js";
import { DAY_MS } from "../../src/identity/x509.js";

const now = Date.parse("2026-11-21T12:00:00Z");
const hosts = ["otp.example", "localhost", "127.0.0.1", "::1", "2001:db8::1:0:0:1"];
const days = (count: number) => now + count * DAY_MS;

let identity: ServerIdentity;
beforeAll(async () => {
  identity = await createIdentity({ now });
});

describe("leaf certificate", () => {
  it("is a server's, signed by the identity, for 90 days and a day of clock skew", async () => {
    const leaf = await issueLeaf(identity, { hosts, now });
    const certificate = new X509Certificate(leaf.certificateDer);
    expect(certificate.verify(identityPublicKey(identity))).toBe(true);
    expect(certificate.checkIssued(new X509Certificate(identity.certificateDer))).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(Date.parse(certificate.validFrom)).toEqual(days(-1));
    expect(Date.parse(certificate.validTo)).toEqual(days(90));
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  it("has a key of its own, not the identity's", async () => {
    const [one, other] = [await issueLeaf(identity, { hosts, now }), await issueLeaf(identity, { hosts, now })];
    const certificate = new X509Certificate(one.certificateDer);
    const key = createPrivateKey({ key: one.privateKeyPkcs8, format: "der", type: "pkcs8" });
    expect(certificate.checkPrivateKey(key)).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    expect(certificate.publicKey.equals(identityPublicKey(identity))).toBe(false);
    expect(certificate.publicKey.equals(new X509Certificate(other.certificateDer).publicKey)).toBe(false);
  });

  it("names each host once, as a name or as an address", async () => {
    const leaf = await issueLeaf(identity, { hosts: [...hosts, "LOCALHOST.", "0:0:0:0:0:0:0:1"], now });
    const certificate = new X509Certificate(leaf.certificateDer);
    expect(certificate.subjectAltName?.split(", ")).toEqual([
      "DNS:otp.example",
      "DNS:localhost",
      "IP Address:127.0.0.1",
      "IP Address:0:0:0:0:0:0:0:1",
      "IP Address:2001:DB8:0:0:1:0:0:1",
    ]);
    expect(certificate.checkIP("::1")).toBeTruthy();
    expect(certificate.checkHost("otp.example")).toBe("otp.example");
  });

  it("tells its hosts in the spelling that they were given, so that a renewal can go on with them", async () => {
    const leaf = await issueLeaf(identity, { hosts, now });
    expect(hostsOf(leaf)).toEqual(["otp.example", "localhost", "127.0.0.1", "::1", "2001:db8::1:0:0:1"]);
    const renewed = await issueLeaf(identity, { hosts: [...hostsOf(leaf), "localhost", "new.example"], now });
    expect(hostsOf(renewed)).toEqual([...hostsOf(leaf), "new.example"]);
  });

  it.each([[[]], [["*.example"]], [["a, DNS:b"]], [["127.1"]]])("refuses to be made for %j", async (wrong) => {
    await expect(issueLeaf(identity, { hosts: wrong, now })).rejects.toEqual(new PosternError("address_invalid"));
  });

  const openssl = spawnSync("openssl", ["version"]).status === 0;
  if (!openssl) console.log("openssl is not installed: the chain is not checked with `openssl verify`");
  it.skipIf(!openssl)("chains to the identity for `openssl verify -x509_strict`", async () => {
    const folder = mkdtempSync(join(tmpdir(), "postern-identity-"));
    try {
      const verify = async (issuer: ServerIdentity, at: number) => {
        const leaf = await issueLeaf(issuer, { hosts, now });
        writeFileSync(join(folder, "identity.pem"), new X509Certificate(identity.certificateDer).toString());
        writeFileSync(join(folder, "leaf.pem"), new X509Certificate(leaf.certificateDer).toString());
        const when = ["-attime", String(at / 1000)];
        const rules = ["-x509_strict", "-purpose", "sslserver", "-verify_ip", "::1"];
        const args = ["verify", ...when, ...rules, "-CAfile", "identity.pem", "leaf.pem"];
        return spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
      };
      expect(await verify(identity, now)).toMatchObject({ status: 0, stdout: "leaf.pem: OK\n" });
      expect((await verify(identity, days(91))).status).not.toBe(0);
      expect((await verify(await createIdentity({ now }), now)).status).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("renewal of a leaf", () => {
  it.each([
    ["is not needed on its first day", days(0), false],
    ["is not needed with 30 days left", days(60), false],
    ["is needed with less than 30 days left", days(60) + 1, true],
    ["is needed when it has expired", days(100), true],
    ["is needed when the clock was set back before it", days(-2), true],
  ])("%s", async (_, at, expected) => {
    const leaf = await issueLeaf(identity, { hosts, now });
    expect(leafNeedsRenewal(leaf, { identity, hosts, now: at })).toBe(expected);
  });

  it.each([
    ["a host more", [...hosts, "new.example"], true],
    ["a host less, as another process on the store may have", hosts.slice(1), false],
    ["another host", ["other.example", ...hosts.slice(1)], true],
    ["another order", hosts.toReversed(), false],
    ["another spelling", hosts.map((host) => host.toUpperCase()), false],
  ])("goes by the hosts: %s", async (_, wanted, expected) => {
    const leaf = await issueLeaf(identity, { hosts, now });
    expect(leafNeedsRenewal(leaf, { identity, hosts: wanted, now })).toBe(expected);
  });

  it("is needed under another identity", async () => {
    const leaf = await issueLeaf(identity, { hosts, now });
    expect(leafNeedsRenewal(leaf, { identity: await createIdentity({ now }), hosts, now })).toBe(true);
  });
});

describe("TLS credentials", () => {
  it("are the leaf's key and the chain of leaf and identity", async () => {
    const leaf = await issueLeaf(identity, { hosts, now });
    const { key, cert } = tlsCredentials(identity, leaf);
    const chain = cert.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem).raw);
    expect(chain).toEqual([leaf.certificateDer, identity.certificateDer]);
    expect(new X509Certificate(leaf.certificateDer).checkPrivateKey(createPrivateKey(key))).toBe(true);
  });
});
