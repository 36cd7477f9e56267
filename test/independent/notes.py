"""C2SP signed notes, verifier keys and policies (spec/README.md; client.md sections 1 and 2)."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

import ed25519
from encoding import Malformed, b64, decimal, sha256, unb64, unhex

TYPE_ED25519 = 0x01
TYPE_COSIGNATURE = 0x04
MAX_NOTE_UNITS = 1_000_000  # UTF-16 code units
MAX_SIGNATURES = 100
MAX_POLICY_LINES = 10_000
MAX_GROUPS = 1_000


@dataclass(frozen=True)
class VerifierKey:
    name: str
    key_id: bytes
    type: int
    public: bytes

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.type]) + self.public)}"


def key_id(name: str, key_type: int, public: bytes) -> bytes:
    return sha256(name.encode("utf-8"), b"\n", bytes([key_type]), public)[:4]


def verifier_key(name: str, key_type: int, public: bytes) -> VerifierKey:
    return VerifierKey(name, key_id(name, key_type, public), key_type, public)


def is_key_name(name: str) -> bool:
    """spec/README.md: not empty, no plus, no Unicode space; no control characters of ASCII and no U+FEFF either."""
    return name != "" and not any(c == "+" or c.isspace() or c < " " or c in "\x7f\ufeff" for c in name)


def parse_vkey(text: str, key_type: int) -> VerifierKey:
    # Neither name nor key id can contain a plus, the base64 can.
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_key_name(parts[0]) or len(parts[1]) != 8:
        raise Malformed("vkey")
    data = unb64(parts[2])
    if len(data) != 33 or data[0] != key_type:
        raise Malformed("vkey: type or length")
    key = verifier_key(parts[0], data[0], data[1:])
    if unhex(parts[1]) != key.key_id:
        raise Malformed("vkey: key id")
    return key


# --- signed notes -------------------------------------------------------------------------------


def signature_line(name: str, identifier: bytes, signature: bytes) -> str:
    return f"\u2014 {name} {b64(identifier + signature)}\n"


@dataclass(frozen=True)
class Note:
    text: bytes
    signatures: tuple  # of (key name, key id, signature)

    def signed_by(self, key: VerifierKey) -> bool:
        """There is a signature of the key, and each one verifies."""
        own = [s for name, identifier, s in self.signatures if (name, identifier) == (key.name, key.key_id)]
        return bool(own) and all(ed25519.verify(key.public, self.text, s) for s in own)


_SIGNATURE_LINE = re.compile("\u2014 ([^ ]+) ([^ ]+)")


def parse_note(note: str) -> Note:
    if len(note.encode("utf-16-le", "surrogatepass")) > 2 * MAX_NOTE_UNITS:
        raise Malformed("too long")
    if any(c < " " and c != "\n" for c in note):
        raise Malformed("control character")
    # The text is separated from the signatures by the last empty line.
    text, separator, tail = note.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise Malformed("note")
    signatures = []
    if tail.count("\n") > MAX_SIGNATURES:
        raise Malformed("too many signatures")
    for line in tail[:-1].split("\n"):
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None or not is_key_name(match.group(1)):
            raise Malformed("signature line")
        data = unb64(match.group(2))
        if len(data) < 5:
            raise Malformed("signature")
        signatures.append((match.group(1), data[:4], data[4:]))
    return Note((text + "\n").encode("utf-8"), tuple(signatures))


# --- policies -----------------------------------------------------------------------------------


@dataclass
class Policy:
    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    quorum: Optional[str] = None  # a defined name, or "none"

    def log_key(self, origin: str) -> Optional[VerifierKey]:
        return next((key for key in self.logs if key.name == origin), None)

    def witness_by_key_id(self, identifier: bytes) -> Optional[VerifierKey]:
        return next((key for key in self.witnesses.values() if key.key_id == identifier), None)

    def satisfied(self, key_ids: set[bytes]) -> bool:
        """Section 2: do the cosigners of these key ids satisfy the quorum?"""
        return self.quorum is not None and self._satisfied(self.quorum, key_ids)

    def _satisfied(self, name: str, key_ids: set[bytes]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name].key_id in key_ids
        k, members = self.groups[name]
        return sum(self._satisfied(member, key_ids) for member in members) >= k


class _PolicyParser:
    def __init__(self) -> None:
        self.policy = Policy()
        self.members: set[str] = set()

    def line(self, items: list[str]) -> None:
        handlers = {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum}
        handler = handlers.get(items[0])
        if handler is None:
            raise Malformed(f"policy line {items[0]!r}")
        handler(items[1:])

    def _log(self, items: list[str]) -> None:
        if not 1 <= len(items) <= 2:
            raise Malformed("log line")
        key = parse_vkey(items[0], TYPE_ED25519)
        # C2SP refuses the same key twice. Two keys of one name would leave "the key on the policy's
        # log line of that name" (section 1) without a meaning.
        if any(key.public == other.public or key.name == other.name for other in self.policy.logs):
            raise Malformed("log twice")
        self.policy.logs.append(key)

    def _witness(self, items: list[str]) -> None:
        if not 2 <= len(items) <= 3:
            raise Malformed("witness line")
        self._new_name(items[0])
        key = parse_vkey(items[1], TYPE_COSIGNATURE)
        for other in self.policy.witnesses.values():
            if key.public == other.public or key.key_id == other.key_id:
                raise Malformed("witness twice")
        self.policy.witnesses[items[0]] = key

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise Malformed("group line")
        name, threshold, members = items[0], items[1], items[2:]
        self._new_name(name)
        for member in members:
            if not self._defined(member) or member in self.members:
                raise Malformed(f"member {member!r}")
            self.members.add(member)
        k = {"any": 1, "all": len(members)}.get(threshold)
        if k is None:
            k = decimal(threshold)
        if not 1 <= k <= len(members):
            raise Malformed("threshold")
        self.policy.groups[name] = (k, members)

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1 or self.policy.quorum is not None:
            raise Malformed("quorum line")
        if items[0] != "none" and not self._defined(items[0]):
            raise Malformed("quorum of an unknown name")
        self.policy.quorum = items[0]

    def _defined(self, name: str) -> bool:
        return name in self.policy.witnesses or name in self.policy.groups

    def _new_name(self, name: str) -> None:
        if name == "none" or self._defined(name):
            raise Malformed(f"name {name!r}")


def parse_policy(text: str) -> Policy:
    if any((c < " " and c not in "\t\n") or c == "\x7f" for c in text):
        raise Malformed("control character")
    if text.count("\n") >= MAX_POLICY_LINES:
        raise Malformed("too many lines")
    parser = _PolicyParser()
    for line in text.split("\n"):
        stripped = line.strip(" \t")
        if stripped and not stripped.startswith("#"):
            parser.line(re.split(r"[ \t]+", stripped))
    if parser.policy.quorum is None:
        raise Malformed("no quorum line")
    if len(parser.policy.groups) > MAX_GROUPS:
        raise Malformed("too many groups")
    return parser.policy
