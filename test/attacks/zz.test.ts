import { it } from "vitest";
import { startWire } from "../support/in-process.js";
import { connectRaw, gone } from "../support/wire-client.js";
it("x", async () => {
    const server = await startWire({ unauthenticated: 20 });
    const held: any[] = [];
    for (let n=0;n<45;n++) { held.push(await connectRaw(server)); let e=0, c=0;
       if (held.length > 30) await gone(held.shift().end());
       await new Promise(r=>setTimeout(r,10));
       console.log(n, server.admission.open, held.filter(s=>s.closed).length, held.filter(s=>s.readableEnded).length); }
});
