import type { WorkerProcess } from "../../src/workers/crew.js";
import type { Begin, FromWorker, Served, ToWorker } from "../../src/workers/messages.js";

export const served: Served = { listen: "127.0.0.1:7465", http: "127.0.0.1:7466", fingerprint: "SHA256:x" };

/** A worker that a test speaks for. */
export class FakeWorker implements WorkerProcess {
  readonly pid = 4711;
  readonly heard: ToWorker[] = [];
  readonly begin: Begin;
  isKilled = false;
  #hear: (message: FromWorker) => void = () => undefined;
  #exit: (code: number | null, signal: string | null) => void = () => undefined;

  constructor(begin: Begin) {
    this.begin = begin;
  }

  send(message: ToWorker): void {
    this.heard.push(message);
  }

  onMessage(hear: (message: FromWorker) => void): void {
    this.#hear = hear;
  }

  onExit(hear: (code: number | null, signal: string | null) => void): void {
    this.#exit = hear;
  }

  kill(): void {
    this.isKilled = true;
    this.exit(null, "SIGKILL");
  }

  say(message: FromWorker): void {
    this.#hear(message);
  }

  ready(): void {
    this.say({ say: "ready", ...served });
  }

  exit(code: number | null, signal: string | null = null): void {
    this.#exit(code, signal);
  }

  /** What it was told to do, in order. */
  get told(): string[] {
    return this.heard.map((message) => message.do);
  }
}
