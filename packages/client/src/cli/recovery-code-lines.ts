import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";

/** New recovery codes, as a person sees them this one time. */
export function recoveryCodeLines(codes: readonly string[]): TerminalText[] {
  return [
    say`Your recovery codes. Each lets you in once without your authenticator.`,
    say`They are shown this one time: write them down, away from your password.`,
    say``,
    ...codes.map((code) => say`  ${code}`),
  ];
}
