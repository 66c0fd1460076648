/**
 * The container's HEALTHCHECK: exit code 0 when the server in this container is ready, that is, when its store takes
 * transactions. Asked on this machine's own loopback, so the certificate proves nothing further and is not checked.
 * Without an HTTPS port, that the wire port is listened on has to do.
 */
import { request } from "node:https";
import { connect } from "node:net";

const PATIENCE_MS = 8_000;

const { POSTERND_HTTP: http = "127.0.0.1:7466", POSTERND_LISTEN: listen = "127.0.0.1:7465" } = process.env;

function end(healthy, said) {
  process.stdout.write(`${said}\n`);
  process.exit(healthy ? 0 : 1);
}

/** Where a server that listens on `HOST:PORT` is reached from here. */
function near(address) {
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  if (port === undefined) end(false, `no address: ${address}`);
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  return { host: bare === "0.0.0.0" ? "127.0.0.1" : bare === "::" ? "::1" : bare, port: Number(port) };
}

setTimeout(() => end(false, "no answer"), PATIENCE_MS).unref();
if (http === "off") {
  connect(near(listen), () => end(true, "listening")).on("error", ({ code }) => end(false, code));
} else {
  request({ ...near(http), path: "/readyz", rejectUnauthorized: false }, (response) => {
    response.resume();
    end(response.statusCode === 200, `readyz ${response.statusCode}`);
  })
    .on("error", ({ code }) => end(false, code))
    .end();
}
