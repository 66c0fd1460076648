import { PassThrough } from "node:stream";
import { PosternError } from "@postern/shared/errors";
import { createOutput } from "@postern/shared/terminal/output";
import { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { say } from "@postern/shared/terminal/terminal-text";
import { describe, expect, it } from "vitest";
import { askCodeOf } from "../../src/cli/ask-code.js";
import type { Environment } from "../../src/environment.js";
import { giveCode } from "../../src/flows/give-code.js";
import { pathsFrom } from "../../src/paths.js";

/** Somebody at a terminal who types 123456 to each question; what they were asked, and what was said to them. */
function person(interactive = true) {
  const asked: string[] = [];
  const stderr = new PassThrough();
  const unasked = () => Promise.reject(new PosternError("input_needed"));
  const environment: Environment = {
    output: createOutput({ json: false, stdout: new PassThrough(), stderr, env: {} }),
    prompter: {
      password: unasked,
      choose: unasked,
      confirm: unasked,
      text: async (message) => {
        asked.push(message);
        return "123 456";
      },
    },
    interactive,
    paths: pathsFrom({ HOME: "/nowhere" }),
    now: () => 1_000 * 1_000,
    window: () => ({ columns: 80, rows: 24 }),
  };
  return { asked, environment, said: () => String(stderr.read() ?? "") };
}

const first = { refusal: undefined, factors: ["totp", "recovery"], period: 30 };
const refused = { ...first, refusal: new PosternError("code_refused") };

describe("a person who is asked for a code", () => {
  it("is told what it is for, and how long until the next one where that can be known", async () => {
    const { asked, environment, said } = person();
    const askCode = askCodeOf(environment, { code: undefined }, say`What it is for.`);
    expect(await askCode(first)).toEqual({ code: "123456" });
    await askCode({ ...first, period: undefined });
    expect(asked).toEqual(["Code (a new one comes in 20 s):", "Code:"]);
    expect(said()).toBe("What it is for.\nWhat it is for.\n");
  });

  it("may try three times, and once more three times for the next thing", async () => {
    const { environment } = person();
    const askCode = askCodeOf(environment, { code: undefined });
    for (let round = 0; round < 2; round += 1) {
      expect(await askCode(first)).toBeDefined();
      expect(await askCode(refused)).toBeDefined();
      expect(await askCode(refused)).toBeDefined();
      expect(await askCode(refused)).toBeUndefined();
    }
  });

  it("hears of a clock that is behind, and of two codes in a row, only where that can help", async () => {
    const { environment, said } = person();
    const askCode = askCodeOf(environment, { code: undefined });
    await askCode(refused);
    expect(said()).toBe("That code was not accepted. A code works once: wait for the next one.\n");
    const behind = new PosternError("code_refused", { clockBehind: 90 });
    await askCode({ ...refused, factors: ["totp", "hotp"], refusal: behind });
    expect(said()).toMatch(/\nYour device's clock is about 90 seconds behind\.\n.*type two codes in a row\.\n$/);
  });
});

describe("a server without its database", () => {
  it("has not looked at a person's code: it is given again; a script is refused", async () => {
    const unavailable = { ...first, refusal: new PosternError("unavailable") };
    const { environment, said } = person();
    expect(await askCodeOf(environment, { code: undefined })(unavailable)).toEqual({ code: "123456" });
    expect(said()).toMatch(/^The server cannot reach its database, .*\nGive it again in a moment: .*\.\n$/);
    expect(await askCodeOf(environment, { code: "123456" })(unavailable)).toBeUndefined();
  });

  it("is asked again with the next code that is typed, and anything else ends it", async () => {
    const { environment } = person();
    const outcomes = [new PosternError("unavailable"), new PosternError("code_refused"), "in"] as const;
    const given: unknown[] = [];
    const give = async () => {
      const outcome = outcomes[given.push("a code") - 1];
      if (outcome instanceof PosternError) throw outcome;
      return outcome;
    };
    const about = { about: () => ({ factors: [], period: 30 }), otherwise: new PosternError("code_refused") };
    expect(await giveCode(askCodeOf(environment, { code: undefined }), about, give)).toBe("in");
    expect(given).toHaveLength(3);
    const internal = new PosternError("internal");
    const failing = giveCode(askCodeOf(environment, { code: undefined }), about, () => Promise.reject(internal));
    await expect(failing).rejects.toBe(internal);
  });
});

describe("a script", () => {
  it("gives its one code once", async () => {
    const askCode = askCodeOf(person(false).environment, { code: "123456 654321" });
    expect(await askCode(first)).toEqual({ code: "123456", second_code: "654321" });
    expect(await askCode(refused)).toBeUndefined();
  });

  it("gives it as the next line of standard input", async () => {
    const stdin = new PassThrough();
    stdin.end("123456\n");
    const askCode = askCodeOf(person(false).environment, { code: undefined, stdin: new StdinLines(stdin) });
    expect(await askCode(first)).toEqual({ code: "123456" });
  });

  it("that has none is not asked, and one that can be none ends it before anything", async () => {
    const { asked, environment } = person(false);
    expect(await askCodeOf(environment, { code: undefined })(first)).toBeUndefined();
    expect(asked).toEqual([]);
    expect(() => askCodeOf(environment, { code: "hunter2" })).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
