import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ValidationSeverity, validate } from "dockerfile-utils";
import { afterAll, describe, expect, it } from "vitest";
import { Machine } from "../support/programs.js";

/** The container's recipe, judged without a container engine; and its health check, against a real server. */

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");

const strict = {
  deprecatedMaintainer: ValidationSeverity.ERROR,
  directiveCasing: ValidationSeverity.ERROR,
  emptyContinuationLine: ValidationSeverity.ERROR,
  instructionCasing: ValidationSeverity.ERROR,
  instructionCmdMultiple: ValidationSeverity.ERROR,
  instructionEntrypointMultiple: ValidationSeverity.ERROR,
  instructionHealthcheckMultiple: ValidationSeverity.ERROR,
  instructionJSONInSingleQuotes: ValidationSeverity.ERROR,
  instructionWorkdirRelative: ValidationSeverity.ERROR,
};

const dockerfile = read("Dockerfile");

/** Instructions with what stands behind them, continued lines as one, by stage. */
const stages = dockerfile
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll(/\\\n\s*/g, "")
  .split(/^(?=FROM )/m)
  .filter((stage) => stage.startsWith("FROM "))
  .map((stage) =>
    [...stage.matchAll(/^([A-Z]+) (.*)$/gm)].map(([, name = "", rest = ""]) => ({ name, rest: rest.trim() })),
  );
const last = stages.at(-1) ?? [];
const inLast = (name: string) => last.filter((one) => one.name === name).map(({ rest }) => rest);

describe("the Dockerfile", () => {
  it("has nothing that a linter finds, which does find what is wrong", () => {
    expect(validate(dockerfile, strict)).toEqual([]);
    expect(validate(dockerfile.replace("WORKDIR /src", "WORKDIR src"), strict)).toHaveLength(1);
    expect(validate(dockerfile.replace("EXPOSE", "EXPOSES"), strict)).toHaveLength(1);
  });

  it("builds and runs on one Node.js, of an exact version", () => {
    const images = stages.map(([from]) => from?.rest.split(" ")[0]);
    expect(new Set(images).size).toBe(1);
    expect(images[0]).toMatch(/^node:\d+\.\d+\.\d+-[a-z]+-slim$/);
  });

  it("takes into the last stage no source, no tool of the build and no package manager's work", () => {
    expect(stages).toHaveLength(2);
    expect(
      inLast("COPY").filter((rest) => !/^--from=build \/opt\/postern |^packaging\/container\//.test(rest)),
    ).toEqual([]);
    expect(inLast("RUN").filter((rest) => /npm|npx|apt/.test(rest))).toEqual([]);
  });

  it("ends as a user without rights, whose data are in a volume", () => {
    expect(inLast("USER")).toEqual(["7465:7465"]);
    const afterUser = last.slice(last.findIndex(({ name }) => name === "USER"));
    expect(afterUser.map(({ name }) => name)).not.toContain("RUN");
    expect(inLast("VOLUME")).toEqual(["/var/lib/postern"]);
  });

  it("has no secret in its environment, only the path of one that is mounted", () => {
    const [environment = ""] = inLast("ENV");
    expect(environment).toContain("POSTERND_ADMIN_PASSWORD_FILE=/run/secrets/");
    expect(environment.split(/\s+/).filter((set) => /pass|secret|key|token/i.test(set))).toHaveLength(1);
    expect(stages.flat().filter(({ name }) => name === "ARG")).toEqual([]);
  });

  it("copies only what there is, and what .dockerignore lets through", () => {
    const sources = stages
      .flat()
      .filter(({ name, rest }) => name === "COPY" && !rest.startsWith("--from="))
      .flatMap(({ rest }) => rest.split(" ").slice(0, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(isIgnored(source), source).toBe(false);
    }
  });
});

describe(".dockerignore", () => {
  it.each([".git/config", "certs/key.pem", ".env", "admin.password", "packages/server/node_modules/x", "test/x.ts"])(
    "keeps %s out of the build",
    (path) => {
      expect(isIgnored(path)).toBe(true);
    },
  );

  it("lets the sources in", () => {
    expect(isIgnored("packages/server/src/main.ts")).toBe(false);
  });
});

describe("the container's health check", () => {
  const machine = new Machine();
  afterAll(() => machine.close());

  async function check(env: NodeJS.ProcessEnv): Promise<{ code: unknown; said: string }> {
    const child = spawn(process.execPath, [join(root, "packaging/container/healthcheck.mjs")], { env });
    let said = "";
    child.stdout.on("data", (data) => (said += data));
    const [code] = await once(child, "close");
    return { code, said: said.trim() };
  }

  it("passes while the server is ready, with an HTTPS port and without, and fails once it is gone", async () => {
    const server = await machine.startServer();
    const everywhere = server.http.replace("127.0.0.1", "0.0.0.0");
    const withHttp = { POSTERND_HTTP: everywhere, POSTERND_LISTEN: server.listen };
    const withoutHttp = { POSTERND_HTTP: "off", POSTERND_LISTEN: server.listen };
    expect(await check(withHttp)).toEqual({ code: 0, said: "readyz 200" });
    expect(await check(withoutHttp)).toEqual({ code: 0, said: "listening" });
    await server.process.stop();
    expect(await check(withHttp)).toEqual({ code: 1, said: "ECONNREFUSED" });
    expect(await check(withoutHttp)).toEqual({ code: 1, said: "ECONNREFUSED" });
  });
});

/** By the rules of .dockerignore: the last pattern that matches the path, or a folder above it, decides. */
function isIgnored(path: string): boolean {
  const parts = path.split("/");
  const withAbove = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  let ignored = false;
  for (const line of read(".dockerignore").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const pattern = line.replace(/^!/, "").replaceAll(/[.+]/g, "\\$&").replaceAll("*", "[^/]*");
    if (withAbove.some((one) => new RegExp(`^${pattern}$`).test(one))) ignored = !line.startsWith("!");
  }
  return ignored;
}
