/** The floor: what a login cannot do without, each by itself, in a process with nothing else in it. */
import { constants, createDiffieHellman, randomBytes } from "node:crypto";
import { createServer } from "node:tls";
import { group2048 } from "@postern/shared/srp/group";
import { serve } from "./channel.mjs";
import { server } from "./dist.mjs";
import { openStore } from "./store.mjs";
import { cpuMs, usage } from "./usage.mjs";

const { createIdentity } = await server("identity/identity-key.js");
const { issueLeaf, tlsCredentials } = await server("identity/leaf-certificate.js");
const { recordKey } = await server("records/keys.js");

const { place } = JSON.parse(process.argv[2]);
const store = await openStore(place);

/** The certificates and settings of the wire port. */
const identity = await createIdentity({ now: Date.now(), random: randomBytes });
const leaf = await issueLeaf(identity, { hosts: ["localhost", "127.0.0.1"], now: Date.now() });
const listener = createServer(
  {
    ...tlsCredentials(identity, leaf),
    minVersion: "TLSv1.3",
    ALPNProtocols: ["postern/1"],
    secureOptions: constants.SSL_OP_NO_TICKET,
  },
  (socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.resume();
  },
);
await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));

const engine = createDiffieHellman(group2048.primeBytes, group2048.generatorBytes);

/** Three powers of bases of 2048 bits with exponents of 256, in CPU milliseconds. */
function powers(times) {
  const inputs = Array.from({ length: times * 3 }, () => ({
    base: Buffer.concat([Buffer.of(0x10), randomBytes(255)]),
    exponent: Buffer.concat([Buffer.of(0x80), randomBytes(31)]),
  }));
  const before = cpuMs();
  for (const { base, exponent } of inputs) {
    engine.setPrivateKey(exponent);
    engine.computeSecret(base);
  }
  return (cpuMs() - before) / times;
}

/** One durable transaction with one record, of so many that are asked for at once, in CPU milliseconds. */
async function transactions({ times, atOnce, bytes }) {
  const record = randomBytes(bytes);
  let next = 0;
  const worker = async () => {
    while (next < times) {
      next += 1;
      await store.barrier.transact((tx) => tx.put(recordKey("account", randomBytes(32)), record));
    }
  };
  const before = cpuMs();
  const began = performance.now();
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { cpu: (cpuMs() - before) / times, wall: (performance.now() - began) / times };
}

serve({
  ...usage,
  ports: () => ({ port: listener.address().port }),
  powers,
  transactions,
  stop: async () => {
    listener.close();
    await store.close();
  },
});
