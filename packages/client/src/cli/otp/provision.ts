import { PosternError } from "@postern/shared/errors";
import { toolkitLimits } from "@postern/shared/otp/limits";
import { encodeSecret } from "@postern/shared/otp/secret";
import { otpauthUri } from "@postern/shared/otp/uri";
import { fillNewFile, mayReplace, writerTo } from "@postern/shared/terminal/new-file";
import type { Output } from "@postern/shared/terminal/output";
import { drawn, say } from "@postern/shared/terminal/terminal-text";
import { enrolmentScreen } from "../../terminal/enrolment-screen.js";
import { type OtpHost, otpHostOf } from "./host.js";
import { type KeyOptions, keyOf } from "./key.js";

export async function otpUriCommand(
  output: Output,
  options: KeyOptions,
  host: OtpHost = otpHostOf(output, options),
): Promise<void> {
  const key = await keyOf(output, options, host);
  const uri = otpauthUri(key, toolkitLimits);
  key.secret.fill(0);
  output.result({ uri }, say`${uri}`);
}

export interface QrOptions extends KeyOptions {
  readonly png?: string;
  readonly svg?: string;
  readonly force?: boolean;
}

/** Draws the QR code on the terminal, or writes it to files, or one of them to stdout. */
export async function otpQrCommand(
  output: Output,
  options: QrOptions,
  host: OtpHost = otpHostOf(output, options),
): Promise<void> {
  const pictures = await picturesOf(output, options, host);
  const key = await keyOf(output, options, host);
  const facts = { uri: otpauthUri(key, toolkitLimits), secret: encodeSecret(key.secret) };
  key.secret.fill(0);
  if (pictures.length === 0) {
    output.result(facts, drawn(enrolmentScreen({ ...facts, ...host.window() })));
    return;
  }
  for (const picture of pictures) await writePicture(picture, facts.uri, { host, force: options.force === true });
  const files = pictures.filter(({ file }) => file !== "-");
  if (files.length === 0) return;
  const lines = files.map(({ file }) => say`Written to ${file}.`);
  output.result(Object.fromEntries(files.map(({ form, file }) => [form, file])), ...lines);
}

interface Picture {
  readonly form: "png" | "svg";
  readonly file: string;
}

/**
 * Which files are to be written. Judged before anybody is asked for a secret.
 * @throws PosternError `usage` for more on stdout than one picture, `file_unwritable`
 */
async function picturesOf(output: Output, { png, svg, force }: QrOptions, { stdout }: OtpHost): Promise<Picture[]> {
  const pictures = [
    ...(png === undefined ? [] : [{ form: "png", file: png } as const]),
    ...(svg === undefined ? [] : [{ form: "svg", file: svg } as const]),
  ];
  if (pictures.some(({ file }) => file === "-")) {
    const alone = pictures.length === 1 && !output.json;
    if (!alone) throw new PosternError("usage", { detail: "with - the picture is all that stdout gets" });
    if (png === "-" && stdout.isTTY === true) {
      throw new PosternError("usage", { detail: "a PNG is no text: send it to a file or a pipe" });
    }
  } else if (png !== undefined && png === svg) {
    throw new PosternError("usage", { detail: "--png and --svg name the same file" });
  }
  for (const { file } of pictures) if (file !== "-") await mayReplace(file, force === true);
  return pictures;
}

async function writePicture(
  { form, file }: Picture,
  uri: string,
  { host, force }: { host: OtpHost; force: boolean },
): Promise<void> {
  const content = await drawAs(form, uri);
  if (file === "-") await writerTo(host.stdout, "standard output")(content);
  else await fillNewFile(file, force, (write) => write(content));
}

async function drawAs(form: Picture["form"], uri: string): Promise<string | Uint8Array> {
  if (form === "svg") return (await import("@postern/shared/qr/svg")).qrSvg(uri);
  return (await import("@postern/shared/qr/png")).qrPng(uri);
}
