import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server as Site } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { hasNginx, startNginx } from "../support/nginx.js";
import { Machine, onlyLine, type Server } from "../support/programs.js";
import { type Account, at, loginArgs, registerByScript } from "./account.js";

/** A real nginx in front of a small site, by the configuration that docs/operations.md shows, and a real `postern`. */

interface Visit {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** The headers that the site got; empty where the request did not come to it. */
  readonly seen: Record<string, string>;
}

describe.runIf(hasNginx)("a site behind nginx", () => {
  const operator = new Machine();
  const person = new Machine();
  const passwordFile = join(operator.home, "admin-password");
  let server: Server;
  let site: Site;
  let alice: Account;
  let key: string;
  /** Where nginx listens. */
  let socket: string;

  const posternd = async (...args: string[]) => {
    const { code, stdout } = await operator.hosted("posternd", [...args, "--admin-password-file", passwordFile]);
    if (code !== 0) throw new Error(`posternd ${args[0]} ended with ${code}`);
    return stdout;
  };
  const postern = (...args: string[]) => person.hosted("postern", [...args, ...at(server)]);
  const token = async (audience: string) =>
    String(onlyLine((await postern("token", "--audience", audience, "--json")).stdout)["token"]);

  beforeAll(async () => {
    server = await operator.startServer();
    site = createServer(({ headers }, reply) => reply.end(JSON.stringify(headers)));
    site.listen(0, "127.0.0.1");
    await once(site, "listening");
    key = (await posternd("apikey", "create", "--name", "wiki", "--scope", "session")).trim();
    socket = await proxyBy("nginx", await posternd("identity", "show", "--pem"));
    alice = await registerByScript(person, server, "alice");
    const { code } = await person.hosted("postern", loginArgs(person, server, "alice", alice.authenticator.next()));
    expect(code).toBe(0);
  });
  afterAll(async () => {
    await Promise.all([operator.close(), person.close()]);
    site.close();
  });

  /** Starts one that takes this certificate for the server's identity, and gives the socket that it listens on. */
  function proxyBy(name: string, identity: string): Promise<string> {
    const { port } = site.address() as AddressInfo;
    return startNginx(operator, {
      name,
      page: "docs/operations.md",
      places: {
        "ssl_certificate /etc/nginx/wiki.pem;": "",
        "ssl_certificate_key /etc/nginx/wiki.key;": "",
        "127.0.0.1:7466": server.http,
        "127.0.0.1:8080": `127.0.0.1:${port}`,
      },
      files: {
        "postern-identity.pem": identity,
        "postern-key.conf": `proxy_set_header Authorization "Bearer ${key}";\n`,
      },
    });
  }

  async function visit(headers: Record<string, string> = {}, socketPath = socket): Promise<Visit> {
    const sent = request({ socketPath, path: "/page", headers, agent: false }).end();
    const [reply] = (await once(sent, "response")) as [IncomingMessage];
    const said = await text(reply);
    const seen = reply.statusCode === 200 ? JSON.parse(said) : {};
    return { status: reply.statusCode ?? 0, headers: reply.headers, seen };
  }
  const bearing = (text: string) => visit({ authorization: `Bearer ${text}` });

  it("is told who is logged in, and never sees the token", async () => {
    const { status, seen } = await bearing(await token("wiki"));
    expect(status).toBe(200);
    expect(seen).toMatchObject({ "postern-user": "alice", "postern-subject": alice.id });
    expect(seen).not.toHaveProperty("authorization");
  });

  it("lets nobody in without a token, with one for another site, or with one that was tampered with", async () => {
    const { status, headers } = await visit();
    expect([status, headers["www-authenticate"]]).toEqual([401, 'Bearer realm="postern"']);
    const good = await token("wiki");
    // The first character of the signature: the last ones may be what they would be changed to.
    const tampered = good.replace(/\.(.)([^.]*)$/, (_all, first, rest) => `.${first === "A" ? "B" : "A"}${rest}`);
    for (const text of [await token("mail"), tampered, "", "x"]) {
      expect((await bearing(text)).status).toBe(401);
    }
  });

  it("believes no header of a visitor's", async () => {
    const forged = {
      "Postern-User": "root",
      "Postern-Subject": "acc_0",
      "Postern-Session": "ses_0",
      "Postern-Amr": "x",
    };
    expect((await visit(forged)).status).toBe(401);
    expect((await visit({ ...forged, "Postern-Token": await token("wiki") })).status).toBe(401);
    const { seen } = await visit({ ...forged, authorization: `Bearer ${await token("wiki")}` });
    expect(seen).toMatchObject({ "postern-user": "alice", "postern-subject": alice.id });
    expect(seen).not.toHaveProperty("postern-session");
    expect(seen).not.toHaveProperty("postern-amr");
  });

  it("lets nobody in where what answers for the server does not have its identity", async () => {
    const { certificateDer } = await createIdentity({ now: Date.now() });
    const misled = await proxyBy("misled", new X509Certificate(certificateDer).toString());
    const { status } = await visit({ authorization: `Bearer ${await token("wiki")}` }, misled);
    expect(status).toBe(500);
  });

  it("attack 34: is closed to a token from the moment of its person's logout", async () => {
    const text = await token("wiki");
    expect((await bearing(text)).status).toBe(200);
    expect((await postern("logout")).code).toBe(0);
    expect((await bearing(text)).status).toBe(401);
  });
});
