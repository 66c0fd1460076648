import SwaggerParser from "@apidevtools/swagger-parser";
import { expect, it } from "vitest";
import { ask } from "../support/https.js";
import { startInProcess } from "../support/in-process.js";
import { type ApiDocument, routesOf } from "../support/openapi.js";

async function documentOf(): Promise<ApiDocument> {
  const { text } = await ask(await startInProcess(undefined, { http: true }), "/openapi.json");
  return JSON.parse(text);
}

it("is OpenAPI 3.1, by a validator that is not ours", async () => {
  const document = await documentOf();
  expect(document).toMatchObject({ openapi: "3.1.0" });
  await expect(SwaggerParser.validate(structuredClone(document) as never)).resolves.toBeDefined();
});

it("names every route once, with a summary, and what it answers", async () => {
  const routes = routesOf(await documentOf());
  const ids = routes.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(routes.length);
  for (const { method, path, operation } of routes) {
    expect(operation, `${method} ${path}`).toMatchObject({
      operationId: expect.stringMatching(/^[a-z][A-Za-z]+$/),
      summary: expect.stringMatching(/^[A-Z]/),
      tags: [expect.any(String)],
    });
  }
});

it("has no query in which a code, a secret or a subject could stand, and no change by GET", async () => {
  for (const { method, path, operation } of routesOf(await documentOf())) {
    const names = (operation.parameters ?? []).filter((parameter) => parameter.in === "query").map(({ name }) => name);
    expect(
      names.filter((name) => !["limit", "cursor", "audience"].includes(name)),
      `${method} ${path}`,
    ).toEqual([]);
    expect(["GET", "POST", "PUT", "DELETE"]).toContain(method);
  }
});
