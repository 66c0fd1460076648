/**
 * Writes transcripts.json: logins computed by secure-remote-password 0.3.1 alone, from fixed seeds, so that each run
 * gives the same file. Run it from anywhere: node generate-transcripts.mjs
 *
 * Cases with a leading zero are searched by counting the seed up. The package draws a and b itself, so A and B are
 * computed with its own integers from the drawn secrets; the sessions and proofs are its own functions.
 */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const client = require("secure-remote-password/client.js");
const server = require("secure-remote-password/server.js");
const { N, g, k, H } = require("secure-remote-password/lib/params.js");
const { fromHex } = require("secure-remote-password/lib/srp-integer.js");

const draw = (...seed) => createHash("sha256").update(seed.join("/")).digest("hex");

/** 32 bytes with the top bit set, as Postern draws ephemeral secrets. */
const drawSecret = (...seed) => {
  const hex = draw(...seed);
  return (Number.parseInt(hex[0], 16) | 8).toString(16) + hex.slice(1);
};

function search(seed, compute, accept) {
  for (let count = 0; ; count++) {
    const found = compute(`${seed}/${count}`);
    if (accept(found)) return found;
  }
}

const any = () => true;
const zero = (hex) => hex.startsWith("00");

function transcript({ title, identity, password, salt, zeroIn }) {
  const privateKeyAndVerifier = (seed) => {
    const stretched = password ?? draw(seed, "password");
    const x = client.derivePrivateKey(salt, identity, stretched);
    return { password: stretched, x, v: client.deriveVerifier(x) };
  };
  const wanted = { x: ({ x }) => zero(x), v: ({ v }) => zero(v) }[zeroIn] ?? any;
  const account = search(title, privateKeyAndVerifier, wanted);

  const drawA = (seed) => {
    const a = drawSecret(seed, "a");
    return { a, A: g.modPow(fromHex(a), N).toHex() };
  };
  const { a, A } = search(title, drawA, zeroIn === "A" ? (found) => zero(found.A) : any);

  const v = fromHex(account.v);
  const drawB = (seed) => {
    const b = drawSecret(seed, "b");
    const B = k
      .multiply(v)
      .add(g.modPow(fromHex(b), N))
      .mod(N)
      .toHex();
    const u = H(fromHex(A), fromHex(B)).toHex();
    return { b, B, u };
  };
  const premaster = ({ b, u }) =>
    fromHex(A)
      .multiply(v.modPow(fromHex(u), N))
      .modPow(fromHex(b), N)
      .toHex();
  const wantedB = { B: ({ B }) => zero(B), u: ({ u }) => zero(u), S: (found) => zero(premaster(found)) }[zeroIn] ?? any;
  const drawn = search(title, drawB, wantedB);
  const { b, B, u } = drawn;

  const clientSession = client.deriveSession(a, B, salt, identity, account.x);
  const serverSession = server.deriveSession(b, A, salt, identity, account.v, clientSession.proof);
  client.verifySession(A, clientSession, serverSession.proof);
  if (clientSession.key !== serverSession.key) throw new Error("the two halves differ");

  const { key: K, proof: M1 } = clientSession;
  const M2 = serverSession.proof;
  return {
    title,
    I: identity,
    s: salt,
    P: account.password,
    x: account.x,
    v: account.v,
    a,
    b,
    A,
    B,
    u,
    S: premaster(drawn),
    K,
    M1,
    M2,
  };
}

const salt = draw("salt");

const transcripts = [
  { title: "an ordinary login", identity: "alice", salt },
  { title: "an identity beyond ASCII", identity: "žofie", salt: draw("another salt") },
  { title: "an identity of 64 bytes", identity: "a".repeat(64), salt: draw("a third salt") },
  { title: "a salt with leading zeros", identity: "bob", salt: `0000${draw("short salt").slice(4)}` },
  { title: "a salt of nothing but zeros", identity: "bob", salt: "0".repeat(64) },
  { title: "x with a leading zero", identity: "carol", salt, zeroIn: "x" },
  { title: "a verifier with a leading zero", identity: "dave", salt, zeroIn: "v" },
  { title: "A with a leading zero", identity: "erin", salt, zeroIn: "A" },
  { title: "B with a leading zero", identity: "frank", salt, zeroIn: "B" },
  { title: "u with a leading zero", identity: "grace", salt, zeroIn: "u" },
  { title: "S with a leading zero", identity: "heidi", salt, zeroIn: "S" },
].map(transcript);

const file = new URL("transcripts.json", import.meta.url);
writeFileSync(file, `${JSON.stringify({ package: "secure-remote-password@0.3.1", transcripts }, null, 2)}\n`);
