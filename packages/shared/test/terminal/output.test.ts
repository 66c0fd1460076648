import { Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../../src/errors.js";
import { createOutput, jsonLine } from "../../src/terminal/output.js";
import { bold, green, say } from "../../src/terminal/terminal-text.js";
import { FakeScreen } from "./fake-terminal.js";

function open({ json = false, env = {}, isTTY = false }: { json?: boolean; env?: NodeJS.ProcessEnv; isTTY?: boolean }) {
  const stdout = new FakeScreen({ isTTY });
  const stderr = new FakeScreen({ isTTY });
  return { stdout, stderr, output: createOutput({ json, stdout, stderr, env }) };
}

describe("a result", () => {
  it("is lines for a person on stdout", () => {
    const { stdout, stderr, output } = open({});
    output.result({ name: "alice" }, say`logged in as ${"alice"}`, say`${2} sessions`);
    expect(stdout.text).toBe("logged in as alice\n2 sessions\n");
    expect(stderr.text).toBe("");
  });

  it("is exactly one line of JSON on stdout under --json, whatever is in it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.jsonValue(), (name, value) => {
        const { stdout, output } = open({ json: true });
        const facts = { name, value: JSON.parse(JSON.stringify(value)) };
        output.result(facts, say`not this`);
        expect(stdout.text.indexOf("\n")).toBe(stdout.text.length - 1);
        expect(JSON.parse(stdout.text)).toEqual(facts);
        expect(stdout.text.slice(0, -1)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });

  it("keeps progress and warnings apart from it, on stderr, also under --json", () => {
    const { stdout, stderr, output } = open({ json: true });
    output.note(say`waiting for the next code`);
    output.warn(say`${"secret"} can be read by others`);
    expect(stdout.text).toBe("");
    expect(stderr.text).toBe("waiting for the next code\nwarning: secret can be read by others\n");
  });

  it("cannot write control sequences of a peer to the terminal (OSC 52, C1, bidi)", () => {
    const { stdout, output } = open({ isTTY: true });
    output.result({}, say`hello ${bold("\u001b]52;c;aGk=\u0007")} and ${"\u009b2J\u202e"}`);
    expect(stdout.text).toBe("hello \u001b[1m\\x1b]52;c;aGk=\\x07\u001b[22m and \\x9b2J\\u{202e}\n");
  });
});

describe("JSON for a terminal", () => {
  it("writes bidi controls, C1, tags and halves of surrogate pairs as escapes", () => {
    expect(jsonLine("\u202e\u009b\u2028\u{e0041}\ud800\u007f")).toBe(
      '"\\u202e\\u009b\\u2028\\udb40\\udc41\\ud800\\u007f"',
    );
    expect(jsonLine("Zoë 密码 🔑")).toBe('"Zoë 密码 🔑"');
  });
});

describe("colours", () => {
  const line = say`${green("yes")}`;

  it.each([
    ["show on a terminal", { isTTY: true }, "\u001b[32myes\u001b[39m\n"],
    ["do not show in a pipe", { isTTY: false }, "yes\n"],
    ["do not show under NO_COLOR", { isTTY: true, env: { NO_COLOR: "1" } }, "yes\n"],
    ["show with an empty NO_COLOR", { isTTY: true, env: { NO_COLOR: "" } }, "\u001b[32myes\u001b[39m\n"],
    ["do not show on a dumb terminal", { isTTY: true, env: { TERM: "dumb" } }, "yes\n"],
  ])("%s", (_, options, shown) => {
    const { stdout, output } = open(options);
    output.result({}, line);
    expect(stdout.text).toBe(shown);
  });
});

describe("an error", () => {
  it("is for a person a line and a hint on stderr", () => {
    const { stdout, stderr, output } = open({});
    output.fail(new PosternError("name_taken"));
    expect(stderr.text).toBe("error: that name is taken\nhint: choose another one\n");
    expect(stdout.text).toBe("");
  });

  it("under --json is one line on stdout with code, message, hint and retry_after", () => {
    const { stdout, stderr, output } = open({ json: true });
    output.fail(new PosternError("throttled", { retryAfter: 30 }));
    expect(JSON.parse(stdout.text)).toEqual({
      error: {
        code: "throttled",
        message: "too many wrong tries",
        hint: "wait, then try again",
        retry_after: 30,
      },
    });
    expect(stderr.text).toBe("");
  });

  it("tells how far the clock of a device is behind, in place of the hint; under --json as clock_behind", () => {
    const error = new PosternError("code_refused", { clockBehind: 90 });
    const { stderr, output } = open({});
    output.fail(error);
    expect(stderr.text).toContain("hint: your device's clock is about 90 seconds behind: set it right\n");
    const json = open({ json: true });
    json.output.fail(error);
    expect(JSON.parse(json.stdout.text)).toMatchObject({ error: { code: "code_refused", clock_behind: 90 } });
  });

  it.each([
    [0.2, "1 second"],
    [30, "30 seconds"],
    [120, "120 seconds"],
    [121, "3 minutes"],
    [3600, "60 minutes"],
  ])("that ends in %s s says when to come again, never too early", (retryAfter, words) => {
    const { stderr, output } = open({});
    output.fail(new PosternError("throttled", { retryAfter }));
    expect(stderr.text).toBe(`error: too many wrong tries\nhint: try again in ${words}\n`);
  });

  it("escapes what it tells of", () => {
    const { stderr, output } = open({});
    output.fail(new PosternError("file_unreadable", { detail: "/tmp/\u001b[2J" }));
    expect(stderr.text).toBe("error: a file cannot be read: /tmp/\\x1b[2J\n");
  });

  it("that nobody foresaw is a bug, and its own words stay inside", () => {
    const { stderr, output } = open({});
    expect(output.fail(new TypeError("hunter2 is not a function")).code).toBe("bug");
    expect(stderr.text).not.toContain("hunter2");
  });

  it("shows its stack and causes only under POSTERN_DEBUG=1", () => {
    const { stderr, output } = open({ env: { POSTERN_DEBUG: "1" } });
    output.fail(new TypeError("x is not\u009b a function"));
    expect(stderr.text).toContain("caused by:\nTypeError: x is not\\x9b a function\n    at ");
  });
});

describe("a stdout that fails", () => {
  it("because its reader went away is no failure of ours", async () => {
    const { output, stdout } = failing("EPIPE");
    output.result({}, say`first`);
    await output.flush();
    output.result({}, say`second`);
    await output.flush();
    expect(stdout.tries).toBe(1);
  });

  it("because the disk is full is one: nobody saw the result", async () => {
    const { output } = failing("ENOSPC");
    output.result({}, say`recovery codes`);
    await expect(output.flush()).rejects.toMatchObject({ code: "file_unwritable" });
  });

  function failing(code: string) {
    class FailingStream extends Writable {
      tries = 0;
      override _write(_: Buffer, __: BufferEncoding, done: (error: Error) => void): void {
        this.tries++;
        done(Object.assign(new Error("write failed"), { code }));
      }
    }
    const stdout = new FailingStream();
    return { stdout, output: createOutput({ json: false, stdout, stderr: new FakeScreen(), env: {} }) };
  }
});
