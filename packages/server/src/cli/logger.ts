import pino from "pino";
import pretty from "pino-pretty";
import type { Log } from "../log.js";

export type LogLevel = "error" | "warn" | "info" | "debug";
export type LogFormat = "pretty" | "json";

/** A log on stderr. What goes in are codes and states; names, addresses and secrets never reach it. */
export function createLog({ level, format }: { level: LogLevel; format: LogFormat | undefined }): Log {
  const chosen = format ?? (process.stderr.isTTY === true ? "pretty" : "json");
  const colorize = process.stderr.isTTY === true && !process.env.NO_COLOR;
  const stream =
    chosen === "pretty"
      ? pretty({ destination: 2, sync: true, colorize, ignore: "pid,hostname" })
      : pino.destination({ dest: 2, sync: true });
  return pino({ level, base: null }, stream);
}
