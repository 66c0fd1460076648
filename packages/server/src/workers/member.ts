import { PosternError } from "@postern/shared/errors";
import type { CountedPort, CrewMember, CrewPlaces, CrewServer } from "../crew-member.js";
import type { Begin, FromWorker, PlaceChange, ToWorker } from "./messages.js";

/** A worker's channel to the first process. */
export interface Link {
  send(message: FromWorker): void;
}

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A worker's side of what all of them count together. `hear` is given what the first process says. */
export class Member implements CrewMember {
  readonly worker: number;
  readonly workers: number;
  readonly replaces: boolean;
  readonly server: CrewServer;
  readonly places: CrewPlaces;
  readonly #link: Link;
  readonly #changes: PlaceChanges;
  readonly #waits = new Map<number, Waiting<number>>();
  readonly #shows = new Map<number, Waiting<string>>();
  readonly #giveUp = new Map<CountedPort, (group: string) => void>();
  #wake: () => void = () => undefined;
  #lastId = 0;
  #isLost = false;

  constructor({ worker, workers, replaces, server }: Begin, link: Link) {
    this.worker = worker;
    this.workers = workers;
    this.replaces = replaces;
    this.server = server;
    this.#link = link;
    this.#changes = new PlaceChanges((changes) => link.send({ say: "places", changes }));
    this.places = {
      taken: (port, group, limit) => this.#changes.note({ port, group, by: 1, limit }),
      left: (port, group) => this.#changes.note({ port, group, by: -1, limit: 0 }),
      onExcess: (port, giveUp) => void this.#giveUp.set(port, giveUp),
    };
  }

  get leads(): boolean {
    return this.worker === 1;
  }

  takeStart(key: string): Promise<number> {
    return this.#ask(this.#waits, (id) => ({ say: "start", id, key }));
  }

  enqueued(): void {
    this.#link.send({ say: "enqueued" });
  }

  onEnqueued(wake: () => void): void {
    this.#wake = wake;
  }

  metrics(): Promise<string> {
    return this.#ask(this.#shows, (id) => ({ say: "metrics", id }));
  }

  hear(message: ToWorker): void {
    if (message.do === "wait") settle(this.#waits, message.id, message.seconds);
    else if (message.do === "show") settle(this.#shows, message.id, message.text);
    else if (message.do === "give-up") this.#relinquish(message.port, message.group);
    else if (message.do === "wake") this.#wake();
  }

  /** The first process is gone: nobody answers any more. */
  lose(): void {
    this.#isLost = true;
    const error = new PosternError("shutting_down");
    for (const waiting of [...this.#waits.values(), ...this.#shows.values()]) waiting.reject(error);
    this.#waits.clear();
    this.#shows.clear();
  }

  #relinquish(port: CountedPort, group: string): void {
    this.#changes.answer(port, group, () => this.#giveUp.get(port)?.(group));
  }

  #ask<T>(waiting: Map<number, Waiting<T>>, question: (id: number) => FromWorker): Promise<T> {
    // What is under way in a worker that ends may ask yet; one that waited for ever would keep it from ending.
    if (this.#isLost) return Promise.reject(new PosternError("shutting_down"));
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      this.#link.send(question(id));
    });
  }
}

function settle<T>(waiting: Map<number, Waiting<T>>, id: number, value: T): void {
  waiting.get(id)?.resolve(value);
  waiting.delete(id);
}

interface Noted {
  readonly port: CountedPort;
  readonly group: string;
  readonly by: number;
  readonly limit: number;
}

const keyOf = ({ port, group }: Pick<Noted, "port" | "group">) => `${port} ${group}`;

/**
 * Tells of places once for all that changed in one go. What is left and taken again by the same call, as a step of a
 * login does, is no change; a place that was given up, and another one that was taken a moment later, is.
 */
class PlaceChanges {
  readonly #tell: (changes: readonly PlaceChange[]) => void;
  readonly #ofCall = new Map<string, Noted>();
  readonly #pending = new Map<string, PlaceChange>();

  constructor(tell: (changes: readonly PlaceChange[]) => void) {
    this.#tell = tell;
  }

  note(noted: Noted): void {
    if (this.#ofCall.size === 0) queueMicrotask(() => this.#settle());
    const key = keyOf(noted);
    const before = this.#ofCall.get(key);
    const limit = Math.max(noted.limit, before?.limit ?? 0);
    this.#ofCall.set(key, { ...noted, by: noted.by + (before?.by ?? 0), limit });
  }

  /** What `giveUp` leaves is not set off against what is taken before or after it: many messages may come in one go. */
  answer(port: CountedPort, group: string, giveUp: () => void): void {
    this.#settle();
    giveUp();
    this.#settle();
    this.#add({ port, group, by: 0, taken: 0, answered: 1, limit: 0 });
  }

  #settle(): void {
    for (const noted of this.#ofCall.values()) {
      if (noted.by !== 0) this.#add({ ...noted, taken: Math.max(0, noted.by), answered: 0 });
    }
    this.#ofCall.clear();
  }

  #add(change: PlaceChange): void {
    if (this.#pending.size === 0) setImmediate(() => this.#flush());
    const key = keyOf(change);
    const before = this.#pending.get(key) ?? { by: 0, taken: 0, answered: 0, limit: 0 };
    this.#pending.set(key, {
      ...change,
      by: before.by + change.by,
      taken: before.taken + change.taken,
      answered: before.answered + change.answered,
      limit: Math.max(before.limit, change.limit),
    });
  }

  #flush(): void {
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    this.#tell(changes);
  }
}
