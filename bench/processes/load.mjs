/** Persons who log in, register, or only shake hands, so many at once: a process of its own beside the server's. */
import { serve } from "./channel.mjs";
import { usage } from "./usage.mjs";
import { close, login, open, register, startLogin } from "./wire.mjs";

const doings = { login, register, handshake: open, start: startLogin };

/**
 * Where a connection comes from: Linux has all of 127.0.0.0/8, so that ports do not run out, and each address has the
 * limits of one.
 */
const addressOf = (block, number) =>
  process.platform === "linux" ? `127.${block}.${(number >> 8) & 255}.${number & 255 || 1}` : undefined;

/**
 * Does something for the persons `from` to `to`, `atOnce` of them at a time, or until `seconds` are over. Gives the
 * milliseconds of each that succeeded, from its connection's beginning, and what the others were refused with.
 */
async function run({ what, port, from, to = Number.POSITIVE_INFINITY, atOnce, seconds, block = 1, wait = 0 }) {
  const latencies = [];
  const refused = {};
  const began = performance.now();
  const over = () => (performance.now() - began) / 1000;
  let next = from;
  const one = async (number) => {
    const start = performance.now();
    try {
      const socket = await doings[what]({ port, localAddress: addressOf(block, number) }, number);
      latencies.push(performance.now() - start);
      await close(socket);
    } catch (thrown) {
      const why = thrown.code ?? thrown.message;
      refused[why] = (refused[why] ?? 0) + 1;
    }
  };
  const worker = async () => {
    while (next < to && (seconds === undefined || over() < seconds)) {
      next += 1;
      await one(next - 1);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { latencies, refused, seconds: over(), next };
}

serve({ ...usage, run });
