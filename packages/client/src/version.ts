import { createRequire } from "node:module";

const packageJson: { readonly version: string } = createRequire(import.meta.url)("../package.json");

/** This program's version, which it says of itself with `--version` and to the server. */
export const { version } = packageJson;
