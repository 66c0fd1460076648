import { Session, type SessionSettings } from "./postgres-session.js";

/** At most so many sessions of a process read at once; who comes later waits. Another one writes. */
const READERS = 8;

/**
 * The sessions of a process: they are begun when they are needed, kept, and begun anew where one broke. So a database
 * that was away is found again by the next call.
 */
export class SessionPool {
  readonly #settings: SessionSettings;
  readonly #idle: Session[] = [];
  readonly #taken = new Set<Session>();
  readonly #waiting: (() => void)[] = [];
  #places = READERS;
  #writer: Session | undefined;
  /** Whether this process is alone with the store: then it passes its own door. */
  #door: "ask" | "ours" = "ask";

  constructor(settings: SessionSettings) {
    this.#settings = settings;
  }

  /** Runs `work` with a session for itself. It must leave no transaction, or the session is not used again. */
  async reading<T>(work: (session: Session) => Promise<T>): Promise<T> {
    await this.#place();
    try {
      const session = await this.#take();
      try {
        return await work(session);
      } finally {
        this.#taken.delete(session);
        if (session.usable) this.#idle.push(session);
      }
    } finally {
      this.#places++;
      this.#waiting.shift()?.();
    }
  }

  /** The one session that writes. */
  async writer(): Promise<Session> {
    if (this.#writer?.usable !== true) this.#writer = await this.#open(true);
    return this.#writer;
  }

  /** The database's numbers of all sessions that there are. */
  get ids(): number[] {
    const all = [...this.#idle, ...this.#taken, ...(this.#writer === undefined ? [] : [this.#writer])];
    return all.filter(({ usable }) => usable).map(({ id }) => id);
  }

  /** Runs `work` while sessions of this process begin though the door is closed. */
  async throughOwnDoor<T>(work: () => Promise<T>): Promise<T> {
    this.#door = "ours";
    try {
      return await work();
    } finally {
      this.#door = "ask";
    }
  }

  /** For when nothing is under way any more. */
  async close(): Promise<void> {
    await Promise.all([this.#writer, ...this.#idle.splice(0)].map((session) => session?.end()));
  }

  async #place(): Promise<void> {
    while (this.#places === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#places--;
  }

  async #take(): Promise<Session> {
    let session = this.#idle.pop();
    while (session !== undefined && !session.usable) session = this.#idle.pop();
    session ??= await this.#open();
    this.#taken.add(session);
    return session;
  }

  #open(writes = false): Promise<Session> {
    return Session.open(this.#settings, { door: this.#door, writes });
  }
}
