import type { Socket } from "node:net";
import type { App } from "./app.js";

/** Requests that are being answered. */
export class UnderWay {
  readonly #answers = new Set<Promise<void>>();
  /** Ends the waiting for each answer that a connection still has to get. */
  readonly #unanswered = new WeakMap<Socket, Set<() => void>>();

  constructor(app: App) {
    app.addHook("onRequest", async ({ raw: { socket } }, reply) => {
      // What came with requests that ended the connection is not even looked at.
      if (socket.destroyed) return void reply.hijack();
      const unanswered = this.#unansweredOf(socket);
      const answer = new Promise<void>((resolve) => {
        const settle = () => {
          unanswered.delete(settle);
          resolve();
        };
        unanswered.add(settle);
        // Also where the caller goes away before it has the answer.
        reply.raw.once("close", settle);
      });
      this.#answers.add(answer);
      void answer.then(() => this.#answers.delete(answer));
    });
  }

  /** Resolves once every request of this moment is answered; those that come later do not count. */
  async settled(): Promise<void> {
    await Promise.all(this.#answers);
  }

  /** An answer whose turn had not come when the connection ended is never said to be closed. */
  #unansweredOf(socket: Socket): Set<() => void> {
    const known = this.#unanswered.get(socket);
    if (known !== undefined) return known;
    const unanswered = new Set<() => void>();
    this.#unanswered.set(socket, unanswered);
    socket.once("close", () => {
      for (const settle of unanswered) settle();
    });
    return unanswered;
  }
}
