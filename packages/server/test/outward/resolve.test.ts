import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { resolveBy } from "../../src/outward/resolve.js";

const types = { A: 1, AAAA: 28 } as const;
const NO_ERROR = 0;
const SERVER_FAILURE = 2;
const NO_SUCH_NAME = 3;

interface Answer {
  readonly code: number;
  readonly addresses?: readonly Buffer[];
}

/** A name server (RFC 1035 4.1) on 127.0.0.1 that answers each type as it is told; undefined: never. */
async function nameServer(answerTo: (type: number) => Answer | undefined): Promise<Resolver> {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    const question = query.subarray(12, query.indexOf(0, 12) + 5);
    const type = question.readUInt16BE(question.length - 4);
    const answer = answerTo(type);
    if (answer === undefined) return;
    const { code, addresses = [] } = answer;
    const header = Buffer.from(query.subarray(0, 12));
    for (const [at, value] of [
      [2, 0x8180 | code],
      [4, 1],
      [6, addresses.length],
      [8, 0],
      [10, 0],
    ] as const) {
      header.writeUInt16BE(value, at);
    }
    const records = addresses.map((bytes) => {
      const fixed = Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
      return Buffer.concat([fixed, bytes]);
    });
    socket.send(Buffer.concat([header, question, ...records]), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTestFinished(() => void socket.close());
  const resolver = new Resolver({ timeout: 5_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return resolver;
}

const four = [Buffer.from([93, 184, 216, 34]), Buffer.from([127, 0, 0, 1])];
const six = [Buffer.from("2606280002200001024818930c25c819", "hex")];
const never = new AbortController().signal;
const ask = (resolver: Resolver, signal = never) => resolveBy(resolver, "bot.example", signal);

describe("a name", () => {
  it("has all addresses of both families: none of them is hidden from who judges them", async () => {
    const resolver = await nameServer((type) => ({ code: NO_ERROR, addresses: type === types.A ? four : six }));
    expect(await ask(resolver)).toEqual(["93.184.216.34", "127.0.0.1", "2606:2800:220:1:248:1893:c25:c819"]);
  });

  it("has those of one family where there is no other, or that one fails", async () => {
    for (const code of [NO_ERROR, NO_SUCH_NAME, SERVER_FAILURE]) {
      const resolver = await nameServer((type) => (type === types.A ? { code: NO_ERROR, addresses: four } : { code }));
      expect(await ask(resolver), `${code}`).toHaveLength(2);
    }
  });

  it("that is none has no address; one of which nobody can say throws", async () => {
    expect(await ask(await nameServer(() => ({ code: NO_SUCH_NAME })))).toEqual([]);
    await expect(ask(await nameServer(() => ({ code: SERVER_FAILURE })))).rejects.toThrow("ESERVFAIL");
  });

  it("of which a name server says nothing is given up when the time is over", async () => {
    const over = new AbortController();
    const resolver = await nameServer(() => {
      over.abort();
      return undefined;
    });
    await expect(ask(resolver, over.signal)).rejects.toThrow("ECANCELLED");
  });
});
