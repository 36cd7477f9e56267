"""What a client verifies (client.md). Checks stand in the order of the document."""
from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Callable, Iterator, Optional

import dns
import ed25519
import mapfn
import notes
import tlog
import tree
from encoding import Malformed, Refused, b64_unpadded, decimal, is_decimal_digits, sha256, unb64, unb64_hash

FUTURE = 300  # section 3 step 9.3


@contextmanager
def refusing(code: str) -> Iterator[None]:
    """What does not decode is refused with this code."""
    try:
        yield
    except Malformed as error:
        raise Refused(code, str(error)) from error


def require(condition: bool, code: str, why: str = "") -> None:
    if not condition:
        raise Refused(code, why)


# --- inputs, section 1 ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    origin: str
    policy: notes.Policy
    log_key: notes.VerifierKey
    sumdb_key: notes.VerifierKey
    now: int
    max_age: int
    max_lag: int
    freshness_required: bool = True


def settings(
    zone: str,
    policy_text: str,
    sumdb_key: str,
    now: int,
    max_age: int = 86_400,
    max_lag: int = 900,
    freshness_required: bool = True,
) -> Settings:
    origin = f"{zone}/p1"
    with refusing("MALFORMED_POLICY"):
        policy = notes.parse_policy(policy_text)
    log_key = policy.log_key(origin)
    if log_key is None:
        raise Refused("NO_LOG_KEY")
    with refusing("MALFORMED_VERIFIER_KEY"):
        key = notes.parse_vkey(sumdb_key, notes.TYPE_ED25519)
    return Settings(origin, policy, log_key, key, now, max_age, max_lag, freshness_required)


@dataclass(frozen=True)
class Head:
    """A verified head, which is also what a memory holds."""

    frontier: tlog.Frontier
    leaf: bytes
    map_root: bytes
    sumdb: tlog.TreeHead
    age_time: int

    @property
    def epoch(self) -> int:
        return self.frontier.size

    @property
    def root(self) -> bytes:
        return self.frontier.root()


def memory(epoch: int, peaks: list[bytes], leaf: bytes, age_time: int) -> Head:
    map_root, sumdb = tlog.parse_leaf(leaf)
    return Head(tlog.frontier(epoch, peaks), leaf, map_root, sumdb, age_time)


# --- quorums and times, section 2 -------------------------------------------------------------------

Cosignatures = list  # of dns.Cosignature


def satisfies(s: Settings, cosignatures: Cosignatures) -> bool:
    return s.policy.satisfied({c.key_id for c in cosignatures})


def age_time(s: Settings, cosignatures: Cosignatures) -> int:
    """The largest T such that those with time >= T satisfy the quorum."""
    times = sorted({c.time for c in cosignatures}, reverse=True)
    return next(t for t in times if satisfies(s, [c for c in cosignatures if c.time >= t]))


# --- head, section 3 --------------------------------------------------------------------------------


def verify_head(
    s: Settings, known: Optional[Head], form: str, asked: Optional[int], payload: bytes, consistency: Optional[bytes]
) -> Head:
    head, cosignatures = _signed_head(s, known, form, asked, payload, consistency)
    unknown = s.policy.quorum == "none" and not s.freshness_required
    age = 0 if unknown else age_time(s, _fresh(s, cosignatures))
    _require_consistency(s, known, head, form, consistency, age)
    return replace(head, age_time=age)


def _signed_head(
    s: Settings, known: Optional[Head], form: str, asked: Optional[int], payload: bytes, consistency: Optional[bytes]
) -> tuple[Head, Cosignatures]:
    """Steps 1 to 8. The age time is still open."""
    if form not in ("plain", "since") or (form == "since" and known is None):
        raise ValueError("form")
    since = known if form == "since" else None
    with refusing("MALFORMED_ANSWER"):
        decoded = dns.decode_head(payload, plain=since is None)
    epoch = decoded.section.epoch
    require(asked is None or epoch == asked, "WRONG_EPOCH")
    require(since is None or epoch >= since.epoch, "WRONG_EPOCH")
    head = _append(s, since, decoded)
    _check_signatures(s, head, decoded)
    cosignatures = _check_cosignatures(s, head, decoded.cosignatures)
    if known is not None:
        _compare(known, head, consistency)
    return head, cosignatures


def _append(s: Settings, since: Optional[Head], decoded: dns.Head) -> Head:
    """Steps 3 and 4: the new frontier."""
    section = decoded.section
    before = section.epoch - 1
    if since is None:
        expected = len(tlog.subtree_sizes(before))
    else:
        expected = len(tlog.cover(since.epoch, before))  # empty for since.epoch > before
    require(len(decoded.hashes) == expected, "MALFORMED_ANSWER", "number of hashes")
    key = s.sumdb_key
    leaf = tlog.leaf_text(
        section.map_root, section.sumdb_size, section.sumdb_root, key.name, key.key_id, section.sumdb_signature
    )
    if since is not None and since.epoch == section.epoch:
        require(leaf == since.leaf, "BAD_LEAF")
        frontier = since.frontier
    else:
        old = since.frontier if since is not None else tlog.EMPTY
        frontier = tlog.extend(old, before, decoded.hashes).append_leaf(tlog.leaf_hash(leaf))
    sumdb = tlog.TreeHead("go.sum database tree", section.sumdb_size, section.sumdb_root)
    return Head(frontier, leaf, section.map_root, sumdb, 0)


def _check_signatures(s: Settings, head: Head, decoded: dns.Head) -> None:
    """Steps 5 and 6."""
    checkpoint = tlog.checkpoint_text(s.origin, head.epoch, head.root)
    section = decoded.section
    require(ed25519.verify(s.log_key.public, checkpoint, section.log_signature), "BAD_LOG_SIGNATURE")
    tree_head = tlog.tree_head_text(head.sumdb.size, head.sumdb.root)
    require(ed25519.verify(s.sumdb_key.public, tree_head, section.sumdb_signature), "BAD_SUMDB_SIGNATURE")


def _check_cosignatures(s: Settings, head: Head, cosignatures: Cosignatures) -> Cosignatures:
    """Step 7: those of the policy's witnesses, verified."""
    checkpoint = tlog.checkpoint_text(s.origin, head.epoch, head.root)
    out = []
    for c in cosignatures:
        witness = s.policy.witness_by_key_id(c.key_id)
        if witness is None:
            continue
        message = tlog.cosignature_message(c.time, checkpoint)
        require(ed25519.verify(witness.public, message, c.signature), "BAD_COSIGNATURE")
        out.append(c)
    return out


def _compare(known: Head, head: Head, consistency: Optional[bytes]) -> None:
    """Step 8."""
    require(head.epoch != known.epoch or head.root == known.root, "FORK")
    if head.sumdb.size == known.sumdb.size:
        require(head.sumdb.root == known.sumdb.root, "SUMDB_FORK")
    if head.epoch > known.epoch:
        require(head.sumdb.size > known.sumdb.size, "SUMDB_ROLLBACK")
    elif head.epoch < known.epoch:
        require(head.sumdb.size < known.sumdb.size, "SUMDB_ROLLBACK")
    if head.epoch != known.epoch and consistency is not None:
        a, b = ((h.epoch, h.root) for h in (known, head))
        _check_extension(a, b, consistency, "FORK", "EXTENSION_NOT_PROVEN")


SizedRoot = tuple  # (size, root)


def _check_extension(one: SizedRoot, other: SizedRoot, payload: bytes, fork: str, not_proven: str) -> None:
    """Step 8.4, for two trees of different size in any order."""
    (m, old_root), (n, new_root) = sorted((one, other))
    with refusing("MALFORMED_ANSWER"):
        proof = dns.decode_log_proof(payload)
        old, new = tlog.consistency_roots(m, n, old_root, proof)
    if (old, new) != (old_root, new_root):
        raise Refused(fork if new == new_root else not_proven)


def _fresh(s: Settings, cosignatures: Cosignatures) -> Cosignatures:
    """Step 9: the cosignatures of the window."""
    require(s.policy.quorum != "none", "NO_FRESHNESS")
    require(satisfies(s, cosignatures), "NO_QUORUM")
    not_future = [c for c in cosignatures if c.time <= s.now + FUTURE]
    window = [c for c in not_future if c.time >= s.now - s.max_age]
    if not satisfies(s, window):
        raise Refused("STALE" if satisfies(s, not_future) else "FROM_FUTURE")
    return window


def _require_consistency(
    s: Settings, known: Optional[Head], head: Head, form: str, consistency: Optional[bytes], age: int
) -> None:
    """Step 10. Since m < e the frontier itself is the extension. An age of 0 is unknown."""
    if known is None or known.epoch == head.epoch or consistency is not None:
        return
    if known.epoch > head.epoch and 0 not in (age, known.age_time):
        require(known.age_time - age <= s.max_lag, "LAGGING")
    require(form == "since" and head.epoch > known.epoch, "CONSISTENCY_MISSING")


# --- form of values, section 5 ----------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """One item of a value. What a kind of value does not have stays empty."""

    version: str
    kind: str  # of the version, or cur, prev, next
    index: int
    suffix: str = ""
    path: str = ""
    zip_hash: bytes = b""
    go_mod_hash: bytes = b""
    commitment: bytes = b""


def _fields(text: str, names: list[str], optional: tuple[str, ...] = ()) -> dict[str, str]:
    """The fields of an item, exactly these in this order."""
    out: dict[str, str] = {}
    for part in text.split(" "):
        key, equals, value = part.partition("=")
        if not equals or key in out:
            raise Malformed("field")
        out[key] = value
    if list(out) != [name for name in names if name in out or name not in optional]:
        raise Malformed("fields")
    return out


def _versioned(path: Optional[mapfn.ModulePath], fields: dict[str, str]) -> mapfn.Version:
    """The version of an item: canonical, fits the path, has the kind that `k` says."""
    version = mapfn.parse_version(fields["v"])
    if path is None or version is None or not path.fits(version):
        raise Malformed("version")
    said = fields.get("k", mapfn.RELEASE)
    if said != version.kind or fields.get("k") == mapfn.RELEASE:
        raise Malformed("kind")
    return version


def parse_module_value(path: mapfn.ModulePath, value: str) -> list[Item]:
    first_text, *rest = value.split("; ")
    fields = _fields(first_text, ["v", "k", "i", "h", "m", "s"], ("k",))
    latest = _versioned(path, fields)
    first = Item(
        latest.text,
        latest.kind,
        decimal(fields["i"]),
        zip_hash=unb64_hash(fields["h"]),
        go_mod_hash=unb64_hash(fields["m"]),
        commitment=unb64_hash(fields["s"]),
    )
    if rest and latest.kind != mapfn.RELEASE:
        raise Malformed("items after one that is no release")
    return [first, *_other_items(path, latest, rest)]


def _other_items(path: mapfn.ModulePath, latest: mapfn.Version, texts: list[str]) -> list[Item]:
    out = []
    above: Optional[tuple] = None
    for position, text in enumerate(texts):
        fields = _fields(text, ["v", "k", "i"], ("k",))
        version = _versioned(path, fields)
        if version.kind == mapfn.RELEASE:
            major = mapfn.number_key(version.major)
            if version.major == latest.major or (above is not None and major >= above):
                raise Malformed("order of majors")
            above = major
        elif version.kind != mapfn.PRE or position != len(texts) - 1 or not version.higher(latest):
            raise Malformed("pre-release item")
        out.append(Item(version.text, version.kind, decimal(fields["i"])))
    return out


def parse_majors_value(base: str, value: str, with_commitment: bool) -> list[Item]:
    out: list[Item] = []
    texts = value.split("; ")
    above: Optional[tuple] = None
    for position, text in enumerate(texts):
        names = ["p", "v", "k", "i"] + (["s"] if with_commitment and position == 0 else [])
        fields = _fields(text, names, ("k",))
        suffix = fields["p"]
        if suffix == "-":
            if position == 0 or position != len(texts) - 1:
                raise Malformed("place of p=-")
            path = mapfn.parse_path(base)
        else:
            path = _family_member(base, suffix)
            number = mapfn.number_key(suffix[1:])
            if above is not None and number >= above:
                raise Malformed("order of majors")
            above = number
        version = _versioned(path, fields)
        assert path is not None
        commitment = unb64_hash(fields["s"]) if "s" in fields else b""
        out.append(
            Item(version.text, version.kind, decimal(fields["i"]), suffix, path.text, commitment=commitment)
        )
    return out


def _family_member(base: str, suffix: str) -> mapfn.ModulePath:
    if suffix[:1] != "v" or len(suffix) > 21 or not is_decimal_digits(suffix[1:]):
        raise Malformed("p")
    subject = mapfn.family_subject(base)
    path = mapfn.parse_path(subject[:-1] + suffix[1:])  # the subject ends in `v*`
    if path is None or path.family != subject:
        raise Malformed("path of an item")
    return path


def parse_toolchain_value(value: str) -> list[Item]:
    out: list[Item] = []
    gos: dict[str, mapfn.GoVersion] = {}
    order = ["cur", "prev", "next"]
    for text in value.split("; "):
        fields = _fields(text, ["v", "k", "i"])
        go, kind = mapfn.parse_go(fields["v"]), fields["k"]
        if go is None or kind not in order:
            raise Malformed("toolchain item")
        order = order[order.index(kind) + 1 :]
        gos[kind] = go
        out.append(Item(go.text, kind, decimal(fields["i"])))
    cur, prev, following = (gos.get(kind) for kind in ("cur", "prev", "next"))
    if cur and not cur.is_release:
        raise Malformed("cur")
    if prev and not (cur and prev.is_release and mapfn.number_key(prev.minor) < mapfn.number_key(cur.minor)):
        raise Malformed("prev")
    if following and (following.is_release or (cur and following.order <= cur.order)):
        raise Malformed("next")
    return out


# --- answer, section 4 ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    kind: str  # module, majors, toolchain
    path: str = ""  # the module path or the base path
    with_versions: bool = False

    @property
    def text(self) -> str:
        if self.kind == "majors":
            return mapfn.family_subject(self.path)
        return self.path if self.kind == "module" else mapfn.TOOLCHAIN


@dataclass(frozen=True)
class Answer:
    items: list[Item]  # none: absent
    complete: bool = True
    state: Optional[mapfn.State] = None


def verify_answer(s: Settings, head: Head, newest: Optional[Head], subject: Subject, payload: bytes) -> Answer:
    with refusing("MALFORMED_ANSWER"):
        decoded = dns.decode_answer(payload)
    present = decoded.tag == dns.INCLUSION
    has_state, has_majors = decoded.state_text is not None, decoded.major_items is not None
    require(has_state == (subject.with_versions and present), "MALFORMED_ANSWER", "state section")
    require(not has_majors or subject.kind == "majors", "MALFORMED_ANSWER", "majors section")
    require(decoded.proof.epoch == head.epoch, "WRONG_EPOCH")
    require(_map_proof_holds(head, subject, decoded), "BAD_PROOF")
    answer = _present(head, subject, decoded) if present else Answer([])
    if newest is not None and newest.epoch > head.epoch and 0 not in (newest.age_time, head.age_time):
        require(newest.age_time - head.age_time <= s.max_lag, "LAGGING")
    return answer


def _map_proof_holds(head: Head, subject: Subject, decoded: dns.ModuleAnswer) -> bool:
    key = mapfn.index_key(subject.text)
    proof = decoded.proof
    if decoded.tag == dns.INCLUSION:
        assert proof.path is not None
        return tree.proves_inclusion(head.map_root, key, decoded.text.encode("ascii"), proof.path)
    return tree.proves_absence(head.map_root, key, proof.path, proof.other)


def _present(head: Head, subject: Subject, decoded: dns.ModuleAnswer) -> Answer:
    """Steps 4 to 6."""
    items = _value_items(head, lambda: _parse_value(subject, decoded.text), "BAD_VALUE")
    if decoded.state_text is not None:
        return Answer(items, state=_check_state(head, subject, decoded, items[0]))
    if subject.kind == "majors":
        return _check_majors(head, subject, decoded, items)
    return Answer(items)


def _value_items(head: Head, parse: Callable[[], list[Item]], code: str) -> list[Item]:
    with refusing(code):
        items = parse()
    require(all(item.index < head.sumdb.size for item in items), code, "index")
    return items


def _parse_value(subject: Subject, value: str) -> list[Item]:
    if subject.kind == "majors":
        return parse_majors_value(subject.path, value, with_commitment=True)
    if subject.kind == "toolchain":
        return parse_toolchain_value(value)
    return parse_module_value(_module_path(subject), value)


def _module_path(subject: Subject) -> mapfn.ModulePath:
    path = mapfn.parse_path(subject.path)
    if path is None:
        raise Malformed("no module path")
    return path


def _check_state(head: Head, subject: Subject, decoded: dns.ModuleAnswer, first: Item) -> mapfn.State:
    """Step 5."""
    text = decoded.state_text or ""
    require(sha256(text.encode("ascii")) == first.commitment, "BAD_STATE_TEXT", "hash")
    with refusing("BAD_STATE_TEXT"):
        state = mapfn.parse_state(_module_path(subject), text)
        value = state.value()
    require(state.sub_log.size <= head.sumdb.size, "BAD_STATE_TEXT", "n above the sumdb size")
    require(value == decoded.text, "BAD_STATE_TEXT", "value")
    return state


def _check_majors(head: Head, subject: Subject, decoded: dns.ModuleAnswer, items: list[Item]) -> Answer:
    """Step 6."""
    value, section, commitment = decoded.text, decoded.major_items, items[0].commitment
    shown = value.replace(f" s={b64_unpadded(commitment)}", "", 1)
    if section is None:
        return Answer(items, complete=sha256(shown.encode("ascii")) == commitment)
    require(sha256(section.encode("ascii")) == commitment, "BAD_MAJORS", "hash")
    # The items of the section are a result like those of the value: the bound of step 4 holds for them too.
    all_items = _value_items(
        head, lambda: parse_majors_value(subject.path, section, with_commitment=False), "BAD_MAJORS"
    )
    require(mapfn.majors_value(section.split("; ")) == value, "BAD_MAJORS", "value")
    require(section != shown, "BAD_MAJORS", "nothing was cut")
    return Answer(all_items)


# --- versions, records, sumdb extension, age: section 6 -----------------------------------------------


def verify_versions(head: Head, state: mapfn.State, pages: list[bytes]) -> int:
    """The number of records of the module."""
    decoded = []
    for payload in pages:
        with refusing("MALFORMED_ANSWER"):
            decoded.append(dns.decode_page(payload))
    n = state.sub_log.size
    entries: list[dns.Entry] = []
    for k in range(-(-n // dns.PAGE_SIZE)):
        wanted = min(dns.PAGE_SIZE, n - dns.PAGE_SIZE * k)
        require(k < len(decoded) and len(decoded[k]) >= wanted, "VERSIONS_MISSING")
        entries += decoded[k][:wanted]
    folded = mapfn.State(state.path)
    last = -1
    for entry in entries:
        record = mapfn.make_record(state.path.text, entry.version, entry.zip_hash, entry.go_mod_hash)
        if record is None or not last < entry.index < head.sumdb.size:
            raise Refused("BAD_VERSIONS")
        folded.fold(entry.index, record)
        last = entry.index
    require(folded.text() == state.text(), "BAD_VERSIONS")
    return n


def verify_record(head: Head, path: str, item: Item, payload: bytes) -> None:
    data = mapfn.record_bytes(path, item.version, item.zip_hash, item.go_mod_hash)
    with refusing("MALFORMED_ANSWER"):
        proof = dns.decode_log_proof(payload)
    require(item.index < head.sumdb.size, "BAD_RECORD_PROOF", "index")
    with refusing("MALFORMED_ANSWER"):
        root = tlog.inclusion_root(item.index, head.sumdb.size, tlog.leaf_hash(data), proof)
    require(root == head.sumdb.root, "BAD_RECORD_PROOF")


def verify_sumdb(one: Head, other: Head, payload: Optional[bytes]) -> None:
    a, b = ((h.sumdb.size, h.sumdb.root) for h in (one, other))
    if a[0] == b[0]:
        require(a[1] == b[1], "SUMDB_FORK")
    elif 0 not in (a[0], b[0]):
        if payload is None:
            raise Refused("CONSISTENCY_MISSING")
        _check_extension(a, b, payload, "SUMDB_FORK", "SUMDB_EXTENSION_NOT_PROVEN")


def verify_age(
    s: Settings, newest: Head, time: int, payload: bytes, consistency: Optional[bytes]
) -> tuple[Head, int]:
    """The head, and since when everything below its sumdb size was public."""
    head, cosignatures = _signed_head(s, newest, "plain", None, payload, consistency)
    require(s.policy.quorum != "none", "NO_FRESHNESS")
    require(satisfies(s, cosignatures), "NO_QUORUM")
    early = [c for c in cosignatures if c.time <= time]
    require(satisfies(s, early), "TOO_YOUNG")
    _require_consistency(s, newest, head, "plain", consistency, 0)
    times = sorted({c.time for c in early})
    since = next(t for t in times if satisfies(s, [c for c in early if c.time <= t]))
    return head, since


# --- evidence, section 7 ------------------------------------------------------------------------------

_EVIDENCE_FIELDS = {"type", "kind", "key", "notes"}
_PROOF_FIELDS = {"oldRoot", "consistency"}
MAX_EVIDENCE_HASHES = 128


@dataclass(frozen=True)
class Evidence:
    key: notes.VerifierKey
    notes: tuple[notes.Note, notes.Note]
    heads: tuple[tlog.TreeHead, tlog.TreeHead]
    old_root: bytes
    proof: list[bytes]


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Malformed("not a list of strings")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("not a string")
    return value


def _unb64_32(text: str) -> bytes:
    data = unb64(text)
    if len(data) != 32:
        raise Malformed("not a hash")
    return data


def parse_evidence(value: object) -> Evidence:
    if not isinstance(value, dict) or set(value) - _PROOF_FIELDS != _EVIDENCE_FIELDS:
        raise Malformed("fields")
    if value["type"] != "proofdns-evidence/1" or value["kind"] != "fork":
        raise Malformed("type or kind")
    key = notes.parse_vkey(_string(value["key"]), notes.TYPE_ED25519)
    texts = _strings(value["notes"])
    if len(texts) != 2:
        raise Malformed("number of notes")
    smaller, larger = (notes.parse_note(text) for text in texts)
    heads = (tlog.parse_tree_head(smaller.text), tlog.parse_tree_head(larger.text))
    if heads[0].size > heads[1].size:
        raise Malformed("order of notes")
    present = _PROOF_FIELDS & set(value)
    if present != (set() if heads[0].size == heads[1].size else _PROOF_FIELDS):
        raise Malformed("oldRoot and consistency")
    old_root, proof = b"", []
    if present:
        old_root = _unb64_32(_string(value["oldRoot"]))
        proof = [_unb64_32(text) for text in _strings(value["consistency"])]
        if len(proof) > MAX_EVIDENCE_HASHES:
            raise Malformed("number of hashes")
    return Evidence(key, (smaller, larger), heads, old_root, proof)


def verify_evidence(value: object, expected_key: str) -> None:
    with refusing("MALFORMED_EVIDENCE"):
        evidence = parse_evidence(value)
    require(str(evidence.key) == expected_key, "BAD_SIGNATURE", "another key")
    require(all(note.signed_by(evidence.key) for note in evidence.notes), "BAD_SIGNATURE")
    smaller, larger = evidence.heads
    require(smaller.first_line == larger.first_line, "BAD_PROOF", "first lines")
    require(evidence.old_root != smaller.root, "BAD_PROOF", "no fork")
    if smaller.size == larger.size:
        require(smaller.root != larger.root, "BAD_PROOF", "no fork")
        return
    with refusing("BAD_PROOF"):
        old, new = tlog.consistency_roots(smaller.size, larger.size, evidence.old_root, evidence.proof)
    require((old, new) == (evidence.old_root, larger.root), "BAD_PROOF")
