"""Proof files (proof-file.md). Checks stand in the order of the document."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Optional

import client
import dns
import ed25519
import mapfn
import notes
import tlog
from client import refusing, require
from encoding import MAX_NUMBER, Malformed, Reader, decimal, unb64

MAX_TEXT = 4_194_304
MAX_HASHES = 63
MAX_SECTIONS = 1024
TYPE = "c2sp.org/tlog-proof@v1"
EXTRA_TYPE = b"proofdns-proof/1\n"
SUBJECT, LEAF, ANSWER, PAGE, RECORD, PROOF = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Subject:
    kind: str  # module, versions, majors, toolchain, record
    path: str = ""
    version: str = ""

    @property
    def text(self) -> str:
        return " ".join(part for part in (self.kind, self.path, self.version) if part)

    def asked(self) -> client.Subject:
        if self.kind in ("module", "versions"):
            return client.Subject("module", self.path, self.kind == "versions")
        return client.Subject(self.kind, self.path)


@dataclass(frozen=True)
class File:
    extra: bytes
    index: int
    hashes: list[bytes]
    note: notes.Note
    head: tlog.TreeHead


@dataclass
class Extra:
    subject: Subject
    leaf: bytes
    answer: Optional[bytes] = None
    pages: list[bytes] = field(default_factory=list)
    record: Optional[bytes] = None
    proof: Optional[bytes] = None


@dataclass(frozen=True)
class Proven:
    subject: str
    epoch: int
    age_time: int
    value: Optional[str] = None
    versions: Optional[int] = None
    record: Optional[dns.Entry] = None


# --- form, sections 1 and 2 ---------------------------------------------------------------------------


def parse(text: str) -> File:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT:
        raise Malformed("too long")
    top, separator, note_text = text.partition("\n\n")
    if not separator:
        raise Malformed("no empty line")
    lines = top.split("\n")
    if len(lines) < 3 or lines[0] != TYPE or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise Malformed("first lines")
    extra = unb64(lines[1][len("extra ") :])
    if not extra:
        raise Malformed("no extra data")
    index = decimal(lines[2][len("index ") :])
    hashes = [unb64(line) for line in lines[3:]]
    if len(hashes) > MAX_HASHES or any(len(h) != 32 for h in hashes):
        raise Malformed("hashes")
    note = notes.parse_note(note_text)
    head = tlog.parse_tree_head(note.text)
    if index + 1 != head.size:
        raise Malformed("index")
    return File(extra, index, hashes, note, head)


def parse_subject(text: str) -> Subject:
    kind, *rest = text.split(" ")
    subject = Subject(kind, *rest) if len(rest) <= 2 else Subject("")
    words = {"module": 1, "versions": 1, "majors": 1, "toolchain": 0, "record": 2}.get(kind)
    if words != len(rest):
        raise Malformed("subject")
    if kind == "majors":
        join = ".v2" if subject.path.startswith("gopkg.in/") else "/v2"
        if mapfn.parse_path(subject.path + join) is None:
            raise Malformed("base path")
    elif kind != "toolchain":
        path = mapfn.parse_path(subject.path)
        if path is None:
            raise Malformed("module path")
        if kind == "record":
            version = mapfn.parse_version(subject.version)
            if version is None or not path.fits(version):
                raise Malformed("version")
    return subject


def parse_extra(data: bytes) -> Extra:
    if not data.startswith(EXTRA_TYPE):
        raise Malformed("type of the extra data")
    reader = Reader(data[len(EXTRA_TYPE) :])
    sections: list[tuple[int, bytes]] = []
    while not reader.at_end():
        tag = reader.u8()
        content = reader.take(reader.uv())
        last = sections[-1][0] if sections else 0
        if len(sections) == MAX_SECTIONS:
            raise Malformed("too many sections")
        if not SUBJECT <= tag <= PROOF or tag < last or (tag == last and tag != PAGE):
            raise Malformed("section")
        sections.append((tag, content))
    one = dict(sections)
    if SUBJECT not in one or LEAF not in one:
        raise Malformed("no subject or leaf")
    try:
        subject = parse_subject(one[SUBJECT].decode("ascii"))
        one[LEAF].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("text") from error
    pages = [content for tag, content in sections if tag == PAGE]
    if (ANSWER in one) == (subject.kind == "record") or (RECORD in one) != (PROOF in one):
        raise Malformed("sections")
    if RECORD not in one and subject.kind == "record":
        raise Malformed("no record")
    if RECORD in one and subject.kind not in ("module", "versions", "record"):
        raise Malformed("a record")
    if pages and subject.kind != "versions":
        raise Malformed("pages")
    return Extra(subject, one[LEAF], one.get(ANSWER), pages, one.get(RECORD), one.get(PROOF))


# --- verification, section 3 --------------------------------------------------------------------------


def verify(s: client.Settings, text: str, now: Optional[int], wanted: Optional[str]) -> Proven:
    with refusing("MALFORMED_PROOF"):
        file = parse(text)
        extra = parse_extra(file.extra)
    require(wanted is None or wanted == extra.subject.text, "BAD_PROOF", "another subject")
    head = _head(s, file, extra.leaf, now)
    proven = Proven(extra.subject.text, head.epoch, head.age_time)
    latest: Optional[client.Item] = None
    if extra.answer is not None:
        subject = extra.subject.asked()
        answer = client.verify_answer(s, head, None, subject, extra.answer)
        require(bool(answer.items) or not (extra.pages or extra.record), "MALFORMED_PROOF", "of what is absent")
        proven = replace(proven, value=dns.decode_answer(extra.answer).text)
        if answer.state is not None:
            n = answer.state.sub_log.size
            require(len(extra.pages) == -(-n // dns.PAGE_SIZE), "MALFORMED_PROOF", "number of pages")
            with refusing("MALFORMED_ANSWER"):
                lengths = [len(dns.decode_page(page)) for page in extra.pages]
            exact = [min(dns.PAGE_SIZE, n - dns.PAGE_SIZE * k) for k in range(len(lengths))]
            require(lengths == exact, "MALFORMED_PROOF", "number of records")
            proven = replace(proven, versions=client.verify_versions(head, answer.state, extra.pages))
        latest = answer.items[0] if answer.items else None
    if extra.record is not None and extra.proof is not None:
        entry = _record(head, extra, latest)
        proven = replace(proven, record=entry)
    return proven


def _own(file: File, key: notes.VerifierKey) -> list[bytes]:
    return [s for name, identifier, s in file.note.signatures if (name, identifier) == (key.name, key.key_id)]


def _head(s: client.Settings, file: File, leaf: bytes, now: Optional[int]) -> client.Head:
    """Steps 4 to 8."""
    own = _own(file, s.log_key)
    require(file.head.first_line == s.origin and len(own) == 1, "BAD_LOG_SIGNATURE")
    require(ed25519.verify(s.log_key.public, file.note.text, own[0]), "BAD_LOG_SIGNATURE")
    with refusing("MALFORMED_PROOF"):
        root = tlog.inclusion_root(file.index, file.head.size, tlog.leaf_hash(leaf), file.hashes)
    require(root == file.head.root, "BAD_PROOF", "leaf")
    map_root, sumdb, sumdb_signature = _leaf(s, leaf)
    with refusing("MALFORMED_PROOF"):
        cosignatures = _cosignatures(s, file)
    tree_head = tlog.tree_head_text(sumdb.size, sumdb.root)
    require(ed25519.verify(s.sumdb_key.public, tree_head, sumdb_signature), "BAD_SUMDB_SIGNATURE")
    for c in cosignatures:
        witness = s.policy.witness_by_key_id(c.key_id)
        assert witness is not None
        message = tlog.cosignature_message(c.time, file.note.text)
        require(ed25519.verify(witness.public, message, c.signature), "BAD_COSIGNATURE")
    if now is None:
        s = replace(s, now=max([c.time for c in cosignatures], default=0), max_age=MAX_NUMBER)
    else:
        s = replace(s, now=now)
    unknown = s.policy.quorum == "none" and not s.freshness_required
    age = 0 if unknown else client.age_time(s, client._fresh(s, cosignatures))
    frontier = tlog.frontier(file.index, list(reversed(file.hashes))).append_leaf(tlog.leaf_hash(leaf))
    return client.Head(frontier, leaf, map_root, sumdb, age)


def _leaf(s: client.Settings, leaf: bytes) -> tuple[bytes, tlog.TreeHead, bytes]:
    """Step 6: a leaf is what its own parts make."""
    with refusing("BAD_SUMDB_SIGNATURE"):
        map_root, sumdb = tlog.parse_leaf(leaf)
        note = notes.parse_note(leaf.decode("utf-8").split("\n", 1)[1])
        own = [x for name, identifier, x in note.signatures if (name, identifier) == (s.sumdb_key.name, s.sumdb_key.key_id)]
    require(len(own) == 1 and len(own[0]) == 64, "BAD_SUMDB_SIGNATURE")
    key = s.sumdb_key
    made = tlog.leaf_text(map_root, sumdb.size, sumdb.root, key.name, key.key_id, own[0])
    require(made == leaf, "BAD_SUMDB_SIGNATURE", "another form")
    return map_root, sumdb, own[0]


def _cosignatures(s: client.Settings, file: File) -> list[dns.Cosignature]:
    out = []
    for witness in s.policy.witnesses.values():
        own = _own(file, witness)
        if not own:
            continue
        if len(own) > 1 or len(own[0]) != 72:
            raise Malformed("cosignature")
        time = int.from_bytes(own[0][:8], "big")
        if not 1 <= time <= MAX_NUMBER:
            raise Malformed("time")
        out.append(dns.Cosignature(witness.key_id, time, own[0][8:]))
    return out


def _record(head: client.Head, extra: Extra, latest: Optional[client.Item]) -> dns.Entry:
    """Step 11."""
    assert extra.record is not None and extra.proof is not None
    with refusing("MALFORMED_ANSWER"):
        entries = dns.decode_page(extra.record)
        dns.decode_log_proof(extra.proof)
    require(len(entries) == 1, "BAD_RECORD_PROOF", "number of records")
    entry = entries[0]
    path = extra.subject.path
    made = mapfn.make_record(path, entry.version, entry.zip_hash, entry.go_mod_hash)
    require(made is not None, "BAD_RECORD_PROOF", "no record")
    if extra.subject.kind == "record":
        require(entry.version == extra.subject.version, "BAD_RECORD_PROOF", "version")
    item = client.Item(entry.version, "", entry.index, zip_hash=entry.zip_hash, go_mod_hash=entry.go_mod_hash)
    if latest is not None:
        fields = (latest.version, latest.index, latest.zip_hash, latest.go_mod_hash)
        require(fields == (item.version, item.index, item.zip_hash, item.go_mod_hash), "BAD_RECORD_PROOF", "latest")
    client.verify_record(head, path, item, extra.proof)
    return entry
