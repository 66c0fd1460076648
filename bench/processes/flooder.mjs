/** Connections that never come to a handshake's end: each from another address, half of them silent, half slow. */
import { connect } from "node:net";
import { serve } from "./channel.mjs";

/** How a handshake begins: a record of 512 bytes is announced, and its bytes come one a second. */
const BEGINNING = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);
const SLOW_MS = 1000;

/** Opens `count` of them in the course of `seconds`, and leaves them open for as long as the server does. */
async function flood({ port, count, seconds }) {
  const sockets = new Set();
  const told = { opened: 0, failed: 0 };
  const open = (number) => {
    const localAddress =
      process.platform === "linux"
        ? `127.${64 + (number >> 16)}.${(number >> 8) & 255}.${number & 255 || 1}`
        : undefined;
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    sockets.add(socket);
    let sent = 0;
    const drip =
      number % 2 === 0 ? setInterval(() => socket.write(BEGINNING.subarray(sent, ++sent)), SLOW_MS) : undefined;
    socket.once("connect", () => {
      told.opened += 1;
    });
    socket.on("error", (error) => {
      if (error.syscall === "connect" || error.code === "EMFILE") told.failed += 1;
    });
    socket.once("close", () => {
      clearInterval(drip);
      sockets.delete(socket);
    });
    socket.resume();
  };
  const began = performance.now();
  for (let number = 0; number < count; ) {
    const due = Math.min(count, Math.ceil((count * (performance.now() - began)) / 1000 / seconds));
    while (number < due) open(++number);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const socket of sockets) socket.destroy();
  return told;
}

serve({ flood });
