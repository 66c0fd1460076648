import { certificateFilesOf, type HttpCertificateOptions, readHttpCertificate } from "../http-certificate.js";
import { type Finding, warn } from "./finding.js";
import { failed, judgeCertificate } from "./store.js";

/** The operator's own certificate for the HTTPS port, where one is configured: as a start would read it. */
export async function lookAtHttpCertificate(options: HttpCertificateOptions, now: number): Promise<Finding[]> {
  const findings: Finding[] = [];
  const hear = (text: string) => findings.push(warn("http-cert", text, "close it to others"));
  try {
    const files = certificateFilesOf(options);
    if (files === undefined) return [];
    const { cert } = await readHttpCertificate(files, { now: () => now, warn: hear });
    findings.push(judgeCertificate("http-cert", Buffer.from(cert), now, { todo: "renew it, and send SIGHUP" }));
  } catch (thrown) {
    findings.push(failed("http-cert", thrown));
  }
  return findings;
}
