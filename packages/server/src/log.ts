/** The part of a structured logger (pino) that the rooms use. Facts go in as fields; no secret and no name ever does. */
export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

const unheard = () => undefined;

/** For commands that say themselves what there is to say. */
export const silentLog: Log = { debug: unheard, info: unheard, warn: unheard, error: unheard };
