import { runProgram } from "@postern/shared/terminal/program";
import { buildProgram } from "./cli/program.js";

await runProgram(async (output) => {
  await buildProgram(output).parseAsync();
});
