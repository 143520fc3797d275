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
    if json.loads(_decode(header)).get("alg") != "HS256":
        raise ValueError("another algorithm")
    signed = f"{header}.{claims}".encode()
    expected = hmac.new(secret, signed, hashlib.sha256).digest()
    if not hmac.compare_digest(expected, _decode(signature)):
        raise ValueError("forged")
    claims = json.loads(_decode(claims))
    if claims["iss"] != "portcullis" or claims["aud"] != audience:
        raise ValueError("meant for another")
    if claims["exp"] <= time.time():
        raise ValueError("expired")
    return claims
