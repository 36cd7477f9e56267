"""The prefix tree (tree.md): root, paths, proofs."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from encoding import HASH_SIZE, Malformed, Reader, sha256, uv

EMPTY_ROOT = sha256(b"")
Pair = tuple  # (key of 32 bytes, value)


def bit(key: bytes, b: int) -> int:
    return key[b // 8] >> (7 - b % 8) & 1


def leaf_hash(key: bytes, value: bytes) -> bytes:
    return sha256(b"\x00", uv(len(key)), key, uv(len(value)), value)


def inner_hash(b: int, left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01", uv(b), left, right)


def root(pairs: list[Pair]) -> bytes:
    """Sections 1 and 2."""
    if not pairs:
        return EMPTY_ROOT
    if len({key for key, _ in pairs}) != len(pairs):
        raise Malformed("a key stands twice")
    return _root(sorted(pairs))


def _root(pairs: list[Pair]) -> bytes:
    first, last = pairs[0][0], pairs[-1][0]
    if len(pairs) == 1:
        return leaf_hash(*pairs[0])
    # The pairs are sorted: the first bit in which any two differ is that of the first and the last.
    differ = int.from_bytes(first, "big") ^ int.from_bytes(last, "big")
    b = 8 * len(first) - differ.bit_length()
    left = [pair for pair in pairs if bit(pair[0], b) == 0]
    return inner_hash(b, _root(left), _root(pairs[len(left) :]))


@dataclass(frozen=True)
class Path:
    """Section 3. `bits` descend and `siblings` go with them: the deepest node first."""

    bits: tuple[int, ...]
    siblings: tuple[bytes, ...]

    def fold(self, key: bytes, start: bytes) -> bytes:
        h = start
        for b, sibling in zip(self.bits, self.siblings):
            h = inner_hash(b, h, sibling) if bit(key, b) == 0 else inner_hash(b, sibling, h)
        return h


def read_path(reader: Reader) -> Path:
    length = reader.u8()
    if length > 32:
        raise Malformed("bitmap length")
    bitmap = reader.take(length)
    if length and bitmap[-1] == 0:
        raise Malformed("bitmap ends in zeros")
    bits = [b for b in range(8 * length - 1, -1, -1) if bit(bitmap, b)]
    return Path(tuple(bits), tuple(reader.take(HASH_SIZE) for _ in bits))


def decode_path(data: bytes) -> Path:
    reader = Reader(data)
    path = read_path(reader)
    if not reader.at_end():
        raise Malformed("bytes after the path")
    return path


def proves_inclusion(map_root: bytes, key: bytes, value: bytes, path: Path) -> bool:
    """Section 4, item 1."""
    return bool(value) and path.fold(key, leaf_hash(key, value)) == map_root


def proves_absence(map_root: bytes, key: bytes, path: Optional[Path], other: Optional[Pair]) -> bool:
    """Section 4, items 2 and 3. Without a path the claim is that the map is empty."""
    if path is None or other is None:
        return path is None and other is None and map_root == EMPTY_ROOT
    other_key, other_value = other
    if other_key == key or not other_value:
        return False
    if any(bit(key, b) != bit(other_key, b) for b in path.bits):
        return False
    return path.fold(other_key, leaf_hash(other_key, other_value)) == map_root
