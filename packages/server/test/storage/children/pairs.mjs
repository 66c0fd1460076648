// pairs.mjs DIRECTORY: writes pairs left/n, right/n with n counted up, and tells each n once it is acknowledged.
import { bytes, open, tell } from "./open.mjs";

const storage = await open(process.argv[2]);
const filler = Buffer.alloc(600, 0x2e);

async function worker() {
  for (;;) {
    const number = await storage.transact(async (tx) => {
      const next = Number((await tx.get(bytes("last"))) ?? 0) + 1;
      await tx.put(bytes("last"), bytes(next));
      await tx.put(bytes(`left/${next}`), Buffer.concat([bytes(next), filler]));
      await tx.put(bytes(`right/${next}`), Buffer.concat([bytes(next), filler]));
      return next;
    });
    tell(number);
  }
}

tell("begun");
await Promise.all(Array.from({ length: 6 }, worker));
