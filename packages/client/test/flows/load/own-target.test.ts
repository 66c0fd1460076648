import type { LookupAddress } from "node:dns";
import type { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { isLoopback, lookUpTarget, type Resolve } from "../../../src/flows/load/own-target.js";

const found = (...addresses: string[]): LookupAddress[] =>
  addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

const refusal = (resolve: Resolve, owned = false) =>
  lookUpTarget("auth.example.org", resolve, owned).then(
    () => "taken",
    ({ code, detail }: PosternError) => `${code} ${detail}`,
  );

describe("the target of a load test", () => {
  it.each(["127.0.0.1", "127.255.3.9", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"])(
    "%s is of this machine",
    (address) => {
      expect(isLoopback(address)).toBe(true);
    },
  );

  it.each([
    "192.0.2.1",
    "128.0.0.1",
    "0.0.0.0",
    "10.127.0.1",
    "::",
    "::2",
    "fe80::1%lo",
    "::ffff:192.0.2.1",
    "::127.0.0.1",
  ])("%s is not", (address) => {
    expect(isLoopback(address)).toBe(false);
  });

  it("is refused where a single one of its addresses is elsewhere, and taken by --i-own-this-server", async () => {
    const mixed = async () => found("127.0.0.1", "192.0.2.7");
    expect(await refusal(mixed)).toBe("target_not_own 192.0.2.7");
    expect(await refusal(mixed, true)).toBe("taken");
    expect(await refusal(async () => found("127.0.0.1", "::1"))).toBe("taken");
  });

  it("is looked up once: what connects by it reaches what was judged, wherever the name leads by then", async () => {
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return asked === 1 ? found("::1", "127.0.0.1") : found("192.0.2.7");
    };
    const lookup = await lookUpTarget("localhost", resolve, false);
    const all = await new Promise((done) => lookup("localhost", { all: true }, (_error, addresses) => done(addresses)));
    const one = await new Promise((done) =>
      lookup("localhost", {}, (_error, address, family) => done([address, family])),
    );
    expect([all, one, asked]).toEqual([found("::1", "127.0.0.1"), ["::1", 6], 1]);
  });

  it("is told only once its caller listens: a socket that fails at once would else end the program", async () => {
    const lookup = await lookUpTarget("localhost", async () => found("127.0.0.1"), false);
    const order: string[] = [];
    const told = new Promise<void>((done) =>
      lookup("localhost", { all: true }, () => {
        order.push("told");
        done();
      }),
    );
    order.push("listens");
    await told;
    expect(order).toEqual(["listens", "told"]);
  });

  it("that does not resolve cannot be reached", async () => {
    const resolve = async () => {
      throw Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
    };
    expect(await refusal(resolve)).toBe("server_unreachable there is no host of that name");
    expect(await refusal(resolve, true)).toBe("server_unreachable there is no host of that name");
  });
});
