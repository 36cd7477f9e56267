"""Byte encodings of the protocol (spec/README.md, "Conventions").

Every decoder accepts exactly one encoding of a meaning and raises `Malformed` for all else.
"""
from __future__ import annotations

import base64
import hashlib
import re

MAX_NUMBER = 2**53 - 1
HASH_SIZE = 32
SIGNATURE_SIZE = 64

_DECIMAL = re.compile(r"0|[1-9][0-9]*")
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


class Malformed(Exception):
    """The input is not an encoding of anything."""


class Refused(Exception):
    """A verification refuses its input, with one code (client.md)."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(f"{code}: {why}" if why else code)
        self.code = code


def sha256(*parts: bytes) -> bytes:
    h = hashlib.sha256()
    for part in parts:
        h.update(part)
    return h.digest()


def uv(n: int) -> bytes:
    """Unsigned LEB128, shortest form."""
    if not 0 <= n <= MAX_NUMBER:
        raise ValueError(f"uv out of range: {n}")
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def decimal(text: str) -> int:
    """A decimal that stands for a size, an index or a time."""
    # 16 digits hold 2^53 - 1; the bound comes first because int() of a long text is slow.
    if len(text) > 16 or not _DECIMAL.fullmatch(text):
        raise Malformed("decimal")
    n = int(text)
    if n > MAX_NUMBER:
        raise Malformed("decimal above 2^53 - 1")
    return n


def is_decimal_digits(text: str) -> bool:
    """A decimal of any length."""
    return _DECIMAL.fullmatch(text) is not None


def unhex(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise Malformed("hex")
    return bytes.fromhex(text)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise Malformed("base64") from error
    # Encoding again is what refuses spare bits, missing or superfluous padding.
    if b64(data) != text:
        raise Malformed("base64 is not canonical")
    return data


def b64_unpadded(data: bytes) -> str:
    return b64(data).rstrip("=")


def unb64_unpadded(text: str) -> bytes:
    if "=" in text:
        raise Malformed("padding")
    return unb64(text + "=" * (-len(text) % 4))


def unb64_hash(text: str) -> bytes:
    """43 characters of unpadded base64 for 32 bytes."""
    if len(text) != 43:
        raise Malformed("hash")
    return unb64_unpadded(text)


def unb32_key(text: str) -> bytes:
    """52 characters of lower-case unpadded base32 for 32 bytes."""
    if not re.fullmatch(r"[a-z2-7]{52}", text):
        raise Malformed("base32")
    data = base64.b32decode(text.upper() + "====")
    if base64.b32encode(data).decode("ascii").rstrip("=").lower() != text:
        raise Malformed("base32 has spare bits")
    return data


class Reader:
    """Reads a byte string from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._data)

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, n: int) -> bytes:
        if n > self.left():
            raise Malformed("unexpected end")
        out = self._data[self._at : self._at + n]
        self._at += n
        return out

    def u8(self) -> int:
        return self.take(1)[0]

    def uv(self) -> int:
        n = 0
        shift = 0
        while True:
            byte = self.u8()
            n |= (byte & 0x7F) << shift
            if n > MAX_NUMBER:
                raise Malformed("uv above 2^53 - 1")
            if byte < 0x80:
                if byte == 0 and shift > 0:
                    raise Malformed("uv is not the shortest")
                return n
            shift += 7
            if shift > 49:  # an eighth byte is the last that can matter
                raise Malformed("uv too long")

    def hashes_to_end(self) -> list[bytes]:
        if self.left() % HASH_SIZE:
            raise Malformed("not whole hashes")
        return [self.take(HASH_SIZE) for _ in range(self.left() // HASH_SIZE)]
