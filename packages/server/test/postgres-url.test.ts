import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { passwordIn } from "../src/cli/database-password.js";
import { isPostgresUrl, parsePostgresUrl } from "../src/postgres-url.js";

describe("--store", () => {
  it("says where a database is, and by default checks the certificate of one elsewhere", () => {
    expect(parsePostgresUrl("postgres://ann@db.example.org/auth")).toEqual({
      host: "db.example.org",
      port: 5432,
      user: "ann",
      database: "auth",
      schema: "postern",
      tls: "full",
      rootCertificate: undefined,
      shown: "postgres://ann@db.example.org/auth",
    });
    expect(parsePostgresUrl("postgresql://a%40b@[::1]:6000/x%2Fy?schema=second")).toMatchObject({
      host: "::1",
      port: 6000,
      user: "a@b",
      database: "x/y",
      schema: "second",
      tls: "off",
      shown: "postgres://a%40b@[::1]:6000/x%2Fy",
    });
    expect(parsePostgresUrl("postgres://ann@/auth?host=%2Frun%2Fpostgresql&port=5433")).toMatchObject({
      host: "/run/postgresql",
      port: 5433,
      tls: "off",
    });
  });

  it("takes libpq's names for how much of TLS is asked, but none that can be talked out of it", () => {
    const tlsOf = (mode: string) => parsePostgresUrl(`postgres://ann@10.0.0.1/auth?sslmode=${mode}`).tls;
    expect(["disable", "require", "verify-ca", "verify-full"].map(tlsOf)).toEqual(["off", "unverified", "ca", "full"]);
    for (const mode of ["prefer", "allow", "constructor", ""]) expect(() => tlsOf(mode)).toThrow(PosternError);
    const root = parsePostgresUrl("postgres://ann@10.0.0.1/auth?sslmode=verify-ca&sslrootcert=/etc/db-ca.pem");
    expect(root).toMatchObject({ tls: "ca", rootCertificate: "/etc/db-ca.pem" });
  });

  it.each([
    "postgres://ann:s3cr3t@db/auth",
    "postgres://ann:s3cr3t@db/auth?x=y@z",
    "postgres://ann@db/auth?password=s3cr3t",
    "postgres://:s3cr3t@db/auth",
  ])("refuses the password in %s, and does not repeat it", (text) => {
    const refusal = refusalOf(text);
    expect(refusal.detail).toContain("--store takes no password");
    expect(refusal.message).not.toContain("s3cr3t");
  });

  it.each([
    "postgres://db/auth",
    "postgres://ann@/auth",
    "postgres://ann@db",
    "postgres://ann@db/",
    "postgres://ann@db:0/auth",
    "postgres://ann@db/auth?sslcert=x",
    "postgres://ann@db/auth?schema=a&schema=b",
    "postgres://ann@db/auth?schema=Robert'); DROP TABLE records; --",
    "postgres://ann@db/auth?schema=pg_catalog",
    "postgres://ann@db/auth?host=/run/postgresql",
    "postgres://ann@/auth?host=relative",
    "postgres://ann@/auth?host=/run&sslmode=require",
    "postgres://ann@db/auth?port=1",
    "postgres://an%00n@db/auth",
    "postgres://an%E4n@db/auth",
    "postgres://ann@db/auth?sslrootcert=/x&sslmode=disable",
    "mysql://ann@db/auth",
    "lmbd",
  ])("refuses %s", (text) => {
    expect(refusalOf(text).code).toBe("usage");
  });

  it("tells a database from a data directory by its scheme", () => {
    expect(["postgres://x", "PostgreSQL://x", "lmdb", "/var/postgres:"].map(isPostgresUrl)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("libpq's password file", () => {
  const server = parsePostgresUrl("postgres://ann@db.example.org/auth");

  it("gives the password of the first line that fits", () => {
    const file = "# db.example.org:5432:auth:ann:no\nother:*:*:*:no\n*:5433:*:*:no\n*:*:*:ann:yes\n*:*:*:*:later\n";
    expect(passwordIn(file, server)).toBe("yes");
    expect(passwordIn("other:*:*:*:no\n", server)).toBeUndefined();
    expect(passwordIn("", server)).toBeUndefined();
  });

  it("takes back slashes as it does, and colons in the password", () => {
    expect(passwordIn("db.example.org:5432:auth:ann:a\\:b\\\\c:d\r\n", server)).toBe("a:b\\c:d");
    const strange = parsePostgresUrl("postgres://a%3Ab@db/x");
    expect(passwordIn("db:5432:x:a\\:b:yes", strange)).toBe("yes");
    expect(passwordIn("db:5432:x:a:b:yes", strange)).toBeUndefined();
  });

  it("knows a socket by the name localhost", () => {
    expect(passwordIn("localhost:*:*:*:yes", parsePostgresUrl("postgres://a@/x?host=/run"))).toBe("yes");
  });
});

function refusalOf(text: string): PosternError {
  try {
    parsePostgresUrl(text);
  } catch (thrown) {
    if (thrown instanceof PosternError) return thrown;
  }
  throw new Error(`${text} was taken`);
}
