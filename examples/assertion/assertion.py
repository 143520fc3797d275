"""Reads the gate's assertion, signed with HS256. Python's own library is enough."""

import base64
import hashlib
import hmac
import json
import time


def _decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(assertion, secret, audience):
    """Returns the claims; raises ValueError if the assertion is missing or wrong."""
    header, claims, signature = (assertion or "").split(".")
    signed = f"{header}.{claims}".encode()
    expected = hmac.new(secret, signed, hashlib.sha256).digest()
    # First of all: what follows is text of the gate's own.
    if not hmac.compare_digest(expected, _decode(signature)):
        raise ValueError("forged")
    header, claims = json.loads(_decode(header)), json.loads(_decode(claims))
    if header.get("alg") != "HS256":
        raise ValueError("another algorithm")
    if claims.get("iss") != "portcullis" or claims.get("aud") != audience:
        raise ValueError("meant for another")
    if claims.get("exp", 0) <= time.time():
        raise ValueError("expired")
    return claims
