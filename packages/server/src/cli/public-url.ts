import { PosternError } from "@postern/shared/errors";

/** @throws PosternError `usage` for anything but an https origin, with or without a path */
export function parsePublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const bare = url?.search === "" && url.hash === "" && url.username === "" && url.password === "";
  if (url?.protocol !== "https:" || !bare) {
    throw new PosternError("usage", { detail: "--public-url takes an https:// URL without query or fragment" });
  }
  return url.href.replace(/\/$/, "");
}
