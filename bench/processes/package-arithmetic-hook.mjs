const ours = /\/shared\/dist\/srp\/server\.js$/;
const packaged = new URL("./package-srp.mjs", import.meta.url).href;

/** Puts the package's half where the server asks for its own; all around it stays as it is. */
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  return ours.test(resolved.url) && context.parentURL !== packaged ? { ...resolved, url: packaged } : resolved;
}
