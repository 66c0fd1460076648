import { defaultTimeouts, Session, type SessionSettings } from "./postgres-session.js";
import { DatabaseWatch, type HearOutage } from "./postgres-watch.js";

/** At most so many sessions of a process read at once; who comes later waits. Another one writes, and one watches. */
const READERS = 8;

/**
 * The sessions of a process: they are begun when they are needed, kept, and begun anew where one broke. While the
 * database is away none is begun, and nobody waits: who asks for one is refused at once.
 */
export class SessionPool {
  readonly #settings: SessionSettings;
  readonly #all = new Set<Session>();
  #watch: DatabaseWatch | undefined;
  readonly #idle: Session[] = [];
  readonly #waiting: (() => void)[] = [];
  #places = READERS;
  #writer: Session | undefined;
  /** Whether this process is alone with the store: then it passes its own door. */
  #door: "ask" | "ours" = "ask";

  constructor(settings: SessionSettings) {
    this.#settings = settings;
  }

  /** Looks from now on whether the database is there, and tells of each outage and of its end. */
  watch(hear: HearOutage): void {
    const { beat } = { ...defaultTimeouts, ...this.#settings.timeouts };
    this.#watch ??= new DatabaseWatch({ beat, open: () => this.#open(), cutOff: () => this.#cutOff(), hear });
  }

  /** @throws PosternError what the database is away with: `store_unreachable` or the like */
  refuseInOutage(): void {
    this.#watch?.refuse();
  }

  /** Runs a call of somebody's; the watch takes note of what it fails with. */
  async watched<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      this.#watch?.note(thrown);
      throw thrown;
    }
  }

  /** Runs `work` with a session for itself. It must leave no transaction, or the session is not used again. */
  async reading<T>(work: (session: Session) => Promise<T>): Promise<T> {
    await this.#place();
    try {
      const session = await this.#take();
      try {
        return await work(session);
      } finally {
        if (session.usable) this.#idle.push(session);
      }
    } finally {
      this.#places++;
      this.#waiting.shift()?.();
    }
  }

  /** The one session that writes. */
  async writer(): Promise<Session> {
    this.#watch?.refuse();
    if (this.#writer?.usable !== true) this.#writer = await this.#open(true);
    return this.#writer;
  }

  /** The database's numbers of all sessions that there are. */
  get ids(): number[] {
    return [...this.#all].filter(({ usable }) => usable).map(({ id }) => id);
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
    this.#watch?.stop();
    await Promise.all([...this.#all].map((session) => session.end()));
  }

  async #place(): Promise<void> {
    while (this.#places === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#places--;
  }

  async #take(): Promise<Session> {
    this.#watch?.refuse();
    let session = this.#idle.pop();
    while (session !== undefined && !session.usable) session = this.#idle.pop();
    return session ?? this.#open();
  }

  #open(writes = false): Promise<Session> {
    return Session.open(this.#settings, { door: this.#door, writes, among: this.#all });
  }

  #cutOff(): void {
    for (const session of this.#all) session.cut();
  }
}
