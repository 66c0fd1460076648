import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { PosternError } from "../../src/errors.js";
import { createPrompter } from "../../src/terminal/prompts.js";
import { FakeKeyboard, FakeScreen } from "./fake-terminal.js";

const ENTER = "\r";
const DOWN = "\u001b[B";
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const SHOW_CURSOR = "\u001b[?25h";

function sitDown() {
  const keyboard = new FakeKeyboard();
  const screen = new FakeScreen();
  const signals = new EventEmitter();
  const prompter = createPrompter({ input: keyboard, output: screen, signals, env: { NO_COLOR: "1" } });
  return { keyboard, screen, signals, prompter };
}

describe("a question without a terminal is refused at once", () => {
  it.each([
    ["standard input is no terminal", { input: new FakeKeyboard({ isTTY: false }), output: new FakeScreen() }],
    ["stderr is no terminal", { input: new FakeKeyboard(), output: new FakeScreen({ isTTY: false }) }],
    ["--no-input forbids it", { input: new FakeKeyboard(), output: new FakeScreen(), noInput: true }],
  ])("when %s", async (_, options) => {
    const prompter = createPrompter(options);
    const questions = [
      prompter.password("Password"),
      prompter.text("Name"),
      prompter.choose("What", [{ value: 1, label: "one" }]),
      prompter.confirm("Sure", false),
    ];
    for (const question of questions) await expect(question).rejects.toMatchObject({ code: "input_needed" });
    expect(options.output.text).toBe("");
    expect(options.input.isRaw).toBe(false);
  });
});

describe("a password", () => {
  it("is typed unseen: neither its characters nor their number are shown", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const password = prompter.password("Password");
    await screen.shows("(typing is not shown)");
    const before = screen.text.length;
    keyboard.write(`QXZ~${ENTER}`);
    expect(await password).toBe("QXZ~");
    expect(screen.text.slice(before)).not.toMatch(/[QXZ~*]/);
  });

  it("that is refused is asked for anew from an empty line, not typed on to", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const validate = async (typed: string) => (typed.length < 4 ? "too short\u001b[2J" : undefined);
    const password = prompter.password("Password", { validate });
    await screen.shows("(typing is not shown)");
    keyboard.write(`abc${ENTER}`);
    await screen.shows("> too short\\x1b[2J\n");
    await screen.shows("(typing is not shown)");
    keyboard.write(`defg${ENTER}`);
    expect(await password).toBe("defg");
  });

  it("whose check fails gives out the failure", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const validate = async () => {
      throw new PosternError("connection_lost");
    };
    const password = prompter.password("Password", { validate });
    await screen.shows("(typing is not shown)");
    keyboard.write(ENTER);
    await expect(password).rejects.toMatchObject({ code: "connection_lost" });
  });
});

describe("questions", () => {
  it("take a line of text, or its default", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const first = prompter.text("Name", { default: "alice" });
    await screen.shows("(alice)");
    keyboard.write(ENTER);
    expect(await first).toBe("alice");
    const second = prompter.text("Name again", { default: "alice" });
    await screen.shows("Name again");
    keyboard.write(`bob${ENTER}`);
    expect(await second).toBe("bob");
  });

  it("let a menu be chosen from by number and by arrow, and give back the value", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const choices = [
      { value: { does: "register" }, label: "Register" },
      { value: { does: "log in" }, label: "Log in", description: "with password and code" },
    ];
    const first = prompter.choose("What now?", choices);
    await screen.shows("2. Log in");
    keyboard.write("2");
    await screen.shows("with password and code");
    keyboard.write(ENTER);
    expect(await first).toBe(choices[1]?.value);
    const second = prompter.choose("And now?", choices);
    await screen.shows("2. Log in");
    keyboard.write(DOWN);
    await screen.shows("with password and code");
    keyboard.write(ENTER);
    expect(await second).toBe(choices[1]?.value);
  });

  it.each([
    ["", false, false],
    ["", true, true],
    ["y", false, true],
    ["no", true, false],
    ["what?", false, false],
  ])("take %j to a yes or no with default %s as %s", async (typed, byDefault, meaning) => {
    const { keyboard, screen, prompter } = sitDown();
    const answer = prompter.confirm("Sure?", byDefault);
    await screen.shows("Sure?");
    keyboard.write(`${typed}${ENTER}`);
    expect(await answer).toBe(meaning);
  });

  it("show control sequences in messages and labels as text (OSC 52, C1, bidi)", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const choices = [{ value: 1, label: "one\u009b31m", description: "\u202egnp.exe" }];
    const answer = prompter.choose("Which \u001b]52;c;aGk=\u0007?", choices);
    await screen.shows("Which \\x1b]52;c;aGk=\\x07?");
    await screen.shows("one\\x9b31m");
    await screen.shows("\\u{202e}gnp.exe");
    keyboard.write(ENTER);
    expect(await answer).toBe(1);
    for (const control of ["\u0007", "\u009b", "\u202e"]) expect(screen.text).not.toContain(control);
  });
});

describe("a question that is cut off leaves the terminal as it was", () => {
  type Seat = ReturnType<typeof sitDown> & { readonly connection: AbortController };
  const cuts: readonly (readonly [string, string, (seat: Seat) => void])[] = [
    ["Ctrl-C", "cancelled", ({ keyboard }) => keyboard.write(CTRL_C)],
    ["Ctrl-D, while a socket keeps the program alive", "cancelled", ({ keyboard }) => keyboard.write(CTRL_D)],
    ["the end of the keyboard", "cancelled", ({ keyboard }) => keyboard.end()],
    ["SIGTERM", "cancelled", ({ signals }) => signals.emit("SIGTERM")],
    ["SIGINT from outside", "cancelled", ({ signals }) => signals.emit("SIGINT")],
    ["SIGHUP", "cancelled", ({ signals }) => signals.emit("SIGHUP")],
    ["a lost connection", "connection_lost", ({ connection }) => connection.abort(new PosternError("connection_lost"))],
    ["a caller without a reason", "cancelled", ({ connection }) => connection.abort()],
  ];

  it.each(cuts)("by %s", async (_, code, cut) => {
    const connection = new AbortController();
    const seat = { ...sitDown(), connection };
    const { keyboard, screen, signals, prompter } = seat;
    const password = prompter.password("Password", { signal: connection.signal });
    await screen.shows("(typing is not shown)");
    expect(keyboard.isRaw).toBe(true);
    cut(seat);
    await expect(password).rejects.toMatchObject({ code });
    expect(keyboard.isRaw).toBe(false);
    expect(keyboard.isPaused()).toBe(true);
    expect(screen.text.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(screen.text.lastIndexOf("\u001b[?25l"));
    expect(signals.eventNames()).toEqual([]);
  });

  it("and is not even shown when its signal has fired before", async () => {
    const { screen, keyboard, prompter } = sitDown();
    const signal = AbortSignal.abort(new PosternError("step_timeout"));
    await expect(prompter.text("Code", { signal })).rejects.toMatchObject({ code: "step_timeout" });
    expect(screen.text).toBe("");
    expect(keyboard.isRaw).toBe(false);
  });

  it("and the next question is asked as ever", async () => {
    const { keyboard, screen, prompter } = sitDown();
    const lost = new AbortController();
    const first = prompter.password("Password", { signal: lost.signal });
    await screen.shows("(typing is not shown)");
    lost.abort();
    await expect(first).rejects.toMatchObject({ code: "cancelled" });
    const second = prompter.text("Name");
    await screen.shows("Name");
    keyboard.write(`bob${ENTER}`);
    expect(await second).toBe("bob");
  });
});
