/** Where a server is that nobody named. Apart from what acts on it: the command line is read before anything is loaded. */
export const DEFAULT_SERVER = "localhost:7465";
