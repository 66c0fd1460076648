import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { pathsFrom } from "../src/paths.js";

const accountHome = () => "/home/account";

describe("XDG paths", () => {
  it("are below the home directory by default", () => {
    expect(pathsFrom({ HOME: "/home/alice" }, accountHome)).toEqual({
      config: "/home/alice/.config/postern",
      state: "/home/alice/.local/state/postern",
      knownServers: "/home/alice/.config/postern/known-servers.json",
    });
  });

  it("follow XDG_CONFIG_HOME and XDG_STATE_HOME", () => {
    const env = { HOME: "/home/alice", XDG_CONFIG_HOME: "/c", XDG_STATE_HOME: "/s" };
    expect(pathsFrom(env, accountHome)).toEqual({
      config: "/c/postern",
      state: "/s/postern",
      knownServers: "/c/postern/known-servers.json",
    });
  });

  it.each(["", "relative", "./here", "~/x"])(
    "count %j as none, for it would change with the working directory",
    (value) => {
      const env = { HOME: "/home/alice", XDG_CONFIG_HOME: value, XDG_STATE_HOME: value };
      expect(pathsFrom(env, accountHome)).toEqual(pathsFrom({ HOME: "/home/alice" }, accountHome));
    },
  );

  it.each([undefined, "", "here"])("take the account's home when HOME is %j", (HOME) => {
    expect(pathsFrom({ HOME }, accountHome).config).toBe("/home/account/.config/postern");
  });

  it("need no home when both are given, and say so when there is none", () => {
    const nobody = () => {
      throw new Error("no such account");
    };
    expect(pathsFrom({ XDG_CONFIG_HOME: "/c", XDG_STATE_HOME: "/s" }, nobody).state).toBe("/s/postern");
    expect(() => pathsFrom({ XDG_CONFIG_HOME: "/c" }, nobody)).toThrow(PosternError);
    expect(() => pathsFrom({}, () => "")).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
