/** What was built of a package, which the bench runs as it is shipped. */
export const server = (file) => import(new URL(`../../packages/server/dist/${file}`, import.meta.url).href);
export const client = (file) => import(new URL(`../../packages/client/dist/${file}`, import.meta.url).href);
