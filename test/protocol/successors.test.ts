import { createHash, createPublicKey, verify } from "node:crypto";
import { expect, it } from "vitest";
import { rotateIdentity } from "../../packages/server/src/services/server-identity.js";
import { startInProcess } from "../support/in-process.js";
import { hello, WireClient } from "../support/wire-client.js";
import { section } from "./page.js";

/** What is signed, made of nothing but what the page says. */
function signed({ sequence, time, from, to }: { sequence: number; time: number; from: string; to: string }): Buffer {
  const [, label = ""] = /"(postern\/1 successor)" 0x00 \| sequence \| time \| from \| to\)/.exec(text) ?? [];
  const [, bytes] = /So (\d+) bytes are signed/.exec(text) ?? [];
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(BigInt(sequence), 0);
  numbers.writeBigUInt64BE(BigInt(time), 8);
  const message = Buffer.concat([Buffer.from(`${label}\0`), numbers, Buffer.from(from, "hex"), Buffer.from(to, "hex")]);
  expect(message).toHaveLength(Number(bytes));
  return message;
}

const text = section("## A successor of the identity");

it("successor statements are the bytes that the page states, and lead from the first identity to the shown one", async () => {
  const server = await startInProcess();
  const first = server.running.fingerprint;
  for (let count = 0; count < 2; count++) {
    await rotateIdentity(server.context, { seen: server.running.fingerprint, successor: true });
    await server.running.takeUpIdentity();
  }
  const client = await WireClient.connect(server);
  const identity = client.socket.getPeerX509Certificate()?.issuerCertificate;
  const { successors = [] } = await client.ok("hello", { ...hello, features: ["successors"] });
  expect(successors.map(({ sequence }) => sequence)).toEqual([2, 1]);
  let reached = identity?.publicKey.export({ type: "spki", format: "der" }).toString("hex") ?? "";
  for (const statement of successors) {
    expect(statement.to).toBe(reached);
    const key = createPublicKey({ key: Buffer.from(statement.from, "hex"), format: "der", type: "spki" });
    const signature = Buffer.from(statement.signature, "hex");
    expect(verify("sha256", signed(statement), { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    reached = statement.from;
  }
  const digest = createHash("sha256").update(Buffer.from(reached, "hex")).digest("base64").replace("=", "");
  expect(`SHA256:${digest}`).toBe(first);
});
