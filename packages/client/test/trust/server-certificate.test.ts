import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { PosternError } from "@postern/shared/errors";
import { beforeAll, describe, expect, it } from "vitest";
import { createIdentity, identityFingerprint, type ServerIdentity } from "../../../server/src/identity/identity-key.js";
import {
  issueLeaf,
  type Leaf,
  leafNeedsRenewal,
  tlsCredentials,
} from "../../../server/src/identity/leaf-certificate.js";
import { strangeCertificate } from "../../../server/test/identity/strange-certificates.js";
import { decideTrust } from "../../src/trust/decide-trust.js";
import { identityOf } from "../../src/trust/server-certificate.js";
import { leadsTo } from "../../src/trust/succession.js";

const DAY_MS = 24 * 60 * 60 * 1000;
const now = Date.parse("2026-11-21T12:00:00Z");
const hosts = ["localhost"];

type Certified = { readonly certificateDer: Buffer };

const pem = ({ certificateDer }: Certified) => new X509Certificate(certificateDer).toString();
const keyOf = ({ privateKeyPkcs8 }: Leaf): KeyObject =>
  createPrivateKey({ key: privateKeyPkcs8, format: "der", type: "pkcs8" });

/** What the client makes of a real handshake with a server of these options. */
async function handshake<T>(options: TlsOptions, judge: (socket: TLSSocket) => T, client = {}): Promise<T> {
  const server = createServer({ minVersion: "TLSv1.3", ...options });
  server.on("tlsClientError", () => {});
  server.on("secureConnection", (socket) => socket.on("error", () => {}));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: "127.0.0.1", port, minVersion: "TLSv1.3", rejectUnauthorized: false, ...client });
  try {
    await once(socket, "secureConnect");
    return judge(socket);
  } finally {
    socket.destroy();
    server.close();
  }
}

/** The verdict on a leaf followed by what the server sends behind it. */
function shown(leaf: Leaf, behind: readonly Certified[], at = now) {
  const cert = [leaf, ...behind].map(pem).join("");
  return handshake({ key: keyOf(leaf).export({ format: "pem", type: "pkcs8" }), cert }, (socket) =>
    identityOf(socket, at),
  );
}

const refused = (detail?: string) =>
  expect.objectContaining({ code: "server_certificate_invalid", ...(detail !== undefined && { detail }) });

let identity: ServerIdentity;
let attacker: ServerIdentity;
let leaf: Leaf;
beforeAll(async () => {
  identity = await createIdentity({ now });
  attacker = await createIdentity({ now });
  leaf = await issueLeaf(identity, { hosts, now });
});

describe("the server's identity over a real handshake", () => {
  it("is the fingerprint that the operator sees", async () => {
    const verdict = await handshake(tlsCredentials(identity, leaf), (socket) => identityOf(socket, now));
    expect(verdict).toBe(identityFingerprint(identity));
  });

  it("attack 59: a leaf renewed under the same identity goes on unasked", async () => {
    const later = now + 70 * DAY_MS;
    expect(leafNeedsRenewal(leaf, { identity, hosts, now: later })).toBe(true);
    const renewed = await issueLeaf(identity, { hosts, now: later });
    expect(renewed.certificateDer.equals(leaf.certificateDer)).toBe(false);
    const [pin, again] = [await shown(leaf, [identity]), await shown(renewed, [identity], later)];
    expect(decideTrust({ pin, shown: again, trustOnFirstUse: false, interactive: false })).toEqual({ kind: "trusted" });
  });

  it("attack 57: another identity is another fingerprint, and refused unless the pinned one vouches for it", async () => {
    const pin = await shown(leaf, [identity]);
    const other = await shown(await issueLeaf(attacker, { hosts, now }), [attacker]);
    expect(other).toBe(identityFingerprint(attacker));
    const decision = decideTrust({ pin, shown: other, trustOnFirstUse: true, interactive: true });
    expect(decision).toEqual({ kind: "succession", pin });
    expect(leadsTo(other, { pin, statements: [] })).toBe(false);
  });

  it("can be asked once: Node hands the chain out once, and a second answer is a refusal", async () => {
    const again = handshake(tlsCredentials(identity, leaf), (socket) => {
      identityOf(socket, now);
      return identityOf(socket, now);
    });
    await expect(again).rejects.toEqual(refused());
  });
});

describe("a leaf's dates", () => {
  it.each([
    ["a clock a day behind", now - DAY_MS],
    ["the last second", now + 90 * DAY_MS],
  ])("hold with %s", async (_, at) => {
    expect(await shown(leaf, [identity], at)).toBe(identityFingerprint(identity));
  });

  it.each([
    ["expired", now + 90 * DAY_MS + 1, "it has expired; check the clock of this machine"],
    ["not yet valid", now - DAY_MS - 1, "it is not valid yet; check the clock of this machine"],
    ["held against no time at all", Number.NaN, "it is not valid yet; check the clock of this machine"],
  ])("refuse one that is %s", async (_, at, detail) => {
    await expect(shown(leaf, [identity], at)).rejects.toEqual(refused(detail));
  });
});

describe("attack 57: who is not the identity cannot show its fingerprint", () => {
  const unsigned = "it is not signed by the identity";
  const twoCertificates = "the server must send two certificates, its leaf and its identity";
  const notALeaf = "it is not a leaf with a key of its own";
  const notAnIdentity = "the second certificate is not an identity's";

  it("by the true identity's certificate behind a leaf of their own", async () => {
    const own = await issueLeaf(attacker, { hosts, now });
    expect(new X509Certificate(own.certificateDer).issuer).toBe(new X509Certificate(identity.certificateDer).subject);
    await expect(shown(own, [identity])).rejects.toEqual(refused(unsigned));
  });

  it("by a leaf without key identifiers that names the identity as its issuer", async () => {
    const own = await strangeCertificate({ now, signer: attacker, issuer: "CN=Postern identity" });
    await expect(shown(own, [identity])).rejects.toEqual(refused(unsigned));
  });

  it("by a leaf that signed itself", async () => {
    const own = await strangeCertificate({ now, issuer: "CN=Postern identity" });
    await expect(shown(own, [identity])).rejects.toEqual(refused(unsigned));
  });

  it("by a leaf with one byte of its signature changed", async () => {
    const changed = Buffer.from(leaf.certificateDer);
    changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
    await expect(shown({ ...leaf, certificateDer: changed }, [identity])).rejects.toEqual(refused(unsigned));
  });

  it("by a leaf that a true leaf signed, whose key was stolen", async () => {
    const second = await strangeCertificate({ now, signer: leaf });
    await expect(shown(second, [leaf])).rejects.toEqual(refused(notAnIdentity));
    await expect(shown(second, [identity])).rejects.toEqual(refused(unsigned));
    await expect(shown(second, [leaf, identity])).rejects.toEqual(refused(twoCertificates));
  });

  it("by their own whole chain with the true identity's certificate before, between or after", async () => {
    const own = await issueLeaf(attacker, { hosts, now });
    await expect(shown(own, [attacker, identity])).rejects.toEqual(refused(twoCertificates));
    await expect(shown(own, [identity, attacker])).rejects.toEqual(refused(twoCertificates));
  });

  it("by an identity certificate that copies its names but has their key", async () => {
    const own = await issueLeaf(attacker, { hosts, now });
    expect(await shown(own, [attacker])).not.toBe(identityFingerprint(identity));
  });

  it("by an identity certificate with the true key that they signed themselves", async () => {
    const forged = await strangeCertificate({ now, subject: "CN=Postern identity", ca: true, signer: attacker });
    const own = await strangeCertificate({ now, signer: forged });
    await expect(shown(own, [forged])).rejects.toEqual(refused(notAnIdentity));
  });

  it("by a certificate that may not sign", async () => {
    const noCa = await strangeCertificate({ now, subject: "CN=Postern identity" });
    const own = await strangeCertificate({ now, signer: noCa });
    await expect(shown(own, [noCa])).rejects.toEqual(refused(notAnIdentity));
    const bare = await strangeCertificate({
      now,
      subject: "CN=Postern identity",
      withoutConstraints: true,
      usages: [],
    });
    await expect(shown(await strangeCertificate({ now, signer: bare }), [bare])).rejects.toEqual(
      refused(notAnIdentity),
    );
  });

  it("by certificates that the identity signed, but that do not name it", async () => {
    const stray = await strangeCertificate({ now, signer: identity, issuer: "CN=Other" });
    await expect(shown(stray, [identity])).rejects.toEqual(refused(unsigned));
    const nameless = await strangeCertificate({ now, subject: "CN=Postern identity", issuer: "CN=Other", ca: true });
    await expect(shown(await strangeCertificate({ now, signer: nameless }), [nameless])).rejects.toEqual(
      refused(notAnIdentity),
    );
  });

  it("by too few certificates", async () => {
    await expect(shown(leaf, [])).rejects.toEqual(refused(twoCertificates));
    await expect(shown(await strangeCertificate({ now }), [])).rejects.toEqual(refused(twoCertificates));
    await expect(shown(identity, [])).rejects.toEqual(refused(twoCertificates));
  });

  it("by a right chain with something unrelated in it", async () => {
    await expect(shown(leaf, [identity, identity])).rejects.toEqual(refused(twoCertificates));
    await expect(shown(leaf, [attacker, identity])).rejects.toEqual(refused(twoCertificates));
    await expect(shown(leaf, [attacker])).rejects.toEqual(refused(unsigned));
  });

  it("by the identity key in the leaf's place", async () => {
    await expect(shown(identity, [identity])).rejects.toEqual(refused(notALeaf));
    const own = await strangeCertificate({ now, keyPkcs8: identity.privateKeyPkcs8, signer: identity });
    await expect(shown(own, [identity])).rejects.toEqual(refused(notALeaf));
  });

  it("by a leaf that is a certificate authority", async () => {
    const own = await strangeCertificate({ now, ca: true, signer: identity });
    await expect(shown(own, [identity])).rejects.toEqual(refused(notALeaf));
  });

  it.each([
    ["no use", []],
    ["a client's use", ["1.3.6.1.5.5.7.3.2"]],
    ["any use", ["2.5.29.37.0"]],
  ])("by a certificate of the identity for %s", async (_, usages) => {
    const own = await strangeCertificate({ now, signer: identity, usages });
    await expect(shown(own, [identity])).rejects.toEqual(refused("it is not a server's"));
  });

  it("by keys of another kind", async () => {
    const own = await strangeCertificate({ now, signer: identity, curve: "P-384" });
    await expect(shown(own, [identity])).rejects.toEqual(refused(notALeaf));
    const other = await strangeCertificate({ now, subject: "CN=Postern identity", ca: true, curve: "P-384" });
    await expect(shown(await strangeCertificate({ now, signer: other }), [other])).rejects.toEqual(
      refused("the identity has not the kind of key that posternd makes"),
    );
  });

  it("by no certificate at all", async () => {
    const psk = { psk: Buffer.alloc(32, 7), identity: "postern" };
    const old = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ciphers: "PSK" } as const;
    const verdict = handshake({ ...old, pskCallback: () => psk.psk }, (socket) => identityOf(socket, now), {
      ...old,
      pskCallback: () => psk,
      checkServerIdentity: () => undefined,
    });
    await expect(verdict).rejects.toEqual(refused(twoCertificates));
  });

  it("by a certificate that cannot be read", () => {
    const broken = { getPeerX509Certificate: () => ({ issuerCertificate: {} }) } as unknown as TLSSocket;
    expect(() => identityOf(broken, now)).toThrow(PosternError);
    expect(() => identityOf(broken, now)).toThrow(refused("it cannot be read"));
  });
});
