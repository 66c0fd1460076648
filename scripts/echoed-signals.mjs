/** Longer than npm needs to pass a signal on, shorter than a person needs to press a key again. */
const ECHO_MS = 250;

/**
 * A terminal sends Ctrl-C to every process of `npm start`, and npm passes the one it got on to its child: a single
 * press arrives twice, and a program that takes the second as "at once" would never end in good order. From here on
 * a signal that follows its like within a moment is not delivered.
 */
export function dropEchoedSignals() {
  const { emit } = process;
  const lastOf = new Map();
  process.emit = function emitOnce(event, ...details) {
    if (event !== "SIGINT" && event !== "SIGTERM") return emit.call(this, event, ...details);
    const now = performance.now();
    if (now - (lastOf.get(event) ?? Number.NEGATIVE_INFINITY) < ECHO_MS) return true;
    lastOf.set(event, now);
    holdDefault(event);
    return emit.call(this, event, ...details);
  };
}

/** A `once` listener is gone when the echo comes, and an echo without a listener would kill the process. */
function holdDefault(event) {
  const hold = () => undefined;
  process.on(event, hold);
  setTimeout(() => process.off(event, hold), ECHO_MS).unref();
}
