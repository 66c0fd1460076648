import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { channelExporter } from "../../src/connection/tls.js";

describe("the channel's exporter", () => {
  it("of a connection that has ended meanwhile is connection_lost, and no bug", () => {
    const socket = new TLSSocket(new Socket());
    socket.destroy();
    expect(() => channelExporter(socket)).toThrow(expect.objectContaining({ code: "connection_lost" }));
  });
});
