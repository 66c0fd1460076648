import { bundleOrExit } from "../../scripts/workspace.mjs";

/** Whoever compiles and then runs vitest by itself has the programs of before still: they are bundled anew. */
export const setup = bundleOrExit;
