/**
 * Every failure of Postern has one stable code. This table maps each code to the wire (JSON-RPC number),
 * the HTTP status, the exit code of the programs, and what to say to a person.
 *
 * Messages and hints are fixed texts: nothing that a peer sent is ever interpolated into them.
 */

/** What the programs exit with. 130 is the shell's convention for Ctrl-C. */
export const exitCodes = {
  done: 0,
  refused: 1,
  usage: 2,
  unreachable: 3,
  untrusted: 4,
  throttled: 5,
  noTerminal: 6,
  bug: 70,
  cancelled: 130,
} as const;

export interface ErrorFacts {
  /** JSON-RPC 2.0 error number; -32600 and -32603 are the specification's own. */
  readonly rpc: number;
  readonly http: number;
  readonly exit: (typeof exitCodes)[keyof typeof exitCodes];
  /** No capital, no period: it stands after "error: ". */
  readonly message: string;
  readonly hint?: string;
}

const { refused, usage, unreachable, untrusted, throttled, noTerminal, bug, cancelled } = exitCodes;

export const errors = {
  // The wire: what a peer's bytes can get wrong.
  bad_request: {
    rpc: -32600,
    http: 400,
    exit: unreachable,
    message: "the request was not understood",
    hint: "client and server may be of different versions; `postern --version` tells the client's",
  },
  line_too_long: { rpc: -32001, http: 413, exit: unreachable, message: "the message is longer than allowed" },
  out_of_order: { rpc: -32002, http: 409, exit: unreachable, message: "this call is not possible at this step" },
  step_timeout: { rpc: -32003, http: 408, exit: unreachable, message: "the step took too long", hint: "start again" },
  busy: { rpc: -32004, http: 503, exit: throttled, message: "the server is busy", hint: "try again in a moment" },
  shutting_down: {
    rpc: -32005,
    http: 503,
    exit: unreachable,
    message: "the server is shutting down",
    hint: "it may be starting anew: try again in a moment",
  },
  unavailable: {
    rpc: -32205,
    http: 503,
    exit: unreachable,
    message: "the server cannot reach its database",
    hint: "nothing was granted; it goes on by itself when the database is back: try again in a moment",
  },
  internal: {
    rpc: -32603,
    http: 500,
    exit: unreachable,
    message: "the server failed",
    hint: "nothing was granted; the server's log says more",
  },

  not_found: { rpc: -32006, http: 404, exit: unreachable, message: "there is nothing here" },

  // The HTTPS API.
  media_type: {
    rpc: -32110,
    http: 415,
    exit: unreachable,
    message: "the body is of a type that is not taken here",
    hint: "send JSON with the header Content-Type: application/json; /docs says where it is a form",
  },
  invalid_input: {
    rpc: -32111,
    http: 422,
    exit: usage,
    message: "the request does not have the form that the API takes",
    hint: "`errors` says where; /docs and /openapi.json tell the form of every request",
  },

  access_token_invalid: {
    rpc: -32130,
    http: 401,
    exit: refused,
    message: "the person's token is missing, over, for another service, or of a session that has ended",
    hint: "`postern token --audience NAME` gives a new one",
  },

  page_texts_invalid: {
    rpc: -32113,
    http: 500,
    exit: usage,
    message: "the texts of pages cannot be used",
    hint: "docs/challenges.md tells the members of such a file",
  },

  // Registration.
  registration_closed: {
    rpc: -32010,
    http: 403,
    exit: refused,
    message: "this server takes no registrations",
    hint: "ask its operator",
  },
  invite_needed: {
    rpc: -32080,
    http: 403,
    exit: refused,
    message: "this server takes registrations by invite only",
    hint: "ask its operator for an invite, and give it with --invite-file",
  },
  token_invalid: {
    rpc: -32079,
    http: 401,
    exit: refused,
    message: "the token is not valid",
    hint: "it may have expired, or been used or withdrawn: ask the server's operator for another one",
  },
  name_invalid: {
    rpc: -32011,
    http: 422,
    exit: refused,
    message: "that name cannot be used",
    hint: "1 to 64 bytes of letters, digits and . _ - @ + of one script, without spaces",
  },
  name_taken: { rpc: -32012, http: 409, exit: refused, message: "that name is taken", hint: "choose another one" },
  verifier_invalid: { rpc: -32013, http: 422, exit: refused, message: "the verifier is out of range" },
  password_too_short: {
    rpc: -32014,
    http: 422,
    exit: refused,
    message: "the password is too short",
    hint: "use 8 characters or more; a few words make a good one",
  },
  password_too_weak: {
    rpc: -32015,
    http: 422,
    exit: refused,
    message: "the password is too easy to guess",
    hint: "a few words that do not belong together make a good one",
  },
  password_too_long: {
    rpc: -32016,
    http: 422,
    exit: refused,
    message: "the password is longer than 1024 bytes",
  },
  password_mismatch: { rpc: -32017, http: 422, exit: refused, message: "the two passwords differ" },
  password_unchanged: {
    rpc: -32018,
    http: 422,
    exit: refused,
    message: "the new password is the old one",
    hint: "choose another one",
  },

  // Login.
  login_failed: {
    rpc: -32020,
    http: 401,
    exit: refused,
    message: "the name or the password is not right",
  },
  code_refused: {
    rpc: -32021,
    http: 401,
    exit: refused,
    message: "the code was not accepted",
    hint: "a code works once: wait for the next one, and check your device's clock",
  },
  throttled: {
    rpc: -32022,
    http: 429,
    exit: throttled,
    message: "too many wrong tries",
    hint: "wait, then try again",
  },
  codes_locked: {
    rpc: -32023,
    http: 429,
    exit: throttled,
    message: "too many wrong codes: codes are refused until the account is unlocked",
    hint: "use a recovery code, or ask the server's operator",
  },
  rate_limited: {
    rpc: -32025,
    http: 429,
    exit: throttled,
    message: "too many tries in a short time",
    hint: "wait, then try again",
  },
  account_disabled: {
    rpc: -32076,
    http: 403,
    exit: refused,
    message: "this account is disabled",
    hint: "ask the server's operator",
  },
  ephemeral_invalid: { rpc: -32024, http: 400, exit: unreachable, message: "the ephemeral value is out of range" },

  // Sessions.
  session_invalid: {
    rpc: -32030,
    http: 401,
    exit: refused,
    message: "the session is not valid any more",
    hint: "log in again with `postern login`",
  },
  not_logged_in: {
    rpc: -32031,
    http: 401,
    exit: refused,
    message: "you are not logged in to this server",
    hint: "log in with `postern login`",
  },
  step_up_needed: {
    rpc: -32032,
    http: 403,
    exit: refused,
    message: "this needs a code that is no older than five minutes",
    hint: "give one with --code",
  },
  id_unknown: {
    rpc: -32033,
    http: 404,
    exit: refused,
    message: "you have nothing of that id",
    hint: "`list` shows the ids",
  },
  last_factor: {
    rpc: -32034,
    http: 409,
    exit: refused,
    message: "the last authenticator cannot be removed",
    hint: "add another one first",
  },
  too_many_factors: {
    rpc: -32035,
    http: 409,
    exit: refused,
    message: "you have as many authenticators as one may have",
    hint: "remove one first",
  },
  label_invalid: {
    rpc: -32036,
    http: 422,
    exit: refused,
    message: "that label cannot be used",
    hint: "1 to 32 letters, digits, spaces and . _ - ' ( ) of no special kind",
  },
  label_taken: {
    rpc: -32037,
    http: 409,
    exit: refused,
    message: "another authenticator of yours has that label",
    hint: "choose another one",
  },

  // What the client finds out about the server.
  server_unreachable: {
    rpc: -32040,
    http: 502,
    exit: unreachable,
    message: "the server cannot be reached",
    hint: "check --server HOST:PORT, and that posternd runs there",
  },
  server_failed: { rpc: -32041, http: 502, exit: unreachable, message: "the server answered what no server should" },
  connection_lost: { rpc: -32042, http: 502, exit: unreachable, message: "the server closed the connection" },
  server_unknown: {
    rpc: -32043,
    http: 502,
    exit: untrusted,
    message: "this server was never seen before, and nothing says that it is the right one",
    hint: "give --fingerprint SHA256:… as the operator's terminal shows it, or --trust-on-first-use",
  },
  server_declined: {
    rpc: -32075,
    http: 502,
    exit: untrusted,
    message: "you did not trust the server: nothing was sent to it",
  },
  server_identity_changed: {
    rpc: -32044,
    http: 502,
    exit: untrusted,
    message: "the server shows another identity than before: someone may be in between",
    hint: "ask the operator; if the change is real, `postern server forget HOST:PORT` and connect anew",
  },
  server_identity_succeeded: {
    rpc: -32088,
    http: 502,
    exit: untrusted,
    message: "the server has a new identity, which the one known here vouches for",
    hint: "`postern login` goes on with it; without an account, compare it with the operator's and `postern server forget`",
  },
  server_certificate_invalid: {
    rpc: -32045,
    http: 502,
    exit: untrusted,
    message: "the server's certificate is missing, expired or not signed by its identity",
  },
  server_not_proved: {
    rpc: -32046,
    http: 502,
    exit: untrusted,
    message: "the server did not prove that it knows this account over this connection",
    hint: "no code was sent; do not try again before you know why",
  },
  stretch_refused: {
    rpc: -32047,
    http: 502,
    exit: untrusted,
    message: "the server asks for a key stretching outside of what is safe",
  },
  server_not_known: {
    rpc: -32071,
    http: 404,
    exit: refused,
    message: "that server is not known here",
    hint: "`postern server list` shows those that are",
  },
  pins_unreadable: {
    rpc: -32048,
    http: 500,
    exit: untrusted,
    message: "the file of known servers cannot be read",
    hint: "restore it, or remove it and give --fingerprint anew",
  },
  server_fingerprint_mismatch: {
    rpc: -32049,
    http: 502,
    exit: untrusted,
    message: "the server's fingerprint is not the one that was given",
    hint: "compare it with what the operator's terminal shows; someone may be in between",
  },
  token_identity_mismatch: {
    rpc: -32089,
    http: 502,
    exit: untrusted,
    message: "the token was made for another identity than the server shows",
    hint: "ask the operator for a new token: the identity may have changed since, or someone may be in between",
  },

  memory_short: {
    rpc: -32074,
    http: 500,
    exit: unreachable,
    message: "there is not enough memory to stretch the password",
    hint: "free some: it takes as much as the server asks for, 64 MiB by default",
  },

  // The programs' own input.
  usage: { rpc: -32050, http: 400, exit: usage, message: "the command line was not understood" },
  input_needed: {
    rpc: -32051,
    http: 400,
    exit: noTerminal,
    message: "input is needed and there is no terminal to ask on",
    hint: "give it as an argument or option (--help lists them), or run it in a terminal",
  },
  file_unreadable: { rpc: -32052, http: 400, exit: usage, message: "a file cannot be read" },
  file_unwritable: { rpc: -32053, http: 500, exit: usage, message: "a file cannot be written" },
  secret_file_invalid: {
    rpc: -32054,
    http: 400,
    exit: usage,
    message: "the secret file is empty, too long or not UTF-8",
  },
  address_invalid: {
    rpc: -32055,
    http: 400,
    exit: usage,
    message: "that is not an address",
    hint: "write HOST:PORT, for example localhost:7465 or [::1]:7465",
  },
  fingerprint_invalid: {
    rpc: -32056,
    http: 400,
    exit: usage,
    message: "that is not a fingerprint",
    hint: "write it as the server shows it: SHA256: and 43 characters",
  },
  token_malformed: {
    rpc: -32081,
    http: 400,
    exit: usage,
    message: "that is not a token",
    hint: "it begins with ptk_ and has 76 characters: copy the whole of it",
  },
  token_of_other_kind: {
    rpc: -32082,
    http: 400,
    exit: usage,
    message: "that token is for something else",
    hint: "an invite is for `postern register`, a reset token for `postern recover`",
  },
  address_range_invalid: {
    rpc: -32059,
    http: 400,
    exit: usage,
    message: "that is not a range of addresses",
    hint: "write ranges as 10.0.0.0/8,::1/128, one address as 10.0.0.2/32; off is for --address-limits and --metrics",
  },
  proxy_ranges_overlap: {
    rpc: -32190,
    http: 400,
    exit: usage,
    message: "an address cannot be of --trusted-proxy and of --proxy-protocol",
    hint: "a proxy speaks HTTP and adds X-Forwarded-For, a balancer passes TLS on: name each in one of them",
  },
  mail_address_invalid: {
    rpc: -32135,
    http: 422,
    exit: usage,
    message: "that is not a mail address",
    hint: "write name@example.org alone, without a person's name; only the domain may have other than ASCII characters",
  },
  mail_not_sent: {
    rpc: -32136,
    http: 502,
    exit: unreachable,
    message: "the mail server did not take the mail",
    hint: '`posternd doctor` tries the server, `posternd mail test` a mail; see "Mail" in docs/operations.md',
  },
  cancelled: { rpc: -32057, http: 400, exit: cancelled, message: "cancelled" },
  otp_wrong: { rpc: -32073, http: 422, exit: refused, message: "the code is not right" },
  otp_invalid: {
    rpc: -32058,
    http: 422,
    exit: usage,
    message: "that is not a one-time password secret or otpauth URI",
  },
  otp_expired: { rpc: -32140, http: 422, exit: refused, message: "the code has expired" },
  export_invalid: {
    rpc: -32141,
    http: 422,
    exit: usage,
    message: "that is not an authenticator's export",
    hint: "nothing was printed; scan its QR code anew, and give all of the text",
  },
  export_incomplete: {
    rpc: -32142,
    http: 422,
    exit: refused,
    message: "the export is not whole",
    hint: "what is there was printed; its app shows one QR code after another: scan those that are missing",
  },

  // Load tests.
  target_not_own: {
    rpc: -32170,
    http: 400,
    exit: usage,
    message: "a load test is for a server of this machine, and that is not one",
    hint: "nothing was sent; give --i-own-this-server if you may put it under load",
  },
  requests_failed: {
    rpc: -32171,
    http: 500,
    exit: refused,
    message: "some of the requests failed",
    hint: "the summary says how many, and with which codes",
  },
  sockets_short: {
    rpc: -32172,
    http: 500,
    exit: unreachable,
    message: "this process gets no more files or sockets",
    hint: "raise the limit (`ulimit -n`), or give a lower --concurrency",
  },
  load_limited: {
    rpc: -32173,
    http: 429,
    exit: throttled,
    message: "the server limits what one address may do",
    hint: "for a load test, start it with --address-limits 127.0.0.0/8,::1/128",
  },
  https_untrusted: {
    rpc: -32174,
    http: 502,
    exit: untrusted,
    message: "the certificate of the HTTPS port is not one that is trusted here",
    hint: "nothing was sent; give it with --ca FILE (`posternd identity show --pem` prints the server's own)",
  },
  page_not_shown: {
    rpc: -32175,
    http: 502,
    exit: unreachable,
    message: "the page of a challenge that was just made is not shown",
  },
  answer_not_taken: {
    rpc: -32176,
    http: 502,
    exit: unreachable,
    message: "the answer to a challenge was not taken",
  },

  // What applications keep for their subjects.
  subject_invalid: {
    rpc: -32120,
    http: 422,
    exit: usage,
    message: "that subject cannot be used",
    hint: "1 to 128 characters, without control characters, separators of lines and what does not show",
  },
  secret_invalid: {
    rpc: -32121,
    http: 422,
    exit: usage,
    message: "that secret cannot be used",
    hint: "base32 (RFC 4648) of 16 to 128 bytes",
  },
  code_malformed: {
    rpc: -32122,
    http: 422,
    exit: usage,
    message: "that is no code of this credential: nothing was counted",
    hint: "it has as many ASCII digits as the credential says, and nothing else",
  },
  credential_unknown: {
    rpc: -32123,
    http: 404,
    exit: refused,
    message: "this application has nothing of that id",
    hint: "it may have ended, or been deleted",
  },
  credential_exists: {
    rpc: -32124,
    http: 409,
    exit: refused,
    message: "this subject has one already",
    hint: "delete it first: its secret is not shown again",
  },
  version_mismatch: {
    rpc: -32125,
    http: 412,
    exit: refused,
    message: "it has changed since that version",
    hint: "nothing was done; look at it again",
  },
  idempotency_mismatch: {
    rpc: -32126,
    http: 422,
    exit: usage,
    message: "this idempotency key was used for another request",
    hint: "nothing was done; take a new key for each request, and the same one only for its repeats",
  },
  mail_unavailable: {
    rpc: -32127,
    http: 422,
    exit: refused,
    message: "this server sends no mail",
    hint: "have the code in the reply, or ask the server's operator (`posternd start --smtp`)",
  },
  mail_failed: {
    rpc: -32128,
    http: 502,
    exit: unreachable,
    message: "the mail could not be sent, and its code is withdrawn",
    hint: "try again; the server's log says more",
  },

  // Known-answer challenges.
  challenge_unknown: {
    rpc: -32150,
    http: 404,
    exit: refused,
    message: "this application has no challenge of that id",
    hint: "a challenge is kept for seven days after its end",
  },
  challenge_ended: {
    rpc: -32151,
    http: 409,
    exit: refused,
    message: "the challenge has ended",
    hint: "nothing was changed; GET tells how it ended",
  },
  birth_date_impossible: {
    rpc: -32152,
    http: 422,
    exit: usage,
    message: "that is no date on which a person can have been born",
    hint: "write a day that there was as YYYY-MM-DD, from 1900-01-01 until today",
  },
  question_invalid: {
    rpc: -32153,
    http: 422,
    exit: usage,
    message: "that question cannot be asked",
    hint: "a text of 1 to 300 characters, answers of 1 to 100 that differ by more than case and spaces; no controls, and nothing that does not show",
  },
  locale_unknown: {
    rpc: -32154,
    http: 422,
    exit: usage,
    message: "this server has no pages in that language",
    hint: "leave it out, and the page is in a language of the person's browser",
  },
  reply_to_refused: {
    rpc: -32155,
    http: 422,
    exit: usage,
    message: "a page cannot send anybody to that link",
    hint: "https:// to a host of the server's --reply-to-hosts, or a link of whatsapp:, tg:, fb-messenger:, sgnl:, sms: or tel:",
  },

  // The operator's store.
  admin_password_wrong: {
    rpc: -32060,
    http: 500,
    exit: refused,
    message: "the admin password is not right",
    hint: "nothing was changed; check that --data names the store that you mean",
  },
  user_unknown: {
    rpc: -32077,
    http: 404,
    exit: refused,
    message: "there is nobody of that name here",
    hint: "`posternd user list` shows who is registered; an account's id (acc_…) works too",
  },
  store_missing: {
    rpc: -32061,
    http: 500,
    exit: usage,
    message: "there is no store here",
    hint: "check the place (--data, --store); `posternd start` makes a store there, on a terminal or with --init",
  },
  store_exists: {
    rpc: -32072,
    http: 500,
    exit: usage,
    message: "there is a store here already",
    hint: "nothing was changed; open it, or choose another place with --data DIR",
  },
  store_damaged: {
    rpc: -32062,
    http: 500,
    exit: unreachable,
    message: "the store is damaged",
    hint: "nothing was changed; restore the data directory from a backup",
  },
  store_foreign: {
    rpc: -32063,
    http: 500,
    exit: usage,
    message: "what is there is not a Postern store",
    hint: "check --data DIR, or --store",
  },
  store_future: {
    rpc: -32064,
    http: 500,
    exit: usage,
    message: "the store was written by a newer Postern",
    hint: "start the newer posternd",
  },
  store_unwritable: {
    rpc: -32065,
    http: 500,
    exit: unreachable,
    message: "the data directory cannot be written",
    hint: "check its owner, its permissions and the free space on the disk",
  },
  store_networked: {
    rpc: -32066,
    http: 500,
    exit: usage,
    message: "the data directory is on a networked file system, which cannot keep its promises",
    hint: "choose a local disk with --data DIR",
  },
  store_failed: {
    rpc: -32067,
    http: 503,
    exit: unreachable,
    message: "the store failed",
    hint: "check the free space and the health of the disk; nothing was granted",
  },
  address_in_use: {
    rpc: -32068,
    http: 500,
    exit: unreachable,
    message: "another program listens on that address",
    hint: "stop it, or choose another one with --listen or --http",
  },
  address_unavailable: {
    rpc: -32069,
    http: 500,
    exit: unreachable,
    message: "that address cannot be listened on",
    hint: "check --listen and --http",
  },
  http_certificate_invalid: {
    rpc: -32090,
    http: 500,
    exit: usage,
    message: "the certificate or key for the HTTPS port cannot be used",
    hint: "give --http-cert a PEM file with the certificate and its chain, --http-key one with its unencrypted key",
  },
  nodes_full: {
    rpc: -32195,
    http: 500,
    exit: refused,
    message: "this store has as many nodes as it can have",
    hint: "choose a name that it knows with --node; `posternd status` shows them",
  },
  node_unknown: {
    rpc: -32196,
    http: 404,
    exit: refused,
    message: "no node of that name ever wrote to this audit log",
    hint: "`posternd status` shows the nodes; `store` is what operators' commands wrote",
  },
  audit_damaged: {
    rpc: -32070,
    http: 500,
    exit: refused,
    message: "the audit log does not hold together",
  },

  store_unreachable: {
    rpc: -32180,
    http: 503,
    exit: unreachable,
    message: "the database of the store cannot be reached",
    hint: "nothing was granted; check --store, that PostgreSQL runs there, and the way to it",
  },
  store_untrusted: {
    rpc: -32181,
    http: 503,
    exit: untrusted,
    message: "the database did not show a certificate that is trusted and its own",
    hint: "nothing was sent to it; sslrootcert=FILE in --store names who signs its certificates",
  },
  store_denied: {
    rpc: -32182,
    http: 503,
    exit: refused,
    message: "the database does not let posternd in",
    hint: "check user, database and schema in --store, and --store-password-file; see docs/operations.md",
  },
  workers_failed: {
    rpc: -32200,
    http: 500,
    exit: unreachable,
    message: "the processes that serve end again and again",
    hint: "the log says of each why it ended; --workers 1 serves by one process, which says more",
  },
  store_in_use: {
    rpc: -32084,
    http: 503,
    exit: refused,
    message: "another process has the store open",
    hint: "nothing was changed; stop every posternd on this store, and try again",
  },
  store_moved: {
    rpc: -32183,
    http: 500,
    exit: usage,
    message: "the store has moved from here",
    hint: "start posternd on the place it names; where that says store_unfinished, run the same `posternd migrate` again",
  },
  store_unfinished: {
    rpc: -32184,
    http: 500,
    exit: refused,
    message: "a migration to this place has not come to its end",
    hint: "run the same `posternd migrate` again, which goes on from where it stopped",
  },
  migration_differs: {
    rpc: -32185,
    http: 500,
    exit: unreachable,
    message: "the copy is not what the store has",
    hint: "nothing was moved; check memory and disks of both sides, and run it again, which begins anew",
  },
  backup_damaged: {
    rpc: -32085,
    http: 500,
    exit: unreachable,
    message: "the backup is damaged, or not whole",
    hint: "nothing was changed; take another copy of it, or another backup",
  },
  backup_foreign: {
    rpc: -32086,
    http: 500,
    exit: usage,
    message: "the file is not a Postern backup",
  },
  backup_future: {
    rpc: -32087,
    http: 500,
    exit: usage,
    message: "the backup was made by a newer Postern",
    hint: "restore it with the newer posternd",
  },

  config_invalid: {
    rpc: -32092,
    http: 500,
    exit: usage,
    message: "the configuration file was not understood",
    hint: "`posternd start --help` lists the options; their names without -- are its keys",
  },
  doctor_failed: {
    rpc: -32093,
    http: 500,
    exit: refused,
    message: "something is wrong with this server or machine",
    hint: "what says [fail] is to be mended first",
  },
  metrics_forbidden: {
    rpc: -32094,
    http: 403,
    exit: refused,
    message: "the metrics are not for this address",
    hint: "`posternd start --metrics` says which addresses may read them",
  },

  // Applications and their API keys.
  api_key_invalid: {
    rpc: -32100,
    http: 401,
    exit: refused,
    message: "the API key is not valid",
    hint: "it may have expired, or been rotated or revoked: ask the server's operator for another one",
  },
  scope_missing: {
    rpc: -32101,
    http: 403,
    exit: refused,
    message: "the API key is not for this",
    hint: "its scopes were chosen when it was made: ask the server's operator for a key that has this one",
  },
  application_unknown: {
    rpc: -32102,
    http: 404,
    exit: refused,
    message: "there is no application of that id",
    hint: "`posternd apikey applications` shows the ids",
  },
  api_key_ended: {
    rpc: -32103,
    http: 409,
    exit: refused,
    message: "the API key has ended, or has a successor already",
    hint: "`posternd apikey create --application` makes another one for the same application",
  },

  // Callbacks: where an application is told of its challenges.
  callback_unknown: {
    rpc: -32160,
    http: 422,
    exit: refused,
    message: "there is no such callback",
    hint: "`posternd callback list` shows the callbacks of every application, and `callback create` makes one",
  },
  callback_exists: {
    rpc: -32161,
    http: 409,
    exit: refused,
    message: "the application has a callback of that name already",
    hint: "`posternd callback list` shows it; delete it first, or choose another name",
  },
  callback_url_invalid: {
    rpc: -32162,
    http: 422,
    exit: usage,
    message: "a callback cannot go to that URL",
    hint: "https://HOST/PATH, the host in its plain form, placeholders such as {result} only in path and query values",
  },
  callback_host_refused: {
    rpc: -32163,
    http: 422,
    exit: refused,
    message: "callbacks may not go to that host",
    hint: "name it in --callback-hosts: `host` for port 443, `host:port` for another",
  },
  callback_value_invalid: {
    rpc: -32164,
    http: 422,
    exit: refused,
    message: "the callback's URL needs a value that is missing, or cannot stand there",
    hint: "1 to 256 characters, no controls, and not only dots",
  },
  callback_failed: {
    rpc: -32166,
    http: 502,
    exit: unreachable,
    message: "the receiver did not take the callback",
    hint: "the server goes on trying what it has to deliver; docs/operations.md says what the word behind it means",
  },
  too_many_callbacks: {
    rpc: -32165,
    http: 409,
    exit: refused,
    message: "the application has as many callbacks as it can have",
    hint: "delete one that is not used",
  },

  bug: {
    rpc: -32099,
    http: 500,
    exit: bug,
    message: "this is a bug in Postern",
    hint: "please report it with what you did; no secret is in this message",
  },
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof errors;

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(errors, code);
}

/**
 * What a server refuses with that a person can do something about: the connection goes on. After anything else that a
 * server says it is closed.
 */
export const recoverable = [
  "registration_closed",
  "invite_needed",
  "token_invalid",
  "name_invalid",
  "name_taken",
  "verifier_invalid",
  "login_failed",
  "code_refused",
  "throttled",
  "rate_limited",
  "codes_locked",
  "account_disabled",
  "busy",
  "unavailable",
  "session_invalid",
  "step_up_needed",
  "id_unknown",
  "last_factor",
  "too_many_factors",
  "label_invalid",
  "label_taken",
] as const satisfies readonly ErrorCode[];

export function isRecoverable(code: ErrorCode): boolean {
  return recoverable.some((other) => other === code);
}

export function errorFacts(code: ErrorCode): ErrorFacts {
  return errors[code];
}

export interface ErrorDetail {
  /** What exactly, for the person at this machine (a path, an option): never a secret, never a peer's text. */
  readonly detail?: string;
  /** Seconds until another try may succeed. */
  readonly retryAfter?: number;
  /** Seconds that the clock of a person's device is behind, as a code that has passed shows. */
  readonly clockBehind?: number;
  readonly cause?: unknown;
}

/** The one error class of the project: `code` is stable and what programs match on. */
export class PosternError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly retryAfter: number | undefined;
  readonly clockBehind: number | undefined;

  constructor(code: ErrorCode, { detail, retryAfter, clockBehind, cause }: ErrorDetail = {}) {
    super(detail === undefined ? errors[code].message : `${errors[code].message}: ${detail}`, { cause });
    this.name = "PosternError";
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.clockBehind = clockBehind;
  }

  get hint(): string | undefined {
    return errorFacts(this.code).hint;
  }

  get exit(): number {
    return errorFacts(this.code).exit;
  }
}

/** Any thrown thing as a PosternError; what was not foreseen becomes `bug`, with the original as its cause. */
export function asPosternError(thrown: unknown): PosternError {
  return thrown instanceof PosternError ? thrown : new PosternError("bug", { cause: thrown });
}
