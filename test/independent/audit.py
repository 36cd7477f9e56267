"""Transitions and evidence of wrong epochs (audit.md)."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Optional, Union

import client
import ed25519
import mapfn
import notes
import tlog
import tree
from client import refusing, require
from encoding import HASH_SIZE, MAX_NUMBER, Malformed, Reader, Refused, b64_unpadded, sha256, unb64

MAGIC = b"proofdns-transition/1\n"
MAX_LENGTH = 2**26
MAX_COUNT = 2**20
MAX_TEXT = 2**22
MAX_STATE = 2**14
MAX_VALUE = 255

# --- the pruned tree, section 1.2 -------------------------------------------------------------------


@dataclass(frozen=True)
class Stub:
    hash: bytes


@dataclass(frozen=True)
class Leaf:
    key: bytes
    value: bytes


@dataclass(frozen=True)
class Inner:
    bit: int
    left: "Node"
    right: "Node"


Node = Union[Stub, Leaf, Inner]


def _read_node(reader: Reader, above: int) -> tuple[Node, list[bytes]]:
    """A node and the keys of the leaves below it."""
    kind = reader.u8()
    if kind == 0:
        return Stub(reader.take(HASH_SIZE)), []
    if kind == 1:
        key = reader.take(HASH_SIZE)
        length = reader.uv()
        if not 1 <= length <= MAX_VALUE:
            raise Malformed("length of a value")
        return Leaf(key, reader.take(length)), [key]
    if kind != 2:
        raise Malformed("kind of node")
    bit = reader.u8()
    if bit <= above:
        raise Malformed("bits do not grow")
    left, on_left = _read_node(reader, bit)
    right, on_right = _read_node(reader, bit)
    keys = on_left + on_right
    if not keys:
        raise Malformed("two stubs")
    if any(tree.bit(key, bit) != 0 for key in on_left) or any(tree.bit(key, bit) != 1 for key in on_right):
        raise Malformed("a leaf on the wrong side")
    # All keys below a node agree in the bits before its own.
    if len({int.from_bytes(key, "big") >> (256 - bit) for key in keys}) != 1:
        raise Malformed("keys part before the bit")
    return Inner(bit, left, right), keys


def node_hash(node: Optional[Node]) -> bytes:
    if node is None:
        return tree.EMPTY_ROOT
    if isinstance(node, Stub):
        return node.hash
    if isinstance(node, Leaf):
        return tree.leaf_hash(node.key, node.value)
    return tree.inner_hash(node.bit, node_hash(node.left), node_hash(node.right))


def leads_to(node: Optional[Node], key: bytes) -> Optional[Leaf]:
    """The leaf that a key leads to; None in the empty tree. Refuses a stub."""
    while isinstance(node, Inner):
        node = node.left if tree.bit(key, node.bit) == 0 else node.right
    require(not isinstance(node, Stub), "BAD_PROOF", "a touched key leads to a stub")
    return node  # type: ignore[return-value]


def _some_key(node: Node) -> Optional[bytes]:
    if isinstance(node, Leaf):
        return node.key
    if isinstance(node, Stub):
        return None
    return _some_key(node.left) or _some_key(node.right)


def put(node: Optional[Node], key: bytes, value: bytes) -> Node:
    """The tree with one more pair, or another value of a key."""
    if node is None:
        return Leaf(key, value)
    some = _some_key(node)
    if some is None:
        raise ValueError("a change below a stub")
    differ = int.from_bytes(some, "big") ^ int.from_bytes(key, "big")
    part = 256 - differ.bit_length()  # 256 for the same key
    if isinstance(node, Leaf) and part == 256:
        return Leaf(key, value)
    if isinstance(node, Inner) and part >= node.bit:
        if tree.bit(key, node.bit) == 0:
            return Inner(node.bit, put(node.left, key, value), node.right)
        return Inner(node.bit, node.left, put(node.right, key, value))
    new = Leaf(key, value)
    return Inner(part, new, node) if tree.bit(key, part) == 0 else Inner(part, node, new)


def _leaves(node: Optional[Node]) -> list[Leaf]:
    if node is None or isinstance(node, Stub):
        return []
    return [node] if isinstance(node, Leaf) else _leaves(node.left) + _leaves(node.right)


# --- the bytes, section 1 ---------------------------------------------------------------------------


@dataclass
class Transition:
    old: tlog.Frontier
    records: list[bytes]
    signature: bytes
    items: list[str]
    states: list[str]
    tree: Optional[Node]


def _list(reader: Reader, least: int, shortest: int, longest: int) -> list[bytes]:
    count = reader.uv()
    if not least <= count <= MAX_COUNT:
        raise Malformed("count")
    out = []
    for _ in range(count):
        length = reader.uv()
        if not shortest <= length <= longest:
            raise Malformed("length")
        out.append(reader.take(length))
    return out


def _texts(texts: list[bytes]) -> list[str]:
    try:
        return [text.decode("utf-8") for text in texts]
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error


def decode(data: bytes) -> Transition:
    if len(data) > MAX_LENGTH:
        raise Malformed("too long")
    reader = Reader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise Malformed("first line")
    size = reader.uv()
    old = tlog.frontier(size, [reader.take(HASH_SIZE) for _ in tlog.subtree_sizes(size)])
    records = _list(reader, 1, 0, MAX_TEXT)
    if size + len(records) > MAX_NUMBER:
        raise Malformed("new size")
    signature = reader.take(64)
    items = _texts(_list(reader, 0, 1, MAX_TEXT))
    states = _texts(_list(reader, 0, 1, MAX_STATE))
    node = None if reader.at_end() else _read_node(reader, -1)[0]
    if not reader.at_end():
        raise Malformed("bytes after the tree")
    return Transition(old, records, signature, items, states, node)


# --- leaves -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EpochLeaf:
    map_root: bytes
    sumdb: tlog.TreeHead


def read_leaf(text: str, key: notes.VerifierKey) -> tuple[EpochLeaf, bool]:
    """A leaf of log.md section 2, and whether its signature holds."""
    data = text.encode("utf-8")
    map_root, head = tlog.parse_leaf(data)
    note = notes.parse_note(text[65:])
    own = [signature for name, identifier, signature in note.signatures if (name, identifier) == (key.name, key.key_id)]
    if len(own) != 1 or len(own[0]) != 64:
        raise Malformed("signature")
    if tlog.leaf_text(map_root, head.size, head.root, key.name, key.key_id, own[0]) != data:
        raise Malformed("leaf is not canonical")
    return EpochLeaf(map_root, head), ed25519.verify(key.public, note.text, own[0])


def signed_leaf(text: str, key: notes.VerifierKey) -> Optional[EpochLeaf]:
    try:
        leaf, holds = read_leaf(text, key)
    except (Malformed, UnicodeEncodeError):
        return None
    return leaf if holds else None


# --- what the auditor does, section 2 ---------------------------------------------------------------


@dataclass
class Window:
    """A family is known here by its base path."""

    transition: Transition
    records: list[tuple[int, mapfn.Record]]
    states: dict[str, mapfn.State] = field(default_factory=dict)
    families: dict[str, Optional[str]] = field(default_factory=dict)  # the old items of the touched ones
    read: set[bytes] = field(default_factory=set)  # keys of the leaves that touched keys lead to

    def __post_init__(self) -> None:
        self._items = iter(self.transition.items)
        self._states = iter(self.transition.states)
        self.paths = {record.path.text: record.path for _, record in self.records}

    def value(self, subject: str) -> Optional[bytes]:
        key = mapfn.index_key(subject)
        leaf = leads_to(self.transition.tree, key)
        if leaf is None:
            return None
        self.read.add(leaf.key)
        return leaf.value if leaf.key == key else None

    def text(self, subject: str, code: str) -> Optional[str]:
        value = self.value(subject)
        if value is None:
            return None
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused(code, subject) from error

    # Step 6.
    def read_families(self) -> None:
        asked = {path: False for path in self.paths}
        for path in self.paths.values():
            if path.family is not None:
                asked[path.base] = True
        for base in sorted(asked, key=lambda text: mapfn.index_key(mapfn.family_subject(text))):
            value = self.text(mapfn.family_subject(base), "BAD_VALUE")
            if value is not None:
                self.families[base] = self._items_of(base, value)
            elif asked[base]:
                self.families[base] = None

    def _items_of(self, base: str, value: str) -> str:
        parsed = self._parse_items(base, value, True, "BAD_VALUE")
        commitment = parsed[0].commitment
        shown = value.replace(f" s={b64_unpadded(commitment)}", "", 1)
        if sha256(shown.encode("utf-8")) == commitment:
            return shown
        items = next(self._items, None)
        require(items is not None, "MALFORMED_TRANSITION", f"no items of {base}")
        assert items is not None
        require(sha256(items.encode("utf-8")) == commitment, "BAD_MAJORS", "hash")
        require(_family_value(items) == value, "BAD_MAJORS", "value")
        self._parse_items(base, items, False, "BAD_MAJORS")
        return items

    def _parse_items(self, base: str, text: str, is_value: bool, code: str) -> list[client.Item]:
        with refusing(code):
            items = client.parse_majors_value(base, text, with_commitment=is_value)
        require(all(item.index < self.transition.old.size for item in items), code, "index")
        return items

    # Step 7.
    def read_states(self) -> None:
        touched = set(self.paths)
        for base, items in self.families.items():
            touched.add(base)
            if items is not None:
                touched |= {item.path for item in client.parse_majors_value(base, items, with_commitment=False)}
        for path in sorted(touched, key=mapfn.index_key):
            value = self.value(path)
            if value is None:
                continue
            text = next(self._states, None)
            require(text is not None, "MALFORMED_TRANSITION", f"no state of {path}")
            assert text is not None
            with refusing("BAD_STATE_TEXT"):
                parsed = mapfn.parse_path(path)
                if parsed is None:
                    raise Malformed("no module path")
                state = mapfn.parse_state(parsed, text)
            require(state.value().encode("ascii") == value, "BAD_STATE_TEXT", path)
            self.states[path] = state

    # Step 8.
    def check_families(self) -> None:
        for base, items in self.families.items():
            made = mapfn.family_items(mapfn.family_subject(base), self.states)
            has_member = any(item != made[-1] or not item.startswith("p=- ") for item in made)
            require(("; ".join(made) if has_member else None) == items, "BAD_VALUE", base)

    # Step 9.
    def toolchain(self) -> dict[mapfn.GoVersion, int]:
        if mapfn.TOOLCHAIN_PATH not in self.paths:
            return {}
        value = self.text(mapfn.TOOLCHAIN, "BAD_VALUE")
        if value is None:
            return {}
        with refusing("BAD_VALUE"):
            items = client.parse_toolchain_value(value)
        require(all(item.index < self.transition.old.size for item in items), "BAD_VALUE", "index")
        return _gos(items)

    # Step 10.
    def expect_all_read(self) -> None:
        code = "MALFORMED_TRANSITION"
        require(next(self._items, None) is None, code, "items left over")
        require(next(self._states, None) is None, code, "states left over")
        require(all(leaf.key in self.read for leaf in _leaves(self.transition.tree)), code, "a leaf too many")

    # Step 11.
    def fold(self, gos: dict[mapfn.GoVersion, int]) -> bytes:
        new_go = False
        for index, record in self.records:
            self.states.setdefault(record.path.text, mapfn.State(record.path)).fold(index, record)
            go = mapfn.toolchain_go(record)
            if go is not None:
                new_go = True
                gos.setdefault(go, index)
                gos = _gos(client.parse_toolchain_value(mapfn.toolchain_value(gos)))
        changes = {path: self.states[path].value() for path in self.paths}
        for base in self.families:
            items = mapfn.family_items(mapfn.family_subject(base), self.states)
            changes[mapfn.family_subject(base)] = mapfn.majors_value(items)
        if new_go:
            changes[mapfn.TOOLCHAIN] = mapfn.toolchain_value(gos)
        node = self.transition.tree
        for subject, value in changes.items():
            node = put(node, mapfn.index_key(subject), value.encode("ascii"))
        return node_hash(node)


def _family_value(items: str) -> Optional[str]:
    try:
        return mapfn.majors_value(items.split("; "))
    except UnicodeEncodeError:
        return None


def _gos(items: list[client.Item]) -> dict[mapfn.GoVersion, int]:
    out = {}
    for item in items:
        go = mapfn.parse_go(item.version)
        assert go is not None
        out[go] = item.index
    return out


def _old_leaf(text: Optional[str], key: notes.VerifierKey) -> EpochLeaf:
    """Step 2."""
    if text is None:
        return EpochLeaf(tree.EMPTY_ROOT, tlog.TreeHead("", 0, tlog.EMPTY_ROOT))
    try:
        leaf, holds = read_leaf(text, key)
    except (Malformed, UnicodeEncodeError) as error:
        raise Refused("MALFORMED_LEAF", str(error)) from error
    require(holds, "BAD_SUMDB_SIGNATURE", "old leaf")
    return leaf


def verify_transition(old_leaf: Optional[str], key: notes.VerifierKey, data: bytes) -> tuple[EpochLeaf, str]:
    """The new leaf and its text."""
    with refusing("MALFORMED_TRANSITION"):
        transition = decode(data)
    old = _old_leaf(old_leaf, key)
    frontier = transition.old
    require(frontier.size == old.sumdb.size and frontier.root() == old.sumdb.root, "BAD_PROOF", "frontier")
    records = []
    for text in transition.records:
        record = mapfn.parse_record(text)
        if record is not None:
            records.append((frontier.size, record))
        frontier = frontier.append_leaf(tlog.leaf_hash(text))
    head = tlog.tree_head_text(frontier.size, frontier.root())
    require(ed25519.verify(key.public, head, transition.signature), "BAD_SUMDB_SIGNATURE", "new head")
    require(node_hash(transition.tree) == old.map_root, "BAD_PROOF", "old map root")
    window = Window(transition, records)
    window.read_families()
    window.read_states()
    window.check_families()
    gos = window.toolchain()
    window.expect_all_read()
    map_root = window.fold(gos)
    text = tlog.leaf_text(map_root, frontier.size, frontier.root(), key.name, key.key_id, transition.signature)
    leaf = EpochLeaf(map_root, tlog.TreeHead("go.sum database tree", frontier.size, frontier.root()))
    return leaf, text.decode("utf-8")


# --- evidence, section 4 ----------------------------------------------------------------------------

_REQUIRED = {"type", "kind", "log", "sumdb", "epoch", "checkpoint", "leaf", "proof"}
_OLD = {"oldLeaf", "oldProof"}


@dataclass(frozen=True)
class Evidence:
    log: notes.VerifierKey
    sumdb: notes.VerifierKey
    epoch: int
    note: notes.Note
    checkpoint: tlog.TreeHead
    leaf: str
    proof: list[bytes]
    old_leaf: Optional[str]
    old_proof: list[bytes]
    transition: Optional[bytes]


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("not a string")
    return value


def _hashes(value: object) -> list[bytes]:
    if not isinstance(value, list) or len(value) > 64:
        raise Malformed("not a list of hashes")
    out = [unb64(_string(text)) for text in value]
    if any(len(item) != HASH_SIZE for item in out):
        raise Malformed("not a hash")
    return out


def parse_evidence(value: object) -> Evidence:
    if not isinstance(value, dict) or set(value) - {"transition"} - _OLD != _REQUIRED:
        raise Malformed("fields")
    if value["type"] != "proofdns-evidence/1" or value["kind"] != "epoch":
        raise Malformed("type or kind")
    log, sumdb = (notes.parse_vkey(_string(value[name]), notes.TYPE_ED25519) for name in ("log", "sumdb"))
    epoch = value["epoch"]
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not 1 <= epoch <= MAX_NUMBER:
        raise Malformed("epoch")
    note = notes.parse_note(_string(value["checkpoint"]))
    checkpoint = tlog.parse_tree_head(note.text)
    if checkpoint.first_line != log.name or checkpoint.size < epoch:
        raise Malformed("checkpoint")
    if _OLD & set(value) != (set() if epoch == 1 else _OLD):
        raise Malformed("old leaf")
    old_leaf = None if epoch == 1 else _string(value["oldLeaf"])
    old_proof = [] if epoch == 1 else _hashes(value["oldProof"])
    transition = unb64(_string(value["transition"])) if "transition" in value else None
    leaf, proof = _string(value["leaf"]), _hashes(value["proof"])
    return Evidence(log, sumdb, epoch, note, checkpoint, leaf, proof, old_leaf, old_proof, transition)


def _included(text: str, index: int, proof: list[bytes], head: tlog.TreeHead) -> bool:
    with refusing("BAD_PROOF"):
        return tlog.inclusion_root(index, head.size, tlog.leaf_hash(text.encode("utf-8")), proof) == head.root


def verify_evidence(value: object, expected_key: str, expected_sumdb: str) -> tuple[int, str]:
    """The epoch and its fault."""
    with refusing("MALFORMED_EVIDENCE"):
        evidence = parse_evidence(value)
    require(str(evidence.log) == expected_key, "BAD_SIGNATURE", "another key")
    require(str(evidence.sumdb) == expected_sumdb, "BAD_SIGNATURE", "another sumdb")
    require(evidence.note.signed_by(evidence.log), "BAD_SIGNATURE")
    epoch, old_leaf = evidence.epoch, evidence.old_leaf
    require(_included(evidence.leaf, epoch - 1, evidence.proof, evidence.checkpoint), "BAD_PROOF", "leaf")
    if old_leaf is not None:
        require(_included(old_leaf, epoch - 2, evidence.old_proof, evidence.checkpoint), "BAD_PROOF", "old leaf")
    leaf = signed_leaf(evidence.leaf, evidence.sumdb)
    if leaf is None:
        return epoch, "leaf"
    old = None if old_leaf is None else signed_leaf(old_leaf, evidence.sumdb)
    if old is not None and old.sumdb.size >= leaf.sumdb.size:
        return epoch, "size"
    require(evidence.transition is not None, "BAD_PROOF", "no transition")
    assert evidence.transition is not None
    right = _right_leaf(lambda: verify_transition(old_leaf, evidence.sumdb, evidence.transition or b""))
    is_same_head = (right.sumdb.size, right.sumdb.root) == (leaf.sumdb.size, leaf.sumdb.root)
    require(is_same_head and right.map_root != leaf.map_root, "BAD_PROOF", "no fault")
    return epoch, "root"


def _right_leaf(verify: Callable[[], tuple[EpochLeaf, str]]) -> EpochLeaf:
    try:
        return verify()[0]
    except Refused as error:
        raise Refused("BAD_PROOF", str(error)) from error
