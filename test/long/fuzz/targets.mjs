/**
 * Every parser of what comes from outside or from the disk. A target is `{ name, codes, dictionary, seeds, maxLength,
 * run, covers?, seedsOf? }`:
 *
 * - `run` takes the bytes of one input. It may refuse with a PosternError of one of `codes`; anything else that it throws
 *   is a finding, a property that does not hold among it. It may return a word for what it made of the input: a word
 *   that was not heard before is worth as much as code that was not reached before.
 * - `covers` names packages whose code is to be reached too, `seedsOf` another target whose inputs are good ones to
 *   begin with.
 *
 * Each is loaded when it is wanted: the less code there is, the faster its coverage is told.
 */
const files = {
  frames: ["strict-json", "line-splitter", "rpc-request", "rpc-reply"],
  messages: ["method-parameters", "method-results"],
  names: ["name", "escape"],
  otp: ["otpauth-uri", "base32-secret", "encoded-secret", "authenticator-export", "recovery-code", "typed-code"],
  "proxy-header": ["proxy-header"],
  addresses: ["server-address", "fingerprint", "mail-address"],
  srp: ["srp-values"],
  sessions: ["session-secret"],
  tokens: ["operator-token", "api-key"],
  "signed-tokens": ["signed-token"],
  barrier: ["barrier-header", "envelope", "keyring", "admin-password", "migration-notes"],
  records: ["records", "audit-entry", "audit-chain"],
  "store-file": ["store-file", "store-open"],
  "client-files": ["known-servers", "session-file"],
  backup: ["backup"],
  certificates: ["server-certificate"],
  successors: ["successors"],
  secrets: ["secret-file", "stdin-lines"],
  "config-file": ["config-file"],
  challenges: ["birth-date", "reply-to", "own-question"],
  callbacks: ["callback-url"],
  "challenge-replies": ["challenge-created", "challenge-page"],
};

export const targetNames = Object.values(files).flat();

const asBuffer = (piece) => Buffer.from(piece);

/** What is loaded to try the fuzzer itself on. */
const planted = { planted: ["planted-fault", "planted-death"] };

export async function loadTarget(name) {
  const [file] = Object.entries({ ...files, ...planted }).find(([, names]) => names.includes(name)) ?? [];
  if (file === undefined) throw new Error(`no target ${name}; there are ${targetNames.join(", ")}`);
  const { targets } = await import(`./targets/${file}.mjs`);
  const target = targets.find((one) => one.name === name);
  return { covers: [], ...target, dictionary: target.dictionary.map(asBuffer), seeds: target.seeds.map(asBuffer) };
}
