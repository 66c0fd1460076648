/**
 * A program that the bench has begun: gives what stops it, by `signal`. The bench may be killed; then it ends too, by
 * `orphaned`.
 */
export function kept(child, signal, orphaned = signal) {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const end = () => child.kill(orphaned);
  process.once("exit", end);
  return async () => {
    process.off("exit", end);
    child.kill(signal);
    await ended;
  };
}
