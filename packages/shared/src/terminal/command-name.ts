/**
 * How a person types one of our commands where they are: under `npm start` and `npx` the programs are not on the PATH,
 * and npm says in the environment that it is there.
 */
export function typedAs(program: "postern" | "posternd", env: Readonly<Record<string, string | undefined>>): string {
  return env.npm_execpath === undefined ? program : `npx ${program}`;
}
