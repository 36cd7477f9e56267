"""The map function gomod-latest/1 (map.md)."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, Optional

import tlog
import tree
from encoding import Malformed, b64, b64_unpadded, decimal, sha256, unb64, unb64_hash

RELEASE, PRE, PSEUDO = "release", "pre", "pseudo"
MAX_VERSION = 90
MAX_VALUE = 255
MAX_INCOMPATIBLE = 16
TOOLCHAIN_PATH = "golang.org/toolchain"
TOOLCHAIN = "toolchain"

# --- versions, section 2 --------------------------------------------------------------------------

_NUM = r"(?:0|[1-9][0-9]*)"
_VERSION = re.compile(rf"v({_NUM})\.({_NUM})\.({_NUM})(?:-([0-9A-Za-z.-]+))?(\+incompatible)?")
_PSEUDO = re.compile(
    rf"(?:v{_NUM}\.0\.0-|v{_NUM}\.{_NUM}\.{_NUM}-0\.|v{_NUM}\.{_NUM}\.{_NUM}-.*\.0\.)([0-9]{{14}})-[0-9A-Za-z]+"
)


def number_key(digits: str) -> tuple[int, str]:
    """Orders digit strings without leading zeros as numbers."""
    return len(digits), digits


@dataclass(frozen=True)
class Version:
    text: str
    numbers: tuple[str, str, str]
    pre: tuple[str, ...]  # empty without `pre`
    incompatible: bool
    kind: str
    timestamp: str  # empty unless a pseudo-version

    @property
    def major(self) -> str:
        return self.numbers[0]

    @property
    def order(self) -> tuple:
        """Sort key of section 2.2. All texts are ASCII: comparing characters compares bytes."""
        idents = tuple((0, len(i), i) if i.isdigit() else (1, 0, i) for i in self.pre)
        return (*map(number_key, self.numbers), not self.pre, idents, self.text)

    def higher(self, other: "Version") -> bool:
        return self.order > other.order


def parse_version(text: str) -> Optional[Version]:
    """A canonical version of at most 90 bytes, or None."""
    match = _VERSION.fullmatch(text)
    if match is None or len(text) > MAX_VERSION:
        return None
    major, minor, patch, pre, plus = match.groups()
    idents = tuple(pre.split(".")) if pre is not None else ()
    for ident in idents:
        if not ident or (ident.isdigit() and len(ident) > 1 and ident[0] == "0"):
            return None
    pseudo = _PSEUDO.fullmatch(text[: -len(plus)] if plus else text)
    kind = PSEUDO if pseudo else PRE if idents else RELEASE
    return Version(text, (major, minor, patch), idents, bool(plus), kind, pseudo.group(1) if pseudo else "")


# --- module paths, section 3 ----------------------------------------------------------------------

_ELEMENT = re.compile(r"[A-Za-z0-9\-._~]+")
_FIRST_ELEMENT = re.compile(r"[a-z0-9\-.]+")
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class ModulePath:
    text: str
    base: str  # the path without its version suffix
    major: Optional[str]  # the digits of the suffix
    unstable: bool

    @property
    def family(self) -> Optional[str]:
        """The subject of the family that the path belongs to (section 7)."""
        if self.major is None or self.unstable or len(self.major) > 20:
            return None
        return family_subject(self.base)

    def fits(self, version: Version) -> bool:
        """Section 3.3, and rule 4 of section 1."""
        if version.incompatible and (self.major is not None or version.major in ("0", "1")):
            return False
        if self.major is None:
            return version.incompatible or version.major in ("0", "1")
        if version.major == self.major:
            return True
        return self.text.startswith("gopkg.in/") and self.major == "1" and version.text.startswith("v0.0.0-")


def family_subject(base: str) -> str:
    return base + (".v*" if base.startswith("gopkg.in/") else "/v*")


def _element_ok(element: str) -> bool:
    if not _ELEMENT.fullmatch(element) or element[0] == "." or element[-1] == ".":
        return False
    short = element.split(".", 1)[0]
    return not _RESERVED.fullmatch(short) and not re.search(r"~[0-9]+\Z", short)


def parse_path(text: str) -> Optional[ModulePath]:
    """A module path, or None (section 3.1)."""
    elements = text.split("/")
    if text.startswith("-") or not all(_element_ok(element) for element in elements):
        return None
    if "." not in elements[0] or not _FIRST_ELEMENT.fullmatch(elements[0]):
        return None
    return _gopkg_path(text) if text.startswith("gopkg.in/") else _suffixed_path(text)


def _gopkg_path(text: str) -> Optional[ModulePath]:
    unstable = text.endswith("-unstable")
    stem = text[: -len("-unstable")] if unstable else text
    match = re.fullmatch(r"(.+)\.v(0|[1-9][0-9]*)", stem)
    if match is None or (unstable and match.group(2) == "0"):
        return None
    return ModulePath(text, match.group(1), match.group(2), unstable)


def _suffixed_path(text: str) -> Optional[ModulePath]:
    before = text.rstrip("0123456789.")
    run = text[len(before) :]
    if not run or len(before) < 3 or not before.endswith("/v"):
        return ModulePath(text, text, None, False)
    if "." in run or run[0] == "0" or run == "1":
        return None
    return ModulePath(text, before[:-2], run, False)


# --- records, section 1 ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    path: ModulePath
    version: Version
    zip_hash: bytes
    go_mod_hash: bytes

    def encode(self) -> bytes:
        return record_bytes(self.path.text, self.version.text, self.zip_hash, self.go_mod_hash)

    @property
    def hash(self) -> bytes:
        return tlog.leaf_hash(self.encode())


def record_bytes(path: str, version: str, zip_hash: bytes, go_mod_hash: bytes) -> bytes:
    return f"{path} {version} h1:{b64(zip_hash)}\n{path} {version}/go.mod h1:{b64(go_mod_hash)}\n".encode("ascii")


_RECORD = re.compile(r"([^ \n]+) ([^ \n]+) h1:([^ \n]+)\n\1 \2/go\.mod h1:([^ \n]+)\n")


def make_record(path: str, version: str, zip_hash: bytes, go_mod_hash: bytes) -> Optional[Record]:
    p, v = parse_path(path), parse_version(version)
    if p is None or v is None or not p.fits(v) or len(zip_hash) != 32 or len(go_mod_hash) != 32:
        return None
    return Record(p, v, zip_hash, go_mod_hash)


def parse_record(data: bytes) -> Optional[Record]:
    """A well-formed record, or None. Latin-1 keeps every byte apart; the rules then refuse all but ASCII."""
    match = _RECORD.fullmatch(data.decode("latin-1"))
    if match is None:
        return None
    path, version, zip_hash, go_mod_hash = match.groups()
    try:
        return make_record(path, version, unb64(zip_hash), unb64(go_mod_hash))
    except Malformed:
        return None


# --- state, section 5 -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    version: Version
    index: int
    zip_hash: bytes
    go_mod_hash: bytes

    def encode(self, letter: str) -> str:
        hashes = f"{b64_unpadded(self.zip_hash)} {b64_unpadded(self.go_mod_hash)}"
        return f"{letter} {self.version.text} {self.index} {hashes}\n"


MajorKey = tuple  # (semver major, whether +incompatible)


def _major_order(key: MajorKey) -> tuple:
    return number_key(key[0]), key[1]


@dataclass
class State:
    path: ModulePath
    sub_log: tlog.Frontier = tlog.EMPTY
    releases: dict[MajorKey, Line] = field(default_factory=dict)
    pres: dict[MajorKey, Line] = field(default_factory=dict)
    pseudo: Optional[Line] = None

    def fold(self, index: int, record: Record) -> None:
        data = index.to_bytes(8, "big") + record.hash
        self.sub_log = self.sub_log.append_leaf(tlog.leaf_hash(data))
        line = Line(record.version, index, record.zip_hash, record.go_mod_hash)
        if record.version.kind == PSEUDO:
            if self.pseudo is None or _newer_pseudo(line.version, self.pseudo.version):
                self.pseudo = line
            return
        lines = self.releases if record.version.kind == RELEASE else self.pres
        key = (record.version.major, record.version.incompatible)
        if key not in lines or line.version.higher(lines[key].version):
            lines[key] = line
        self._drop_incompatible()

    def _drop_incompatible(self) -> None:
        majors = [key for key in self.majors() if key[1]]
        if len(majors) > MAX_INCOMPATIBLE:
            self.releases.pop(majors[0], None)
            self.pres.pop(majors[0], None)

    def majors(self) -> list[MajorKey]:
        return sorted({*self.releases, *self.pres}, key=_major_order)

    def text(self) -> str:
        out = [f"n {self.sub_log.size}\n"]
        out += [f"p {b64_unpadded(peak)}\n" for peak in self.sub_log.peaks]
        for key in self.majors():
            if key in self.releases:
                out.append(self.releases[key].encode("r"))
            if key in self.pres:
                out.append(self.pres[key].encode("q"))
        if self.pseudo is not None:
            out.append(self.pseudo.encode("u"))
        return "".join(out)

    # --- value, section 6

    def considered(self) -> tuple[list[Line], list[Line]]:
        """The considered release and pre-release lines."""
        plain = [line for lines in (self.releases, self.pres) for key, line in lines.items() if not key[1]]
        only_plain = bool(plain) and self._has_go_mod(max(plain, key=lambda line: line.version.order))
        releases, pres = (
            [line for key, line in lines.items() if not (only_plain and key[1])]
            for lines in (self.releases, self.pres)
        )
        return releases, pres

    def _has_go_mod(self, line: Line) -> bool:
        return line.go_mod_hash != synthetic_go_mod_hash(self.path.text)

    def latest(self) -> Line:
        for lines in self.considered():
            if lines:
                return _highest(lines)
        if self.pseudo is None:
            raise Malformed("a state without lines")
        return self.pseudo

    def value(self) -> str:
        latest = self.latest()
        items = [
            f"v={latest.version.text}{kind_field(latest.version)} i={latest.index} "
            f"h={b64_unpadded(latest.zip_hash)} m={b64_unpadded(latest.go_mod_hash)} "
            f"s={b64_unpadded(sha256(self.text().encode('ascii')))}"
        ]
        releases, pres = self.considered()
        other_majors = {line.version.major for line in releases} - {latest.version.major}
        for major in sorted(other_majors, key=number_key, reverse=True):
            line = _highest([line for line in releases if line.version.major == major])
            items.append(f"v={line.version.text} i={line.index}")
        if latest.version.kind == RELEASE and pres:
            line = _highest(pres)
            if line.version.higher(latest.version):
                items.append(f"v={line.version.text} k=pre i={line.index}")
        return cut(items)


def _newer_pseudo(a: Version, b: Version) -> bool:
    return (a.timestamp, a.order) > (b.timestamp, b.order)


def _highest(lines: list[Line]) -> Line:
    return max(lines, key=lambda line: line.version.order)


def kind_field(version: Version) -> str:
    return "" if version.kind == RELEASE else f" k={version.kind}"


def synthetic_go_mod_hash(path: str) -> bytes:
    file_hash = sha256(f"module {path}\n".encode("ascii")).hex()
    return sha256(f"{file_hash}  go.mod\n".encode("ascii"))


def cut(items: Iterable[str]) -> str:
    """Items are added while the whole text is at most 255 bytes."""
    value = ""
    for item in items:
        longer = f"{value}; {item}" if value else item
        if len(longer) > MAX_VALUE:
            break
        value = longer
    return value


_LINE = re.compile(r"([rqu]) ([^ \n]+) ([0-9]+) ([^ \n]{43}) ([^ \n]{43})")
_LETTER_OF_KIND = {RELEASE: "r", PRE: "q", PSEUDO: "u"}


def parse_state(path: ModulePath, text: str) -> State:
    """A canonical state: one that is the text of itself, with lines that records of the path can have."""
    if not text.endswith("\n"):
        raise Malformed("state does not end in LF")
    lines = text[:-1].split("\n")
    if not lines[0].startswith("n "):
        raise Malformed("state: n")
    count = decimal(lines[0][2:])
    peaks = [unb64_hash(line[2:]) for line in lines if line.startswith("p ")]
    state = State(path, tlog.frontier(count, peaks))
    rest = lines[1 + len(peaks) :]
    for text_line in rest:
        _parse_state_line(state, text_line)
    incompatible = [key for key in state.majors() if key[1]]
    # Writing it again decides about the order of lines, doubled lines and everything misplaced.
    if count < 1 or not rest or len(incompatible) > MAX_INCOMPATIBLE or state.text() != text:
        raise Malformed("state is not canonical")
    return state


def _parse_state_line(state: State, text: str) -> None:
    match = _LINE.fullmatch(text)
    if match is None:
        raise Malformed("state line")
    letter, version_text, index, zip_hash, go_mod_hash = match.groups()
    version = parse_version(version_text)
    if version is None or not state.path.fits(version) or _LETTER_OF_KIND[version.kind] != letter:
        raise Malformed("state line: version")
    line = Line(version, decimal(index), unb64_hash(zip_hash), unb64_hash(go_mod_hash))
    if letter == "u":
        state.pseudo = line
    else:
        (state.releases if letter == "r" else state.pres)[(version.major, version.incompatible)] = line


# --- majors of a family, section 7 ------------------------------------------------------------------


def majors_value(items: list[str]) -> str:
    """The value made of the items of a family."""
    commitment = b64_unpadded(sha256("; ".join(items).encode("ascii")))
    return cut([f"{items[0]} s={commitment}", *items[1:]])


def family_items(subject: str, states: dict[str, State]) -> list[str]:
    members = [state for state in states.values() if state.path.family == subject]
    members.sort(key=lambda state: number_key(state.path.major or ""), reverse=True)
    items = [_family_item(f"v{state.path.major}", state) for state in members]
    base = states.get(subject[: -len("/v*")])
    if base is not None:
        items.append(_family_item("-", base))
    return items


def _family_item(suffix: str, state: State) -> str:
    latest = state.latest()
    return f"p={suffix} v={latest.version.text}{kind_field(latest.version)} i={latest.index}"


# --- toolchain, section 8 ---------------------------------------------------------------------------

_POS = r"[1-9][0-9]*"
_GO = re.compile(rf"go1\.({_NUM})(?:\.({_NUM})|rc({_POS})|beta({_POS}))?")
_TOOLCHAIN_VERSION = re.compile(r"v0\.0\.1-(go1\..+)\.[a-z0-9]+-[a-z0-9]+")


@dataclass(frozen=True)
class GoVersion:
    text: str
    minor: str
    stage: int  # 0 beta, 1 release candidate, 2 release
    last: str

    @property
    def is_release(self) -> bool:
        return self.stage == 2

    @property
    def order(self) -> tuple:
        return number_key(self.minor), self.stage, number_key(self.last), self.text


def parse_go(text: str) -> Optional[GoVersion]:
    match = _GO.fullmatch(text)
    if match is None or len(text) > 40:
        return None
    minor, patch, rc, beta = match.groups()
    if beta is not None:
        return GoVersion(text, minor, 0, beta)
    if rc is not None:
        return GoVersion(text, minor, 1, rc)
    return GoVersion(text, minor, 2, patch or "0")


def toolchain_go(record: Record) -> Optional[GoVersion]:
    """The `go` of a record that counts."""
    match = _TOOLCHAIN_VERSION.fullmatch(record.version.text)
    return parse_go(match.group(1)) if match and record.path.text == TOOLCHAIN_PATH else None


def toolchain_value(first_index: dict[GoVersion, int]) -> str:
    """From every `go` and the index of its first record."""
    releases = [go for go in first_index if go.is_release]
    cur = max(releases, key=lambda go: go.order, default=None)
    lower = [go for go in releases if cur and number_key(go.minor) < number_key(cur.minor)]
    prev = max(lower, key=lambda go: go.order, default=None)
    newest = max(first_index, key=lambda go: go.order, default=None)
    following = newest if newest and not newest.is_release else None
    chosen = (("cur", cur), ("prev", prev), ("next", following))
    return "; ".join(f"v={go.text} k={kind} i={first_index[go]}" for kind, go in chosen if go)


# --- the map, section 9 -----------------------------------------------------------------------------


@dataclass
class Map:
    """The fold of all records."""

    states: dict[str, State] = field(default_factory=dict)
    gos: dict[GoVersion, int] = field(default_factory=dict)
    count: int = 0

    def add(self, data: bytes) -> None:
        index = self.count
        self.count += 1
        record = parse_record(data)
        if record is None:
            return
        self.states.setdefault(record.path.text, State(record.path)).fold(index, record)
        go = toolchain_go(record)
        if go is not None:
            self.gos.setdefault(go, index)

    def subjects(self) -> dict[str, str]:
        out = {path: state.value() for path, state in self.states.items()}
        families = {state.path.family for state in self.states.values()} - {None}
        for subject in families:
            out[subject] = majors_value(family_items(subject, self.states))
        if self.gos:
            out[TOOLCHAIN] = toolchain_value(self.gos)
        return out

    def root(self) -> bytes:
        return tree.root([(index_key(s), v.encode("ascii")) for s, v in self.subjects().items()])


def index_key(subject: str) -> bytes:
    return sha256(subject.encode("ascii"))
