import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  CHANNEL_MAC_BYTES,
  channelExporter,
  channelMac,
  sessionMac,
  verifyChannelMac,
  verifySessionMac,
} from "../src/channel.js";

/** 00 01 … 1f */
const key = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
/** 20 21 … 3f */
const exporter = Buffer.from(Array.from({ length: 32 }, (_, index) => 32 + index));

describe("channel MACs", () => {
  it("are the known answers, computed with Python's hmac", () => {
    expect(channelMac("client", key, exporter).toString("hex")).toBe(
      "b1d52c247847bea674b5d0a39602cdada5e6080b2a6921ab8ea632739adafe06",
    );
    expect(channelMac("server", key, exporter).toString("hex")).toBe(
      "d22646cf53fcc5662d22c5a0afa857445c533acb20a9e8f04d66e3feca90091c",
    );
  });

  it("are HMAC-SHA256 over the ASCII label, one zero byte and the exporter's value", () => {
    const message = Buffer.concat([Buffer.from("postern/1 client channel", "ascii"), Buffer.from([0]), exporter]);
    expect(channelMac("client", key, exporter)).toEqual(createHmac("sha256", key).update(message).digest());
  });

  it("name RFC 9266's exporter", () => {
    expect(channelExporter).toEqual({ label: "EXPORTER-Channel-Binding", context: Buffer.alloc(0), bytes: 32 });
  });

  it("verify for their own direction, key and connection", () => {
    expect(verifyChannelMac("client", key, exporter, channelMac("client", key, exporter))).toBe(true);
    expect(verifyChannelMac("server", key, exporter, channelMac("server", key, exporter))).toBe(true);
  });

  it("cannot be reflected: a side's own MAC is not the other's", () => {
    expect(verifyChannelMac("server", key, exporter, channelMac("client", key, exporter))).toBe(false);
    expect(verifyChannelMac("client", key, exporter, channelMac("server", key, exporter))).toBe(false);
  });

  it("do not survive a relay: any bit of another exporter value, key or MAC makes them wrong", () => {
    const mac = channelMac("client", key, exporter);
    for (let bit = 0; bit < 256; bit++) {
      expect(verifyChannelMac("client", key, flipped(exporter, bit), mac)).toBe(false);
      expect(verifyChannelMac("client", flipped(key, bit), exporter, mac)).toBe(false);
      expect(verifyChannelMac("client", key, exporter, flipped(mac, bit))).toBe(false);
    }
  });

  it.each([0, 1, 31, 33, 64])("are wrong at %d bytes, without a throw", (size) => {
    const mac = Buffer.concat([channelMac("client", key, exporter), Buffer.alloc(64)]).subarray(0, size);
    expect(verifyChannelMac("client", key, exporter, mac)).toBe(false);
    expect(CHANNEL_MAC_BYTES).toBe(32);
  });

  it.each([0, 16, 31, 33])("are not made from a key or an exporter value of %d bytes", (size) => {
    const bug = expect.objectContaining({ code: "bug" });
    expect(() => channelMac("client", Buffer.alloc(size), exporter)).toThrowError(bug);
    expect(() => channelMac("client", key, Buffer.alloc(size))).toThrowError(bug);
    expect(() => verifyChannelMac("server", key, Buffer.alloc(size), Buffer.alloc(32))).toThrowError(bug);
  });
});

describe("a session's MACs", () => {
  it("are the known answers, computed with Python's hmac", () => {
    expect(sessionMac("client", key, exporter).toString("hex")).toBe(
      "fa8a706b7e8f21a6fdb4807663c8259d3ab8dead55427b11d8899a21bb162158",
    );
    expect(sessionMac("server", key, exporter).toString("hex")).toBe(
      "22390cf8c3177154562b29c0a3162edf8b24694566c1df19489d40ff3b4520a3",
    );
  });

  it("verify for their own direction, key and connection alone, and are none of a login's", () => {
    const mac = sessionMac("client", key, exporter);
    expect(verifySessionMac("client", key, exporter, mac)).toBe(true);
    expect(verifySessionMac("server", key, exporter, mac)).toBe(false);
    expect(verifySessionMac("client", flipped(key, 7), exporter, mac)).toBe(false);
    expect(verifySessionMac("client", key, flipped(exporter, 255), mac)).toBe(false);
    expect(verifySessionMac("client", key, exporter, flipped(mac, 0))).toBe(false);
    expect(verifySessionMac("client", key, exporter, mac.subarray(1))).toBe(false);
    expect(verifySessionMac("client", key, exporter, channelMac("client", key, exporter))).toBe(false);
  });

  it.each([0, 16, 31, 33])("are not made from a key or an exporter value of %d bytes", (size) => {
    const bug = expect.objectContaining({ code: "bug" });
    expect(() => sessionMac("client", Buffer.alloc(size), exporter)).toThrowError(bug);
    expect(() => sessionMac("client", key, Buffer.alloc(size))).toThrowError(bug);
  });
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
}
