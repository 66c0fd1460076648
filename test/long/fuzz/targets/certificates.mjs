import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { identityOf } from "../../../../packages/client/dist/trust/server-certificate.js";
import { must } from "../judge.mjs";

const fixture = JSON.parse(readFileSync(new URL("../../../corpus/certificates.json", import.meta.url), "utf8"));
const [leaf, identity] = [fixture.leaf, fixture.identity].map((text) => Buffer.from(text, "base64"));
const spki = (certificate) => certificate.publicKey.export({ type: "spki", format: "der" });
const ours = fingerprintOf(spki(new X509Certificate(identity)));
const ourLeafKey = spki(new X509Certificate(leaf));

/** Certificates as they come in a handshake: two bytes say how long each is. */
function join(...certificates) {
  const parts = certificates.flatMap((der) => [Buffer.of(der.length >> 8, der.length & 0xff), der]);
  return Buffer.concat(parts);
}

function split(input) {
  const certificates = [];
  for (let at = 0; at + 2 <= input.length && certificates.length < 4; ) {
    const end = at + 2 + input.readUInt16BE(at);
    certificates.push(input.subarray(at + 2, end));
    at = end;
  }
  return certificates;
}

/** What the TLS library cannot read never comes as far as Postern: such a handshake has ended before. */
function certificatesOf(input) {
  try {
    return split(input).map((der) => new X509Certificate(der));
  } catch {
    return undefined;
  }
}

/** A socket whose peer has sent these. */
function socketOf(certificates) {
  certificates.forEach((certificate, index) => {
    Object.defineProperty(certificate, "issuerCertificate", { value: certificates[index + 1] });
  });
  return { getPeerX509Certificate: () => certificates[0] };
}

const oids = [
  "06032b6570",
  "06082a8648ce3d030107",
  "06052b81040022",
  "06092a864886f70d010101",
  "06082b06010505070301",
  "0603551d13",
  "0603551d25",
];
const values = ["30030101ff", "3000", "0101ff", "170d3236", "180f39393939", "170d3939313233313233353935395a", "0500"];

const serverCertificate = {
  name: "server-certificate",
  codes: ["server_certificate_invalid"],
  dictionary: [...[...oids, ...values].map((hex) => Buffer.from(hex, "hex")), join(leaf), join(identity)],
  seeds: [
    join(leaf, identity),
    join(identity, leaf),
    join(leaf),
    join(identity, identity),
    join(leaf, leaf),
    join(leaf, identity, identity),
    Buffer.alloc(0),
  ],
  maxLength: 4096,
  run(input) {
    const certificates = certificatesOf(input);
    if (certificates === undefined) return;
    const shown = identityOf(socketOf(certificates), fixture.now);
    const [first, second] = certificates;
    must(shown === fingerprintOf(spki(second)), "the identity is the one that was shown");
    must(shown !== ours || spki(first).equals(ourLeafKey), "nobody else has a leaf of ours");
    must(second.verify(second.publicKey) && first.verify(second.publicKey), "the signatures hold");
  },
};

export const targets = [serverCertificate];
