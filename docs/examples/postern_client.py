"""A client of Postern's HTTPS API in Python, of the standard library alone:

    python3 docs/examples/postern_client.py https://127.0.0.1:7466 ca.pem shop.key

`ca.pem` is what `posternd identity show --pem` prints, `shop.key` a key with the scopes otp, totp and hotp.
"""

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import sys
import time
import urllib.parse
import uuid


class PosternProblem(Exception):
    """What Postern refuses: go by `code`."""

    def __init__(self, status, problem):
        super().__init__(problem.get("title", f"status {status}"))
        self.status = status
        self.code = problem.get("code", "")
        self.retry_after = problem.get("retry_after")


class PosternClient:
    def __init__(self, url, ca_file, key):
        """`ca_file` in PEM: no other certificate is trusted."""
        parts = urllib.parse.urlsplit(url)
        trusted = ssl.create_default_context(cafile=ca_file)
        self._connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, context=trusted, timeout=30)
        self._key = key

    def create(self, kind, body):
        # With a key of its own, a request whose reply was lost can be sent again.
        return self._call("POST", f"/v1/{kind}", body, {"Idempotency-Key": str(uuid.uuid4())})

    def verify(self, kind, credential, code):
        return self._call("POST", f"/v1/{kind}/{credential}/verify", {"code": code})

    def resync(self, credential, codes):
        return self._call("POST", f"/v1/hotp/{credential}/resync", {"codes": codes})

    def remove(self, kind, credential):
        self._call("DELETE", f"/v1/{kind}/{credential}")

    def close(self):
        self._connection.close()

    def _call(self, method, path, body=None, more=None):
        headers = {"Authorization": f"Bearer {self._key}", **(more or {})}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        self._connection.request(method, path, content, headers)
        reply = self._connection.getresponse()
        text = reply.read()
        said = json.loads(text) if text else {}
        if reply.status >= 300:
            raise PosternProblem(reply.status, said)
        return said


def hotp(secret, counter, algorithm=hashlib.sha1, digits=6):
    """RFC 4226: the code of a counter."""
    mac = hmac.new(secret, counter.to_bytes(8, "big"), algorithm).digest()
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def totp(secret, seconds, period=30):
    """RFC 6238: the counter is the number of periods since 1970."""
    return hotp(secret, int(seconds) // period)


def from_base32(text):
    """RFC 4648 section 6, without padding."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def tour(client):
    subject = f"example-{uuid.uuid4()}"
    shown = {"subject": subject, "issuer": "Example Shop", "account": "ann@example.org"}

    issued = client.create("otp", {"subject": subject, "expires_in": 300})
    print("one-time code:", client.verify("otp", issued["id"], issued["code"])["result"])

    by_time = client.create("totp", shown)
    code = totp(from_base32(by_time["secret"]), time.time())
    print("code by time:", client.verify("totp", by_time["id"], code)["result"])
    print("the same again:", client.verify("totp", by_time["id"], code)["result"])

    by_counter = client.create("hotp", shown)
    secret = from_base32(by_counter["secret"])
    # Somebody has played with the button of their token: it is 20 codes ahead.
    print("code by counter:", client.verify("hotp", by_counter["id"], hotp(secret, 20))["result"])
    print("two in a row:", client.resync(by_counter["id"], [hotp(secret, 21), hotp(secret, 22)])["result"])
    print("the next one:", client.verify("hotp", by_counter["id"], hotp(secret, 23))["result"])

    try:
        client.create("totp", shown)
    except PosternProblem as problem:
        print("a second one:", problem.code)

    client.remove("otp", issued["id"])
    client.remove("totp", by_time["id"])
    client.remove("hotp", by_counter["id"])


def main(url="https://127.0.0.1:7466", ca_file="ca.pem", key_file="shop.key"):
    with open(key_file, encoding="ascii") as file:
        key = file.read().strip()
    client = PosternClient(url, ca_file, key)
    try:
        tour(client)
    finally:
        client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
