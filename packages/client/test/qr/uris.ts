export const SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/** The URI that a server gives for a name: what is at its default is left out. */
export function uriFor(name: string): string {
  return `otpauth://totp/Postern:${encodeURIComponent(name)}?secret=${SECRET}&issuer=Postern`;
}
