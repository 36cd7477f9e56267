"""DNS names and payloads (dns.md sections 1 and 2)."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Optional, Union

import tree
from encoding import HASH_SIZE, MAX_NUMBER, SIGNATURE_SIZE, Malformed, Reader, decimal, unb32_key

MAX_LABEL = 63
MAX_NAME = 255  # on the wire: a length byte before each label, and the root's
MAX_PAYLOAD = 64_500
PAGE_SIZE = 256

# --- module paths as names, section 1.1 -----------------------------------------------------------

_HOST_LABEL = re.compile(r"[a-z0-9-]{1,63}")
_ELEMENT_LABEL = re.compile(r"(?:[a-z0-9-]|_[0-9a-f]{2}){1,63}")


def is_path_text(text: str) -> bool:
    return bool(text) and all(" " <= c <= "~" for c in text) and all(text.split("/"))


def element_label(element: str) -> str:
    label = "".join(c if re.fullmatch(r"[a-z0-9-]", c) else f"_{ord(c):02x}" for c in element)
    if label.startswith("-"):
        label = "_2d" + label[1:]
    if label.endswith("-"):
        label = label[:-1] + "_2d"
    return label


def element_of_label(label: str) -> Optional[str]:
    """The element that is written as this label; no other text of it counts."""
    if len(label) > MAX_LABEL or not _ELEMENT_LABEL.fullmatch(label):
        return None
    element = re.sub(r"_([0-9a-f]{2})", lambda match: chr(int(match.group(1), 16)), label)
    if "/" in element or not is_path_text(element) or element_label(element) != label:
        return None
    return element


def wire_length(labels: list[str]) -> int:
    return sum(1 + len(label) for label in labels) + 1


def encode_path(path: str, zone: str = "") -> Optional[list[str]]:
    """The labels left of p1, or None if the path cannot be asked by name."""
    if not is_path_text(path):
        return None
    host, *elements = path.split("/")
    host_labels = host.split(".")
    labels = [element_label(element) for element in reversed(elements)]
    if any(len(label) > MAX_LABEL for label in labels):
        return None
    if not all(_HOST_LABEL.fullmatch(label) for label in host_labels):
        return None
    name = [*labels, *(["_"] if elements else []), *host_labels]
    suffix = ["p1", *(zone.split(".") if zone else [])]
    return name if wire_length(name + suffix) <= MAX_NAME else None


# --- names, sections 1.2 and 1.3 ------------------------------------------------------------------

NXDOMAIN, NODATA = "NXDOMAIN", "NODATA"
Question = dict
Answer = Union[str, Question]  # NXDOMAIN, NODATA, or a question


def _lower(label: str) -> str:
    """Bytes 0x41-0x5A only: str.lower() would change others."""
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in label)


def _number(label: str) -> Optional[int]:
    try:
        return decimal(label)
    except Malformed:
        return None


def resolve(labels: list[str]) -> Answer:
    """What stands at a name; `labels` are those left of p1, leftmost first."""
    left = [_lower(label) for label in reversed(labels)]  # from here on from right to left
    if not left:
        return NODATA
    if not left[0].startswith("_"):
        return _path_question(left, lambda path: {"service": "module", "path": path})
    service = _SERVICES.get(left[0])
    return NXDOMAIN if service is None else service(left[1:])


def _path_question(left: list[str], question: Callable[[str], Question]) -> Answer:
    """`<path>`, or an ancestor of one, from right to left."""
    if not left:
        return NODATA
    cut = left.index("_") if "_" in left else len(left)
    host, elements = left[:cut], left[cut + 1 :]
    if not host or not all(_HOST_LABEL.fullmatch(label) for label in host):
        return NXDOMAIN
    if cut < len(left) and not elements:
        return NODATA
    decoded = [element_of_label(label) for label in elements]
    if any(element is None for element in decoded):
        return NXDOMAIN
    return question("/".join([".".join(reversed(host)), *(e for e in decoded if e is not None)]))


def _key_question(left: list[str], question: Callable[[str], Question]) -> Answer:
    """`<52 base32>` left of `_k`."""
    if not left:
        return NODATA
    if len(left) > 1:
        return NXDOMAIN
    try:
        return question(unb32_key(left[0]).hex())
    except Malformed:
        return NXDOMAIN


def _key(left: list[str]) -> Answer:
    return _key_question(left, lambda key: {"service": "key", "key": key})


def _toolchain(left: list[str]) -> Answer:
    return NXDOMAIN if left else {"service": "toolchain"}


def _majors(left: list[str]) -> Answer:
    return _path_question(left, lambda path: {"service": "majors", "basePath": path})


def _path_or_key(left: list[str], base: Question) -> Answer:
    if left and left[0] == "_k":
        return _key_question(left[1:], lambda key: {**base, "key": key})
    return _path_question(left, lambda path: {**base, "path": path})


def _versions(left: list[str]) -> Answer:
    if left and left[0].startswith("_p"):
        page = _number(left[0][2:])
        if page is None:
            return NXDOMAIN
        return _path_or_key(left[1:], {"service": "page", "page": page})
    return _path_or_key(left, {"service": "versions"})


def _head(left: list[str]) -> Answer:
    question: Question = {"service": "head"}
    rest = list(left)
    # `s<m>` alone or left of `e<e>`; `e<e>` and `t<time>` stand next to `_head`.
    if rest and rest[0][:1] in ("e", "t"):
        letter, number = rest[0][:1], _number(rest[0][1:])
        if number is None or (letter == "t" and len(rest) > 1):
            return NXDOMAIN
        question["epoch" if letter == "e" else "time"] = number
        rest = rest[1:]
    if rest:
        number = _number(rest[0][1:])
        if rest[0][:1] != "s" or number is None or len(rest) > 1:
            return NXDOMAIN
        question["since"] = number
    return question


def _two_numbers(service: str, first: str, second: str) -> Callable[[list[str]], Answer]:
    def resolve_pair(left: list[str]) -> Answer:
        numbers = [_number(label) for label in left]
        if len(left) > 2 or None in numbers:
            return NXDOMAIN
        if len(left) < 2:
            return NODATA
        return {"service": service, first: numbers[1], second: numbers[0]}

    return resolve_pair


_SERVICES: dict[str, Callable[[list[str]], Answer]] = {
    "_k": _key,
    "_toolchain": _toolchain,
    "_majors": _majors,
    "_versions": _versions,
    "_head": _head,
    "_consistency": _two_numbers("consistency", "oldSize", "newSize"),
    "_sumdb": _two_numbers("sumdb", "oldSize", "newSize"),
    "_record": _two_numbers("record", "index", "treeSize"),
}

# --- payloads, section 2 --------------------------------------------------------------------------

HEAD, COSIGNATURES, FRONTIER, EXTENSION = 0x01, 0x02, 0x03, 0x04
INCLUSION, NON_INCLUSION, EMPTY_MAP = 0x05, 0x06, 0x07
STATE, MAJORS, PAGE, LOG_PROOF = 0x08, 0x09, 0x0B, 0x0C


@dataclass(frozen=True)
class HeadSection:
    epoch: int
    log_signature: bytes
    map_root: bytes
    sumdb_size: int
    sumdb_root: bytes
    sumdb_signature: bytes


@dataclass(frozen=True)
class Cosignature:
    key_id: bytes
    time: int
    signature: bytes


@dataclass(frozen=True)
class MapProof:
    epoch: int
    path: Optional[tree.Path]  # None: the map is empty
    other: Optional[tree.Pair]  # the leaf that proves absence


@dataclass(frozen=True)
class Entry:
    index: int
    version: str
    zip_hash: bytes
    go_mod_hash: bytes


@dataclass(frozen=True)
class Head:
    section: HeadSection
    cosignatures: list[Cosignature]
    hashes: list[bytes]


@dataclass(frozen=True)
class ModuleAnswer:
    text: str  # empty: absent
    tag: int
    proof: MapProof
    state_text: Optional[str]
    major_items: Optional[str]


@dataclass
class Payload:
    text: str
    sections: dict[int, object] = field(default_factory=dict)

    def require(self, required: list[int], optional: list[int]) -> None:
        tags = set(self.sections)
        if not set(required) <= tags or not tags <= {*required, *optional}:
            raise Malformed(f"sections {sorted(tags)}")


def _read_epoch(reader: Reader) -> int:
    epoch = reader.uv()
    if epoch < 1:
        raise Malformed("epoch 0")
    return epoch


def _read_head(reader: Reader) -> HeadSection:
    return HeadSection(
        _read_epoch(reader),
        reader.take(SIGNATURE_SIZE),
        reader.take(HASH_SIZE),
        reader.uv(),
        reader.take(HASH_SIZE),
        reader.take(SIGNATURE_SIZE),
    )


def _read_count(reader: Reader) -> int:
    count = reader.uv()
    if count < 1 or count > reader.left():  # each entry has bytes; do not loop for a lie
        raise Malformed("count")
    return count


def _read_cosignatures(reader: Reader) -> list[Cosignature]:
    """Section 2.2: ascending by time, then key id; the first time in full, then differences."""
    out: list[Cosignature] = []
    time = 0
    for i in range(_read_count(reader)):
        key_id = reader.take(4)
        time += reader.uv()
        if time < 1 or time > MAX_NUMBER:
            raise Malformed("time")
        out.append(Cosignature(key_id, time, reader.take(SIGNATURE_SIZE)))
        if i > 0 and (out[-2].time, out[-2].key_id) >= (time, key_id):
            raise Malformed("order of cosignatures")
    if len({c.key_id for c in out}) != len(out):
        raise Malformed("a key id stands twice")
    return out


def _read_inclusion(reader: Reader) -> MapProof:
    return MapProof(_read_epoch(reader), tree.read_path(reader), None)


def _read_bytes(reader: Reader) -> bytes:
    length = reader.uv()
    if length < 1:
        raise Malformed("length 0")
    return reader.take(length)


def _read_non_inclusion(reader: Reader) -> MapProof:
    epoch, path = _read_epoch(reader), tree.read_path(reader)
    return MapProof(epoch, path, (reader.take(HASH_SIZE), _read_bytes(reader)))


def _read_empty_map(reader: Reader) -> MapProof:
    return MapProof(_read_epoch(reader), None, None)


def _read_text(reader: Reader) -> str:
    text = _read_bytes(reader).decode("latin-1")
    if not re.fullmatch(r"[\x20-\x7e\n]*", text):
        raise Malformed("bytes in a text")
    return text


def _read_page(reader: Reader) -> list[Entry]:
    count = _read_count(reader)
    if count > PAGE_SIZE:  # section 2.3
        raise Malformed("page of more than 256 entries")
    entries = [_read_entry(reader) for _ in range(count)]
    if any(a.index >= b.index for a, b in zip(entries, entries[1:])):
        raise Malformed("indexes do not ascend")
    return entries


def _read_entry(reader: Reader) -> Entry:
    index = reader.uv()
    length = reader.u8()
    version = reader.take(length).decode("latin-1")
    if not re.fullmatch(r"[\x21-\x7e]{1,90}", version):
        raise Malformed("version of an entry")
    return Entry(index, version, reader.take(HASH_SIZE), reader.take(HASH_SIZE))


_SECTIONS: dict[int, Callable[[Reader], object]] = {
    HEAD: _read_head,
    COSIGNATURES: _read_cosignatures,
    FRONTIER: Reader.hashes_to_end,
    EXTENSION: Reader.hashes_to_end,
    INCLUSION: _read_inclusion,
    NON_INCLUSION: _read_non_inclusion,
    EMPTY_MAP: _read_empty_map,
    STATE: _read_text,
    MAJORS: _read_text,
    PAGE: _read_page,
    LOG_PROOF: Reader.hashes_to_end,
}


def text_of(data: bytes) -> bytes:
    """The longest prefix of bytes 0x20-0x7E."""
    match = re.match(rb"[\x20-\x7e]*", data)
    return match.group() if match else b""


def parse_payload(data: bytes) -> Payload:
    if len(data) > MAX_PAYLOAD:
        raise Malformed("payload too long")
    text = text_of(data)
    reader = Reader(data[len(text) :])
    payload = Payload(text.decode("ascii"))
    last = 0
    while not reader.at_end():
        tag = reader.u8()
        if tag <= last or tag not in _SECTIONS:
            raise Malformed(f"tag {tag}")
        last = tag
        payload.sections[tag] = _SECTIONS[tag](reader)
    return payload


def _without_text(data: bytes) -> Payload:
    payload = parse_payload(data)
    if payload.text:
        raise Malformed("text in a payload that has none")
    return payload


def decode_head(data: bytes, plain: bool) -> Head:
    payload = _without_text(data)
    hashes = FRONTIER if plain else EXTENSION
    payload.require([HEAD, hashes], [COSIGNATURES])
    s = payload.sections
    return Head(s[HEAD], s.get(COSIGNATURES, []), s[hashes])  # type: ignore[arg-type]


def decode_answer(data: bytes) -> ModuleAnswer:
    payload = parse_payload(data)
    s = payload.sections
    if payload.text:
        payload.require([INCLUSION], [STATE, MAJORS])
        if len(payload.text) > 255:
            raise Malformed("value too long")
        tag = INCLUSION
    else:
        tag = EMPTY_MAP if EMPTY_MAP in s else NON_INCLUSION
        payload.require([tag], [])
    return ModuleAnswer(payload.text, tag, s[tag], s.get(STATE), s.get(MAJORS))  # type: ignore[arg-type]


def decode_page(data: bytes) -> list[Entry]:
    payload = _without_text(data)
    payload.require([PAGE], [])
    return payload.sections[PAGE]  # type: ignore[return-value]


def decode_log_proof(data: bytes) -> list[bytes]:
    payload = _without_text(data)
    payload.require([LOG_PROOF], [])
    return payload.sections[LOG_PROOF]  # type: ignore[return-value]


def character_strings(data: bytes, kind: str) -> list[bytes]:
    """Section 2: an answer begins with its text as a string of its own; the rest in full strings."""
    first = [text_of(data)] if kind == "answer" else []
    rest = data[len(first[0]) :] if first else data
    return first + [rest[i : i + 255] for i in range(0, len(rest), 255)]
