"""The output log (log.md): trees, frontiers, covers and proofs of RFC 6962; leaf and checkpoint texts."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, Optional

from encoding import Malformed, b64, decimal, sha256, unb64, unhex

EMPTY_ROOT = sha256(b"")


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00", data)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01", left, right)


# --- frontier, section 6 -----------------------------------------------------------------------


def subtree_sizes(n: int) -> list[int]:
    """The powers of two that n is the sum of, largest first."""
    return [1 << bit for bit in range(n.bit_length() - 1, -1, -1) if n >> bit & 1]


@dataclass(frozen=True)
class Frontier:
    size: int
    peaks: tuple[bytes, ...]

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        peaks = list(self.peaks)
        while len(peaks) > 1:
            right = peaks.pop()
            peaks.append(node_hash(peaks.pop(), right))
        return peaks[0]

    def append_subtree(self, leaves: int, root: bytes) -> "Frontier":
        """Appends a complete subtree; equal sizes combine as they meet."""
        stack = list(zip(subtree_sizes(self.size), self.peaks))
        stack.append((leaves, root))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            size, right = stack.pop()
            _, left = stack.pop()
            stack.append((2 * size, node_hash(left, right)))
        result = Frontier(self.size + leaves, tuple(peak for _, peak in stack))
        if [size for size, _ in stack] != subtree_sizes(result.size):
            raise ValueError("subtree does not fit the frontier")
        return result

    def append_leaf(self, hash_of_leaf: bytes) -> "Frontier":
        return self.append_subtree(1, hash_of_leaf)


EMPTY = Frontier(0, ())


def frontier(size: int, peaks: list[bytes]) -> Frontier:
    if len(peaks) != len(subtree_sizes(size)):
        raise Malformed("number of peaks")
    return Frontier(size, tuple(peaks))


def cover(start: int, end: int) -> list[tuple[int, int]]:
    """(first leaf, number of leaves) of the complete subtrees that cover start ... end - 1."""
    out = []
    while start < end:
        size = 1
        while start % (2 * size) == 0 and start + 2 * size <= end:
            size *= 2
        out.append((start, size))
        start += size
    return out


def extend(old: Frontier, to: int, hashes: list[bytes]) -> Frontier:
    subtrees = cover(old.size, to)
    if len(subtrees) != len(hashes):
        raise Malformed("number of hashes of the cover")
    for (_, leaves), root in zip(subtrees, hashes):
        old = old.append_subtree(leaves, root)
    return old


# --- proofs, section 7: the recursive definitions of RFC 6962 section 2.1, read backwards ---------


def _split(n: int) -> int:
    """The largest power of two smaller than n."""
    return 1 << (n - 1).bit_length() - 1


def inclusion_length(index: int, size: int) -> int:
    length = 0
    while size > 1:
        k = _split(size)
        index, size = (index, k) if index < k else (index - k, size - k)
        length += 1
    return length


def inclusion_root(index: int, size: int, start: bytes, proof: list[bytes]) -> bytes:
    """The root that PATH(index, D[size]) gives (section 2.1.1)."""
    if not 0 <= index < size or len(proof) != inclusion_length(index, size):
        raise Malformed("number of hashes")
    hashes = iter(proof)

    def path(m: int, n: int) -> bytes:
        if n == 1:
            return start
        k = _split(n)
        if m < k:
            inner = path(m, k)
            return node_hash(inner, next(hashes))
        inner = path(m - k, n - k)
        return node_hash(next(hashes), inner)

    return path(index, size)


def consistency_length(m: int, n: int) -> int:
    def subproof(m: int, n: int, whole: bool) -> int:
        if m == n:
            return 0 if whole else 1
        k = _split(n)
        return 1 + (subproof(m, k, whole) if m <= k else subproof(m - k, n - k, False))

    return subproof(m, n, True)


def consistency_roots(m: int, n: int, old_root: bytes, proof: list[bytes]) -> tuple[bytes, bytes]:
    """The (old, new) roots that PROOF(m, D[n]) gives (section 2.1.2).

    `old_root` is used only where the proof does not hold the old root: for m a power of two, or m = n.
    """
    if not 1 <= m <= n or len(proof) != consistency_length(m, n):
        raise Malformed("number of hashes")
    hashes: Iterator[bytes] = iter(proof)

    def subproof(m: int, n: int, whole: bool) -> tuple[bytes, bytes]:
        if m == n:
            start = old_root if whole else next(hashes)
            return start, start
        k = _split(n)
        if m <= k:
            old, new = subproof(m, k, whole)
            return old, node_hash(new, next(hashes))
        old, new = subproof(m - k, n - k, False)
        left = next(hashes)
        return node_hash(left, old), node_hash(left, new)

    return subproof(m, n, True)


# --- texts, sections 2 to 4 ---------------------------------------------------------------------


def checkpoint_text(origin: str, epoch: int, root: bytes) -> bytes:
    return f"{origin}\n{epoch}\n{b64(root)}\n".encode("utf-8")


def tree_head_text(size: int, root: bytes) -> bytes:
    return f"go.sum database tree\n{size}\n{b64(root)}\n".encode("ascii")


def cosignature_message(time: int, checkpoint: bytes) -> bytes:
    return b"cosignature/v1\ntime %d\n" % time + checkpoint


def leaf_text(
    map_root: bytes, size: int, root: bytes, key_name: str, key_id: bytes, signature: bytes
) -> bytes:
    return (
        map_root.hex().encode("ascii")
        + b"\n"
        + tree_head_text(size, root)
        + f"\n\u2014 {key_name} {b64(key_id + signature)}\n".encode("utf-8")
    )


@dataclass(frozen=True)
class TreeHead:
    """The three lines of a checkpoint or of a sumdb tree head."""

    first_line: str
    size: int
    root: bytes


def parse_tree_head(text: bytes) -> TreeHead:
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise Malformed("not three lines")
    root = unb64(lines[2])
    if len(root) != 32:
        raise Malformed("root")
    return TreeHead(lines[0], decimal(lines[1]), root)


_LEAF = re.compile(r"([0-9a-f]{64})\n(go\.sum database tree\n[0-9]+\n[^\n]+\n)\n\u2014 [^\n ]+ [^\n ]+\n")


def parse_leaf(text: bytes) -> tuple[bytes, TreeHead]:
    """Map root and sumdb tree head of a leaf that was verified before."""
    match: Optional[re.Match] = _LEAF.fullmatch(text.decode("utf-8"))
    if match is None:
        raise Malformed("leaf")
    return unhex(match.group(1)), parse_tree_head(match.group(2).encode("ascii"))
