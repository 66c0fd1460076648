import type { App } from "./app.js";

/** Requests that are being answered. */
export class UnderWay {
  readonly #answers = new Set<Promise<void>>();

  constructor(app: App) {
    app.addHook("onRequest", async (_request, reply) => {
      const answer = new Promise<void>((resolve) => {
        // Also where the caller goes away before it has the answer.
        reply.raw.once("close", resolve);
      });
      this.#answers.add(answer);
      void answer.then(() => this.#answers.delete(answer));
    });
  }

  /** Resolves once every request of this moment is answered; those that come later do not count. */
  async settled(): Promise<void> {
    await Promise.all(this.#answers);
  }
}
