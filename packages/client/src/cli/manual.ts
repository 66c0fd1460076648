import type { Manual } from "@postern/shared/terminal/commands/manual";

/** What help and postern(1) say beyond the commands and their options. */
export const manual: Manual = {
  about: [
    "postern registers a person with a Postern server, draws the QR code for the authenticator app, and logs in with password and code. The password never leaves this machine, and a code is sent only to a server that has proved that it knows the account.",
    "The identity of a server is pinned at the first contact. A script, which nobody can ask, gives --fingerprint or --trust-on-first-use.",
  ],
  examples: {
    "": [
      { line: "", does: "a menu" },
      { line: "register alice", does: "make an account on the server of this machine" },
      { line: "--server auth.example.org:7465 login alice", does: "log in elsewhere" },
    ],
    register: [
      { line: "register alice", does: "ask for a password, draw the QR code, ask for the first code" },
      { line: "register alice --invite-file alice.invite", does: "with the invite that the operator gave you" },
      {
        line: "register bob --password-file bob.password --json",
        does: "print URI and secret as JSON, then take the first code as a line of stdin",
      },
    ],
    login: [
      { line: "login alice", does: "ask for password and code" },
      { line: "login bob --password-file bob.password --code 042139", does: "log in from a script" },
    ],
    recover: [
      { line: "recover alice --token-file alice.token", does: "whatever the operator's token is for" },
      {
        line: "recover bob --token-file token --new-password-file new --code 042139",
        does: "set a new password from a script, with a code",
      },
      {
        line: "recover bob --token-file bob.token --password-file bob.password --json",
        does: "replace the authenticator from a script, as register does",
      },
    ],
    whoami: [{ line: "whoami --json", does: "name, account and session as JSON" }],
    token: [{ line: "token --audience wiki", does: "a token for the service that calls itself wiki" }],
    logout: [{ line: "logout", does: "end the session of this machine" }],
    passwd: [
      { line: "passwd", does: "change the password of who is logged in here" },
      {
        line: "passwd bob --password-file old --new-password-file new --code 042139",
        does: "from a script; it is a new login, so it takes a code",
      },
    ],
    "session list": [{ line: "session list", does: "where you are logged in" }],
    "session revoke": [
      { line: "session revoke ses_34", does: "end the session whose id begins so" },
      { line: "session revoke --others", does: "end all but this one" },
    ],
    "device list": [{ line: "device list", does: "machines with limits of guesses of their own" }],
    "device forget": [{ line: "device forget --others", does: "forget all but this machine" }],
    "factor list": [{ line: "factor list", does: "your authenticators" }],
    "factor add": [
      { line: "factor add --label tablet", does: "another app" },
      { line: "factor add --hotp --digits 8", does: "a token that counts" },
    ],
    "factor remove": [{ line: "factor remove tablet", does: "remove one by its label, after asking" }],
    "recovery status": [{ line: "recovery status", does: "how many recovery codes are left" }],
    "recovery regenerate": [{ line: "recovery regenerate", does: "ten new ones; the old ones stop working" }],
    "account delete": [{ line: "account delete", does: "delete your account, after you have typed its name" }],
    "server list": [{ line: "server list", does: "servers with the fingerprints that are pinned" }],
    "server forget": [
      { line: "server forget auth.example.org:7465", does: "when its operator says that it has a new identity" },
    ],
    "otp secret": [
      { line: "otp secret >bob.secret", does: "a new secret, in base32" },
      { line: "otp secret --bytes 32 --encoding hex", does: "a longer one, in hex" },
    ],
    "otp uri": [{ line: "otp uri --secret-file bob.secret --account bob", does: "what an app is provisioned with" }],
    "otp qr": [
      { line: "otp qr --secret-file bob.secret --account bob", does: "the same as a QR code" },
      { line: "otp qr --uri-file bob.uri --png bob.png", does: "as a picture that only you can read" },
    ],
    "otp code": [
      { line: "otp code --secret-file bob.secret", does: "the code of this moment" },
      { line: "otp code --secret-file bob.secret --next", does: "the next one, as soon as it counts" },
      { line: "otp code --secret-file bob.secret --watch", does: "each as it comes, until Ctrl-C" },
      { line: "otp code --secret-file bob.secret --type hotp --counter 7", does: "that of a counter" },
    ],
    "otp verify": [
      { line: "otp verify --secret-file bob.secret --code 042139", does: "exit code 0 when it is right, else 1" },
      {
        line: "otp verify --secret-file bob.secret --type hotp --counter 7",
        does: "ask for a code, and print the counter to go on with",
      },
    ],
    "otp import": [
      { line: "otp import", does: "ask for a URI or an export, unseen" },
      { line: "otp import --file -", does: "one a line, as zbarimg --quiet --raw export-*.png prints them" },
    ],
    "loadtest login": [
      { line: "loadtest login --requests 1000", does: "250 logins at once, by 100 accounts that are made for it" },
      { line: "loadtest login --concurrency 20 --json", does: "all figures as one line of JSON" },
    ],
    "loadtest challenge": [
      { line: "loadtest challenge --key-file bot.key --ca server.pem", does: "1000 pages at once, on this machine" },
    ],
    completion: [
      {
        line: "completion bash >~/.local/share/bash-completion/completions/postern",
        does: "for bash; or in a ~/.bashrc: source <(postern completion bash)",
      },
      { line: "completion zsh >~/.zfunc/_postern", does: "for zsh, where ~/.zfunc is in fpath" },
      { line: "completion fish >~/.config/fish/completions/postern.fish", does: "for fish" },
    ],
  },
  environment: [
    ["XDG_CONFIG_HOME", "where known servers are kept: ~/.config by default"],
    ["XDG_STATE_HOME", "where sessions are kept: ~/.local/state by default"],
  ],
  files: [
    ["~/.config/postern/known-servers.json", "the servers that this machine knows, with their identities"],
    ["~/.local/state/postern/sessions.json", "the sessions of this machine"],
    ["~/.local/state/postern/devices.json", "by what servers know this machine again"],
  ],
};
