import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { gatherPageTexts, type PageLanguages } from "../page-texts.js";

/**
 * Reads the languages of `--page-texts`: every file of the folder that ends in `.json`.
 * @throws PosternError `page_texts_invalid`
 */
export async function readPageTexts(directory: string): Promise<PageLanguages> {
  const names = await readdir(directory).catch((cause) => {
    throw new PosternError("page_texts_invalid", { detail: `${directory} cannot be read`, cause });
  });
  const files = names.filter((name) => name.endsWith(".json")).sort();
  const read = files.map(async (name) => [name, await readFile(join(directory, name), "utf8")] as const);
  return gatherPageTexts(await Promise.all(read));
}
