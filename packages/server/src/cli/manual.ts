import type { Manual } from "@postern/shared/terminal/commands/manual";

/** What help and posternd(8) say beyond the commands and their options. */
export const manual: Manual = {
  about: [
    "posternd is a server for logins with a password and a code, and the tool of its operator. The password never reaches it, all that it keeps is sealed under keys that only the admin password opens, and nobody is let in before that is on record.",
    "Without a terminal it asks nothing: a store is made by --init, and the admin password comes from a file. The operator's commands open the store themselves, also while servers run on it.",
  ],
  examples: {
    "": [
      { line: "start", does: "serve; on a terminal it asks for the admin password" },
      { line: "help start", does: "tell of one command" },
    ],
    start: [
      { line: "start", does: "open the store, or make it, and serve on this machine alone" },
      { line: "start --listen 0.0.0.0:7465 --registration closed", does: "serve everybody, and let nobody register" },
      {
        line: "start --init --admin-password-file admin.password",
        does: "start unattended; the store is made the first time",
      },
    ],
    "user list": [
      { line: "user list --match '*@example.org'", does: "who is registered with such a name" },
      { line: "user list --inactive-for 90d --json", does: "who did not log in for 90 days, one line of JSON each" },
    ],
    "user show": [{ line: "user show alice", does: "what there is of alice, and whether she has to wait" }],
    "user disable": [{ line: "user disable alice", does: "end her sessions, and let nobody in by her account" }],
    "user unlock": [{ line: "user unlock alice", does: "forget what was guessed at her password and codes" }],
    "user delete": [{ line: "user delete alice", does: "delete her account for good, after asking for the name" }],
    "session list": [{ line: "session list --user alice", does: "where alice is logged in" }],
    "session revoke": [
      { line: "session revoke ses_340f9f1a", does: "end one session, by the beginning of its id" },
      { line: "session revoke --user alice", does: "end all of hers" },
    ],
    "audit list": [
      { line: "audit list --user alice --since 24h", does: "what alice did, and what was tried on her, in a day" },
      { line: "audit list --application app_… --subject 4711", does: "what an application did about its user 4711" },
      { line: "audit list --event 'login.*' --json", does: "logins, one line of JSON each" },
    ],
    "audit verify": [
      { line: "audit verify", does: "check the log of the store" },
      { line: "audit verify log.jsonl", does: "check an exported log, without store or password" },
    ],
    "audit export": [
      { line: "audit export log.jsonl", does: "write the whole log to a new file" },
      { line: "audit export --checkpoint-only checkpoint.json", does: "write what shows later that nothing is gone" },
    ],
    "audit key": [{ line: "audit key", does: "print the key that verifies exported logs" }],
    "audit prune": [{ line: "audit prune --older-than 365d", does: "remove what is older than a year, after asking" }],
    "invite create": [
      { line: "invite create --expires 2d --note 'for Bob'", does: "a token that registers one person" },
      { line: "invite create --uses 30 >class.invite", does: "one for thirty; the token alone is on stdout" },
    ],
    "invite list": [{ line: "invite list", does: "which there are, and how often each was used" }],
    "invite revoke": [{ line: "invite revoke inv_34", does: "withdraw the one whose id begins so" }],
    "apikey create": [
      {
        line: "apikey create --name shop --scope otp,totp >shop.key",
        does: "a key for a new application, good for a year; the key alone is on stdout",
      },
      {
        line: "apikey create --name reports --scope admin --application app_…",
        does: "another one for an application that is there",
      },
    ],
    "apikey list": [{ line: "apikey list", does: "which there are, what for, and when each was used last" }],
    "apikey applications": [
      { line: "apikey applications", does: "their ids, also of those whose keys have all ended" },
    ],
    "apikey rotate": [
      { line: "apikey rotate pk_34 --overlap 7d >shop.key", does: "the next key; the old one works for a week more" },
      { line: "apikey rotate pk_34 --overlap 0 >shop.key", does: "the next key, and the old one ends at once" },
    ],
    "apikey revoke": [{ line: "apikey revoke pk_34", does: "end the one whose id begins so, after asking" }],
    "callback create": [
      {
        line: "callback create --application app_… --name bot --url https://…",
        does: "signed messages; the secret alone is on stdout",
      },
      {
        line: "callback create --kind template --application app_… --name ai --url …",
        does: "as chat-bot platforms want it",
      },
    ],
    "callback list": [{ line: "callback list", does: "which there are, and how many messages wait" }],
    "callback delete": [{ line: "callback delete cbk_34", does: "delete the one whose id begins so, after asking" }],
    "callback test": [{ line: "callback test cbk_34", does: "send it a message that tells of nothing" }],
    "callback dead list": [{ line: "callback dead list", does: "what could not be delivered, and why" }],
    "callback dead retry": [
      { line: "callback dead retry chl_34", does: "try the one whose id begins so again" },
      { line: "callback dead retry --all --callback cbk_34", does: "all of one callback, when its receiver is back" },
    ],
    "callback dead drop": [{ line: "callback dead drop chl_34", does: "delete the one whose id begins so" }],
    "user reset-password": [
      { line: "user reset-password alice >alice.token", does: "she sets a new password with it, and with a code" },
    ],
    "user reset-factors": [
      {
        line: "user reset-factors alice >alice.token",
        does: "she replaces a lost phone with it, and with her password",
      },
    ],
    "mail test": [{ line: "mail test you@example.org", does: "try the mail server that the configuration names" }],
    "stretch show": [{ line: "stretch show", does: "how many accounts are on which generation" }],
    "stretch raise": [{ line: "stretch raise", does: "go one generation up" }],
    "identity show": [
      { line: "identity show", does: "print the fingerprint, and whom clients take for this server" },
      { line: "identity show --pem >postern-identity.pem", does: "a file for curl --cacert, nginx and others" },
    ],
    "identity rotate": [
      { line: "identity rotate", does: "replace the identity; clients follow at their next login" },
      { line: "identity rotate --no-successor", does: "replace one that may have been stolen" },
    ],
    "signing-key list": [{ line: "signing-key list", does: "print the keys that verifiers take" }],
    "signing-key rotate": [
      { line: "signing-key rotate", does: "begin with the next key now, without any verifier noticing" },
      { line: "signing-key rotate --now", does: "replace a key that may have been stolen" },
    ],
    "admin-password change": [
      { line: "admin-password change", does: "ask for the old one, and twice for the new one" },
    ],
    rekey: [
      { line: "rekey", does: "seal everything with a new key, or go on where that was cut" },
      { line: "rekey --new-root", does: "the same after a theft, while no server runs" },
    ],
    backup: [
      { line: "backup /mnt/elsewhere/postern.backup", does: "copy the store of this moment, while servers run" },
      { line: "backup - >/mnt/elsewhere/postern.backup", does: "the same to stdout, for a pipe to another machine" },
    ],
    migrate: [
      {
        line: "migrate --from lmdb --to postgres://postern@db.example.org/postern",
        does: "move the store into a database, after asking, while no server runs",
      },
      {
        line: "migrate --from postgres://postern@db.example.org/postern --to lmdb",
        does: "move it back",
      },
    ],
    restore: [
      { line: "restore postern.backup", does: "put it in place of the store, after asking, while no server runs" },
      { line: "restore postern.backup --data /tmp/drill", does: "try whether it would, beside the store" },
    ],
    completion: [
      {
        line: "completion bash >/etc/bash_completion.d/posternd",
        does: "for all users of bash; in a ~/.bashrc: source <(posternd completion bash)",
      },
      { line: "completion zsh >~/.zfunc/_posternd", does: "for zsh, where ~/.zfunc is in fpath" },
      { line: "completion fish >~/.config/fish/completions/posternd.fish", does: "for fish" },
    ],
  },
  environment: [
    ["XDG_DATA_HOME", "where the data directory is: ~/.local/share by default"],
    ["CREDENTIALS_DIRECTORY", "set by systemd: files in it may be readable by others"],
  ],
  files: [
    ["~/.local/share/postern/store.mdb", "the store, unless --data says otherwise"],
    ["/var/lib/postern", "the data directory of the systemd service"],
    ["/etc/postern", "the admin password and the settings of the systemd service"],
  ],
};
