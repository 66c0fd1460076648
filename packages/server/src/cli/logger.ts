import pino from "pino";
import pretty from "pino-pretty";
import type { Log } from "../log.js";
import type { LogLevel } from "../records/log-level.js";
import { onlyKnownFields } from "./log-fields.js";

export type { LogLevel } from "../records/log-level.js";
export type LogFormat = "pretty" | "json";

/** A log whose level changes while it is written. */
export interface LevelledLog extends Log {
  /** What is in force. */
  readonly level: LogLevel;
  /** This process's own level: it holds while the store has none. */
  setOwnLevel(level: LogLevel, from: "start" | "reload"): void;
  /** The level of all servers of the store; undefined gives each its own. */
  setStoreLevel(level: LogLevel | undefined): void;
}

/** Who writes a log, on each line. */
export interface Writer {
  /** Which node this is; undefined where there is one. */
  readonly node?: string | undefined;
  /** Which process of several. */
  readonly worker?: number | undefined;
}

export interface LogOptions extends Writer {
  readonly level: LogLevel;
  readonly format: LogFormat | undefined;
}

/** A log on stderr. What goes in are codes and states; names, addresses and secrets never reach it. */
export function createLog({ level, format, ...writer }: LogOptions): LevelledLog {
  const chosen = format ?? (process.stderr.isTTY === true ? "pretty" : "json");
  const colorize = process.stderr.isTTY === true && !process.env.NO_COLOR;
  const stream =
    chosen === "pretty"
      ? pretty({ destination: 2, sync: true, colorize, ignore: "pid,hostname,node", messageFormat: MESSAGE })
      : pino.destination({ dest: 2, sync: true });
  return logOn(stream, level, writer);
}

/** For people the node's name stands in front of what is said. */
const MESSAGE = "{if node}{node}: {end}{msg}";

/** The same log on any stream. */
export function logOn(stream: pino.DestinationStream, level: LogLevel, { node, worker }: Writer = {}): LevelledLog {
  // pino's own serializer of errors would go over what the formatter has made of them once more.
  const serializers = { err: (shown: unknown) => shown };
  const ofWriter = { ...(node !== undefined && { node }), ...(worker !== undefined && { worker }) };
  const base = Object.keys(ofWriter).length === 0 ? null : ofWriter;
  const logger = pino({ level, base, formatters: { log: onlyKnownFields }, serializers }, stream);
  let own = level;
  let ofStore: LogLevel | undefined;
  const settle = (from: "store" | "start" | "reload") => {
    const next = ofStore ?? own;
    if (next === logger.level) return;
    // Said at the more talkative of the two: else who turns the log down would not see that it was.
    const tell = () => logger.info({ logLevel: next, from }, "log level changed");
    if (logger.isLevelEnabled("info")) tell();
    const told = logger.isLevelEnabled("info");
    logger.level = next;
    if (!told) tell();
  };
  return {
    debug: (facts, message) => logger.debug(facts, message),
    info: (facts, message) => logger.info(facts, message),
    warn: (facts, message) => logger.warn(facts, message),
    error: (facts, message) => logger.error(facts, message),
    get level() {
      return logger.level as LogLevel;
    },
    setOwnLevel: (wanted, from) => {
      own = wanted;
      settle(from);
    },
    setStoreLevel: (wanted) => {
      const from = wanted === undefined ? "start" : "store";
      ofStore = wanted;
      settle(from);
    },
  };
}
