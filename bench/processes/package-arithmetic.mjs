import { register } from "node:module";

/** Loaded in front of a server with --import: from then on its half of SRP is that of `secure-remote-password`. */
register("./package-arithmetic-hook.mjs", import.meta.url);
