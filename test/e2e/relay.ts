import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Stands between clients and a server, passes on what they say, and can cut or hold their connections. */
export class Relay {
  readonly #server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  readonly #target: { readonly host: string; readonly port: number };
  readonly #clients = new Set<Socket>();
  #open: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];
  connections = 0;

  private constructor(target: string) {
    const [host = "", port = ""] = target.split(":");
    this.#target = { host, port: Number(port) };
  }

  /** To a server at HOST:PORT. */
  static async start(target: string): Promise<Relay> {
    const relay = new Relay(target);
    await once(relay.#server.listen(0, "127.0.0.1"), "listening");
    return relay;
  }

  /** HOST:PORT */
  get listen(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Lets whoever connects wait, until the function that this returns is called. */
  hold(): () => void {
    let release = () => {};
    this.#open = new Promise((resolve) => {
      release = resolve;
    });
    return () => release();
  }

  /** Waits until so many connections were ever made. */
  async connected(count: number): Promise<void> {
    while (this.connections < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Ends all connections towards the clients, by RST or by FIN, and waits until they are gone. */
  async cut(how: "RST" | "FIN"): Promise<void> {
    const ends = [...this.#clients].map(async (socket) => {
      const closed = once(socket, "close");
      if (how === "RST") socket.resetAndDestroy();
      else socket.end();
      await closed;
    });
    await Promise.all(ends);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#clients) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    for (const wake of this.#waiting.splice(0)) wake();
    this.#clients.add(socket);
    socket.on("error", () => undefined).on("close", () => this.#clients.delete(socket));
    void this.#open.then(() => this.#pass(socket));
  }

  #pass(socket: Socket): void {
    const upstream = connect(this.#target);
    upstream.on("error", () => undefined).on("close", () => socket.destroy());
    socket.on("close", () => upstream.destroy());
    upstream.pipe(socket, { end: false });
    socket.pipe(upstream);
  }
}
