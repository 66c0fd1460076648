import { it } from "vitest";
import { entered } from "../support/entered.js";
import { newStore, startInProcess } from "../support/in-process.js";

it("loops", async () => {
  for (let i = 0; i < 120; i++) {
    const make = async () => startInProcess(await newStore(), { http: true, publicUrl: "https://x.test" });
    const one = await make();
    const a = await entered({ at: one });
    await a.client.ok("session.token", { audience: "wiki" });
    const server = await make();
    try {
      const { client } = await entered({ at: server });
      await client.close();
    } catch (e) {
      console.log(i, String(e), JSON.stringify((await server.audit()).slice(-5)), server.clock.now());
      throw e;
    }
    await a.client.close();
    await server.close();
    await one.close();
  }
}, 300_000);
