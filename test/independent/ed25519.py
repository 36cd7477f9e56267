"""Ed25519 (RFC 8032), twice: by the `openssl` command and in Python.

The verdict is that of OpenSSL. By default the Python implementation must agree with it on every
signature; a disagreement is an error of the run, not a verdict.
"""
from __future__ import annotations

import base64
import hashlib
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Optional

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")

Point = tuple  # extended coordinates (X, Y, Z, T), RFC 8032 section 5.1.4


class Disagreement(Exception):
    """OpenSSL and the Python implementation differ."""


# --- in Python -------------------------------------------------------------------------------


def _add(a: Point, b: Point) -> Point:
    k = (a[1] - a[0]) * (b[1] - b[0]) % P
    m = (a[1] + a[0]) * (b[1] + b[0]) % P
    c = 2 * a[3] * b[3] * D % P
    d = 2 * a[2] * b[2] % P
    e, f, g, h = m - k, d - c, d + c, m + k
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _recover_x(y: int, sign: int) -> Optional[int]:
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P:
        return None
    if x == 0 and sign:
        return None
    return P - x if x & 1 != sign else x


def _decode_point(data: bytes) -> Optional[Point]:
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= P:  # not canonical
        return None
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _encode_point(p: Point) -> bytes:
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, P - 2, P) % P
_BASE_X = _recover_x(_BASE_Y, 0)
assert _BASE_X is not None
BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % P)
NEUTRAL: Point = (0, 1, 1, 0)


def _scalar(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def _expand(seed: bytes) -> tuple[int, bytes]:
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little")
    return a & ((1 << 254) - 8) | 1 << 254, h[32:]


@lru_cache(maxsize=None)
def public_key(seed: bytes) -> bytes:
    return _encode_point(_multiply(_expand(seed)[0], BASE))


def _sign_python(seed: bytes, message: bytes) -> bytes:
    a, prefix = _expand(seed)
    r = _scalar(prefix, message) % L
    encoded_r = _encode_point(_multiply(r, BASE))
    k = _scalar(encoded_r, public_key(seed), message) % L
    return encoded_r + ((r + k * a) % L).to_bytes(32, "little")


def _verify_python(key: bytes, message: bytes, signature: bytes) -> bool:
    s = int.from_bytes(signature[32:], "little")
    if s >= L:  # spec/README.md
        return False
    a = _decode_point(key)
    if a is None:
        return False
    # R is compared as bytes, which refuses other encodings of it: [S]B - [k]A = R
    k = _scalar(signature[:32], key, message) % L
    minus_a = (P - a[0], a[1], a[2], (P - a[3]) % P)
    return _encode_point(_add(_multiply(s, BASE), _multiply(k, minus_a))) == signature[:32]


# --- by the openssl command --------------------------------------------------------------------


def _pem(label: str, der: bytes) -> bytes:
    body = base64.encodebytes(der).decode("ascii")
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode("ascii")


def _openssl(arguments: list[str], files: dict[str, bytes]) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        return subprocess.run(
            ["openssl", "pkeyutl", *arguments], cwd=folder, capture_output=True, check=False
        )


def _verify_openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    done = _openssl(
        ["-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "message", "-sigfile", "sig"],
        {"key": _pem("PUBLIC KEY", SPKI_PREFIX + key), "message": message, "sig": signature},
    )
    output = done.stdout + done.stderr
    # The exit status alone does not tell a bad signature from a failure to run.
    if done.returncode == 0 and b"Signature Verified Successfully" in output:
        return True
    if b"Signature Verification Failure" in output:
        return False
    raise RuntimeError(f"openssl: {output.decode('utf-8', 'replace')}")


def _sign_openssl(seed: bytes, message: bytes) -> bytes:
    done = _openssl(
        ["-sign", "-inkey", "key", "-rawin", "-in", "message"],
        {"key": _pem("PRIVATE KEY", PKCS8_PREFIX + seed), "message": message},
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout


# --- both --------------------------------------------------------------------------------------

BACKENDS = ("both", "openssl", "python")
_backend = "both"


def use_backend(name: str) -> None:
    global _backend
    if name not in BACKENDS:
        raise ValueError(name)
    _backend = name


@lru_cache(maxsize=None)
def sign(seed: bytes, message: bytes) -> bytes:
    if _backend == "python":
        return _sign_python(seed, message)
    signature = _sign_openssl(seed, message)
    if _backend == "both" and signature != _sign_python(seed, message):
        raise Disagreement("signing")
    return signature


@lru_cache(maxsize=None)
def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    # RFC 8032 section 5.1.3 refuses other encodings of a point; OpenSSL takes them for a key.
    if len(key) != 32 or len(signature) != 64:
        return False
    point = _decode_point(key)
    # spec/README.md: not of small order either.
    if point is None or _encode_point(_multiply(8, point)) == _encode_point(NEUTRAL):
        return False
    if _backend == "python":
        return _verify_python(key, message, signature)
    verdict = _verify_openssl(key, message, signature)
    if _backend == "both" and verdict != _verify_python(key, message, signature):
        raise Disagreement("verifying")
    return verdict
