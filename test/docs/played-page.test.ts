import { describe, expect, it } from "vitest";
import { folded, Names, partsOf, unfolded, withoutBallast, withoutShift } from "./played-page.js";

const id = (digit: string) => `otp_${digit.repeat(32)}`;

describe("a page that is played", () => {
  it("is taken apart into what is typed, over several lines too, what is printed, and the time between", () => {
    const text = "Text.\n\n```\n$ umask 077\n$ curl --json '{\n  }' \\\n  $api\n{}\n```\n<!-- 2 minutes later -->\n";
    const parts = partsOf(text).filter(({ kind }) => kind !== "text");
    expect(parts).toEqual([
      { kind: "command", command: "umask 077", printed: [] },
      { kind: "command", command: "curl --json '{\n  }' \\\n  $api", printed: ["{}"] },
      { kind: "later", line: "<!-- 2 minutes later -->", milliseconds: 120_000 },
    ]);
  });

  it("takes another id for its own each time, and not once for another one", () => {
    const names = new Names();
    names.learn(`{"id":"${id("a")}","code":"111111"}`, `{"id":"${id("1")}","code":"222222"}`);
    expect(names.toServer(`'{"code":"111111"}' /v1/otp/${id("a")}/verify`)).toBe(
      `'{"code":"222222"}' /v1/otp/${id("1")}/verify`,
    );
    names.learn(`{"id":"${id("a")}"}`, `{"id":"${id("2")}"}`);
    expect(names.toPage(`{"id":"${id("2")}"}`)).not.toBe(`{"id":"${id("a")}"}`);
    expect(names.toPage(`{"id":"${id("1")}"}`)).toBe(`{"id":"${id("a")}"}`);
  });

  it("breaks lines of JSON behind commas, and has headers and times of its own", () => {
    const line = JSON.stringify({ a: "x, y".repeat(20), b: "z".repeat(60), c: [1, 2, 3] });
    expect(folded(line).length).toBe(2);
    expect(unfolded(folded(line))).toBe(line);
    expect(withoutBallast('HTTP/1.1 200 OK\r\nDate: now\r\netag: "1"\r\n\r\n{"a":1}\n')).toBe(
      'HTTP/1.1 200 OK\netag: "1"\n\n{"a":1}',
    );
    expect(withoutShift("2026-11-21T12:01:00.000Z, 2026-11-21 12:01:00 UTC", 60_000)).toBe(
      "2026-11-21T12:00:00.000Z, 2026-11-21 12:00:00 UTC",
    );
  });
});
