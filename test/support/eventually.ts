/** As it is before any test lets the timers stand still. */
const { setTimeout } = globalThis;

/**
 * Waits until something holds; the test's own limit ends it otherwise. It looks every few milliseconds: at each turn of
 * the event loop would keep a core busy that the one waited for may need.
 */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
}
