import { connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

type Cut = "COMMIT" | "answer to COMMIT";

export interface DamagedWay {
  /** The same store, over this way. */
  readonly url: string;
  /** How often it was cut. */
  readonly cuts: number;
  /**
   * Cuts the next connection on which a commit goes by: before it arrives, or before its answer does. Who comes then is
   * taken, and hears nothing until `flow`, if it is to be `stalled`.
   */
  cut(at: Cut, then?: "stalled"): void;
  close(): void;
  reopen(): void;
  /** Hands on nothing from now on, as where packets are dropped; it takes connections, and says nothing. */
  stall(): void;
  /** Hands on what it has kept, and goes on. */
  flow(): void;
}

/** What stands between a storage and its database, and breaks at the worst moments. */
export async function openDamagedWay(url: string): Promise<DamagedWay> {
  const target = new URL(url);
  const database = { host: target.hostname, port: Number(target.port) };
  const sockets = new Set<Socket>();
  let next: Cut | undefined;
  let stallNext = false;
  let cuts = 0;
  let closed = false;
  let stalled: (() => void)[] | undefined;
  const inTime = (handOn: () => void) => void (stalled === undefined ? handOn() : stalled.push(handOn));

  const server = createServer((near) => {
    if (closed) return void near.destroy();
    const far = connect(database);
    let deaf = false;
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", end).on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    near.on("data", (chunk) => {
      const commits = next !== undefined && chunk.includes("COMMIT\0");
      if (commits) cuts++;
      const how = commits ? next : undefined;
      if (commits) {
        next = undefined;
        if (stallNext) stalled = [];
      }
      if (how === "COMMIT") return end();
      if (how !== undefined) deaf = true;
      inTime(() => far.write(chunk));
    });
    far.on("data", (chunk) => {
      if (!deaf) return inTime(() => near.write(chunk));
      // All of it has arrived when the last statement has its answer.
      if (chunk.includes("COMMIT\0")) end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  target.port = String((server.address() as { port: number }).port);
  return {
    url: target.href,
    get cuts() {
      return cuts;
    },
    cut: (at, then) => {
      next = at;
      stallNext = then === "stalled";
    },
    close: () => {
      closed = true;
      for (const socket of sockets) socket.destroy();
    },
    reopen: () => {
      closed = false;
    },
    stall: () => {
      stalled = [];
    },
    flow: () => {
      const kept = stalled ?? [];
      stalled = undefined;
      for (const handOn of kept) handOn();
    },
  };
}
