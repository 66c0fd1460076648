import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { freePort } from "../support/free-port.js";
import { type Haproxy, hasHaproxy, startHaproxy } from "../support/haproxy.js";
import { ask } from "../support/https.js";
import { hasNginxStream, startNginxStream } from "../support/nginx.js";
import { guessPassword } from "../support/person.js";
import { newDatabase } from "../support/postgres.js";
import { adminPassword, Machine, type Server } from "../support/programs.js";
import { makeReadyDatabase } from "../support/ready-store.js";
import { codeOf, WireClient } from "../support/wire-client.js";
import { type Account, loginArgs, registerByScript } from "./account.js";

/** HAProxy and nginx by the configurations of docs/scaling.md, two real nodes, one PostgreSQL, and a real `postern`. */

/** The address that they connect from: so clients of 127.0.0.1 are told from it. */
const BALANCER = "127.0.0.64";

const portOf = (listen: string) => Number(listen.split(":")[1]);

describe.runIf(hasHaproxy || hasNginxStream)("two nodes behind a balancer", () => {
  const operator = new Machine();
  const alice = new Machine();
  let opened: Awaited<ReturnType<typeof newDatabase>>;
  let nodes: [Server, Server];

  const posternd = async (...args: string[]) => {
    const file = operator.write("admin-password", `${adminPassword}\n`);
    const more = ["--store", opened.database.url, "--admin-password-file", file];
    const { code, stdout, stderr } = await operator.hosted("posternd", [...args, ...more]);
    if (code !== 0) throw new Error(`posternd ${args[0]} ended with ${code}: ${stderr}`);
    return stdout;
  };

  beforeAll(async () => {
    opened = await newDatabase();
    await makeReadyDatabase(opened.database.url, adminPassword);
    const options = ["--store", opened.database.url, "--proxy-protocol", `${BALANCER}/32`, "--log-format", "json"];
    nodes = [await operator.startFirstServer(options), await operator.startFirstServer(options)];
  });
  afterAll(async () => {
    await Promise.all([operator.close(), alice.close()]);
    await opened.remove();
  });

  /** Each asks at both ports from its address: that is whom the log knows, and nobody by the balancer's. */
  async function expectKnown(wire: number, https: number, addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      const client = await WireClient.open({ port: wire }, address);
      expect(codeOf(await guessPassword(client, "nobody"))).toBe("login_failed");
      const site = { running: { http: { port: https } } };
      expect((await ask(site, "/readyz", { localAddress: address })).text).toBe('{"status":"ready"}');
    }
    const log = await posternd("audit", "list", "--json");
    const known = new Set([...log.matchAll(/"address":"([^"]*)"/g)].map(([, address]) => address));
    expect([...known]).toEqual(expect.arrayContaining([...addresses]));
    expect(known).not.toContain(BALANCER);
  }

  it.runIf(hasNginxStream)("that is nginx's stream module know each client by its own address", async () => {
    const [wire, https] = [await freePort(), await freePort()];
    await startNginxStream(operator, {
      name: "nginx-stream",
      page: "docs/scaling.md",
      places: {
        "10.0.0.2": BALANCER,
        "listen 7465": `listen 127.0.0.1:${wire}`,
        "listen 7466": `listen 127.0.0.1:${https}`,
        "10.0.0.11:7465": nodes[0].listen,
        "10.0.0.12:7465": nodes[1].listen,
        "10.0.0.11:7466": nodes[0].http,
        "10.0.0.12:7466": nodes[1].http,
      },
    });
    await expectKnown(wire, https, ["127.0.0.4", "127.0.0.5"]);
  });

  describe.runIf(hasHaproxy)("that is HAProxy", () => {
    let haproxy: Haproxy;
    /** What clients take for the server. */
    let front: Server;
    let account: Account;

    beforeAll(async () => {
      haproxy = await startHaproxy(operator, {
        places: {
          "10.0.0.2": BALANCER,
          "inter 2s": "inter 100ms",
          "10.0.0.11:7465 port 7466": `${nodes[0].listen} port ${portOf(nodes[0].http)}`,
          "10.0.0.12:7465 port 7466": `${nodes[1].listen} port ${portOf(nodes[1].http)}`,
          "10.0.0.11:7466": nodes[0].http,
          "10.0.0.12:7466": nodes[1].http,
        },
        identity: await posternd("identity", "show", "--pem"),
      });
      front = { ...nodes[0], listen: haproxy.wire, http: haproxy.https };
      account = await registerByScript(alice, front, "alice");
    });
    const logIn = (code: string) => alice.hosted("postern", [...loginArgs(alice, front, "alice", code), "--json"]);

    it("are both found ready by its checks, which the nodes take for its own connections", async () => {
      const names = ["wire-nodes/node1", "wire-nodes/node2", "https-nodes/node1", "https-nodes/node2"];
      const ready = Object.fromEntries(names.map((name) => [name, "UP L7OK"]));
      await eventually(async () => JSON.stringify(await haproxy.health()).split("UP L7OK").length === 5);
      expect(await haproxy.health()).toEqual(ready);
      for (const { process } of nodes) expect(process.stderr).not.toContain("PROXY header");
    });

    it("know each client by its own address, on either port, whichever of them it comes to", async () => {
      await expectKnown(portOf(haproxy.wire), portOf(haproxy.https), ["127.0.0.2", "127.0.0.3"]);
    });

    it("let people in, also from the moment at which one of them is killed", async () => {
      expect((await logIn(account.authenticator.next())).code).toBe(0);
      nodes[0].process.signal("SIGKILL");
      await nodes[0].process.ended;
      for (let count = 0; count < 4; count += 1) await WireClient.open({ port: portOf(haproxy.wire) });
      expect((await logIn(account.recoveryCodes[0] ?? "")).code).toBe(0);
      await eventually(async () => (await haproxy.health())["wire-nodes/node1"]?.startsWith("DOWN") ?? false);
      expect((await haproxy.health())["wire-nodes/node2"]).toBe("UP L7OK");
    });
  });
});
