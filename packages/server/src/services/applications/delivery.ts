/**
 * Sends a one-time code to whom it is for, and resolves once a mail server has taken it; what it throws means that the
 * code may not have come anywhere. `expiresAt` in milliseconds since 1970; `application` by its name.
 */
export type Deliver = (mail: {
  to: string;
  code: string;
  expiresAt: number;
  purpose?: string;
  application: string;
}) => Promise<void>;
