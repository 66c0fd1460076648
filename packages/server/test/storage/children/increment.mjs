// increment.mjs DIRECTORY TIMES: adds one to a counter so many times, eight calls at once.
import { bytes, open, tell } from "./open.mjs";

const [directory, times] = process.argv.slice(2);
const storage = await open(directory);
let left = Number(times);

async function worker() {
  while (left-- > 0) {
    await storage.transact(async (tx) => {
      const count = Number((await tx.get(bytes("counter"))) ?? 0);
      await tx.put(bytes("counter"), bytes(count + 1));
    });
  }
}

await Promise.all(Array.from({ length: 8 }, worker));
await storage.close();
tell("done");
