import { typedAs } from "@postern/shared/terminal/command-name";
import type { ServerChoice } from "../environment.js";
import { DEFAULT_SERVER } from "./default-server.js";

/** How this program is called for that server, as a person would type it here. */
export function commandFor({ address }: Pick<ServerChoice, "address">): string {
  const usual = [DEFAULT_SERVER, process.env["POSTERN_SERVER"]].includes(address.key);
  return `${typedAs("postern", process.env)}${usual ? "" : ` --server ${address.key}`}`;
}
