import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { plainAddress } from "../../packages/server/src/address-key.js";

/** What a balancer says of a client, by its address. */
export type Says = (address: string) => Buffer;

/** How the header comes: by itself, byte by byte, or in one piece with the client's first bytes. */
export type Delivery = "alone" | "by bytes" | "with the first bytes";

/** A plain TCP balancer in front of a port of this machine, with 127.0.0.1 for its address; gone when the test is. */
export async function startBalancer(port: number, says: Says, delivery: Delivery = "alone"): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const node = connect({ host: "127.0.0.1", port, noDelay: true });
    for (const [one, other] of [
      [client, node],
      [node, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    }
    const header = says(plainAddress(client.remoteAddress));
    void deliver({ header, client, node, delivery }).then(() => client.pipe(node).pipe(client));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port };
}

interface Passing {
  readonly header: Buffer;
  readonly client: Socket;
  readonly node: Socket;
  readonly delivery: Delivery;
}

async function deliver({ header, client, node, delivery }: Passing): Promise<void> {
  if (delivery === "with the first bytes") {
    const [first] = (await once(client, "data")) as [Buffer];
    client.pause();
    return void node.write(Buffer.concat([header, first]));
  }
  if (delivery === "alone") return void node.write(header);
  for (const byte of header) await new Promise((resolve) => node.write(Buffer.from([byte]), resolve));
}
