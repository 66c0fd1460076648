import { describe, expect, it } from "vitest";
import { hasBrowser, openPage, useBrowser } from "../support/browser.js";
import { startInProcess } from "../support/in-process.js";

describe.skipIf(!hasBrowser)("Swagger UI at /docs, in Chromium", () => {
  useBrowser();

  it("shows every route of the API, and loads nothing from elsewhere", async () => {
    const server = await startInProcess(undefined, { http: true });
    const origin = `https://127.0.0.1:${server.running.http?.port}`;
    const { page, complaints, requests } = await openPage({ viewport: { width: 1200, height: 1600 } });
    await page.goto(`${origin}/docs`);
    await page.waitForSelector(".opblock");
    const shown = await page.$$eval(".opblock-summary-path", (paths) => paths.map((path) => path.textContent));
    const response = await page.request.get(`${origin}/openapi.json`);
    const document = (await response.json()) as { paths: Record<string, object> };
    const told = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map(() => path));
    // A path may break after a slash, by a character of no width.
    expect(shown.map((path) => path?.replaceAll("\u200b", "")).sort()).toEqual(told.sort());
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"))).toEqual([]);
    const { POSTERN_SCREENSHOTS: folder } = process.env;
    if (folder !== undefined) await page.screenshot({ path: `${folder}/swagger-ui.png`, fullPage: true });
  });
});
