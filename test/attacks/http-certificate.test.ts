import { createPrivateKey, X509Certificate } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { chmod, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { readHttpCertificate } from "../../packages/server/src/cli/http-certificate.js";
import { untilStopped } from "../../packages/server/src/cli/signals.js";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf } from "../../packages/server/src/identity/leaf-certificate.js";
import { rotateIdentity } from "../../packages/server/src/services/server-identity.js";
import { Clock, DAY, HOUR, startInProcess, temporaryDirectory } from "../support/in-process.js";
import { WireClient } from "../support/wire-client.js";

const clock = new Clock();
const authority = await createIdentity({ now: clock.now() });

/** The files of an operator's certificate; `issue` puts another one there. */
async function files() {
  const directory = await temporaryDirectory();
  const paths = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  const issue = async (): Promise<string> => {
    const leaf = await issueLeaf(authority, { hosts: ["auth.example"], now: clock.now() });
    const certificate = new X509Certificate(leaf.certificateDer);
    const key = createPrivateKey({ key: leaf.privateKeyPkcs8, format: "der", type: "pkcs8" });
    await writeFile(paths.cert, certificate.toString());
    await writeFile(paths.key, String(key.export({ format: "pem", type: "pkcs8" })), { mode: 0o600 });
    return certificate.serialNumber;
  };
  const warnings: string[] = [];
  const read = () => readHttpCertificate(paths, { now: clock.now, warn: (text) => void warnings.push(text) });
  return { paths, issue, read, warnings };
}

async function connected(port: number): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

const shownAt = async (port: number) => (await connected(port)).getPeerX509Certificate()?.serialNumber;

/** Asks over a connection that stands: whether the server still answers on it. */
async function answers(socket: TLSSocket): Promise<number | undefined> {
  const asked = request({ createConnection: () => socket, path: "/livez", headers: { connection: "keep-alive" } });
  asked.end();
  const [response] = await once(asked, "response");
  response.resume();
  return response.statusCode;
}

describe("the operator's own certificate on the HTTPS port", () => {
  it("is shown there alone, and another one after SIGHUP; connections go on, and a bad file changes nothing", async () => {
    const { paths, issue, read, warnings } = await files();
    const serial = await issue();
    const server = await startInProcess(undefined, { http: true, httpCertificate: await read() });
    const port = server.running.http?.port ?? 0;
    const wireLeaf = (await WireClient.connect(server)).socket.getPeerX509Certificate();
    const standing = await connected(port);
    expect(standing.getPeerX509Certificate()?.serialNumber).toBe(serial);
    expect(wireLeaf?.serialNumber).not.toBe(serial);

    const signals = new EventEmitter();
    const run = async () => server.running.setHttpCertificate(await read());
    const reload = [{ what: "HTTPS certificate", run }];
    void untilStopped({ reload, log: server.log, source: signals, onTerminal: () => false });
    const hangUp = async () => {
      const logged = new Promise<string>((resolve) => {
        server.log.onEntry = resolve;
      });
      signals.emit("SIGHUP");
      return logged;
    };

    const renewed = await issue();
    expect(await hangUp()).toBe("reloaded");
    expect(await shownAt(port)).toBe(renewed);
    expect(await answers(standing)).toBe(200);

    await writeFile(paths.key, "nonsense");
    expect(await hangUp()).toMatch(/^could not be reloaded/);
    expect(server.log.errors).toMatchObject([{ facts: { err: { code: "http_certificate_invalid" } } }]);
    await rm(paths.cert);
    expect(await hangUp()).toMatch(/^could not be reloaded/);
    expect(await shownAt(port)).toBe(renewed);
    expect((await WireClient.connect(server)).socket.getPeerX509Certificate()?.serialNumber).toBe(
      wireLeaf?.serialNumber,
    );
    expect(warnings).toEqual([]);
  });

  it("stays when the server's own leaf is renewed; without one the HTTPS port takes the new leaf", async () => {
    const { issue, read } = await files();
    const serial = await issue();
    const own = await startInProcess(undefined, { http: true, httpCertificate: await read() });
    const plain = await startInProcess(undefined, { http: true });
    const before = await shownAt(plain.running.http?.port ?? 0);
    for (const server of [own, plain]) {
      await rotateIdentity(server.context, { seen: server.running.fingerprint, successor: true });
      await server.running.takeUpIdentity();
    }
    expect(await shownAt(own.running.http?.port ?? 0)).toBe(serial);
    expect(await shownAt(plain.running.http?.port ?? 0)).not.toBe(before);
  });

  it("is warned of once a day when it comes to its end", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const { issue, read } = await files();
    await issue();
    const server = await startInProcess(undefined, { http: true, httpCertificate: await read() });
    const warned = () => server.log.entries.filter(({ message }) => message.includes("expires on")).length;
    expect(warned()).toBe(0);
    for (const [advance, expected] of [
      [77 * DAY, 1],
      [HOUR, 1],
      [DAY, 2],
    ] as const) {
      server.clock.advance(advance);
      await vi.advanceTimersByTimeAsync(HOUR);
      for (let turns = 0; warned() < expected && turns < 10_000; turns++)
        await new Promise((next) => setImmediate(next));
      expect(warned()).toBe(expected);
    }
  });

  it("whose key everybody can read is used, with a warning; files that are not there are named", async () => {
    const { paths, issue, read, warnings } = await files();
    await expect(read()).rejects.toMatchObject({ code: "file_unreadable", detail: expect.stringContaining("ENOENT") });
    await issue();
    await chmod(paths.key, 0o644);
    await read();
    expect(warnings).toEqual([expect.stringContaining(paths.key)]);
  });
});
