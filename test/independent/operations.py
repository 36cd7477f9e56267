"""One function for each operation of the test vectors (spec/vectors/README.md).

Each takes a vector, never looks at its `expect`, and returns the value found or raises `Refused`.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

import audit
import client
import dns
import ed25519
import mapfn
import notes
import prooffile
import tlog
import tree
from encoding import Malformed, Refused, unhex

Vector = dict
Value = Any

# --- map.json -------------------------------------------------------------------------------------


def op_record(v: Vector) -> Value:
    record = mapfn.parse_record(unhex(v["record"]))
    if record is None:
        return None
    return {
        "path": record.path.text,
        "version": record.version.text,
        "kind": record.version.kind,
        "zipHash": record.zip_hash.hex(),
        "goModHash": record.go_mod_hash.hex(),
    }


def op_version(v: Vector) -> Value:
    version = mapfn.parse_version(v["text"])
    if version is None:
        return None
    return {"kind": version.kind, "major": version.major, "timestamp": version.timestamp}


def op_order(v: Vector) -> Value:
    versions = [mapfn.parse_version(text) for text in v["versions"]]
    if None in versions:
        raise ValueError("not canonical")
    return [version.text for version in sorted(versions, key=lambda x: x.order)]  # type: ignore[union-attr]


def op_path(v: Vector) -> Value:
    path = mapfn.parse_path(v["path"])
    return None if path is None else {"basePath": path.base, "major": path.major, "family": path.family}


def op_map(v: Vector) -> Value:
    result = mapfn.Map()
    for record in v["records"]:
        result.add(unhex(record))
    states = {path: state.text() for path, state in result.states.items()}
    return {"subjects": result.subjects(), "states": states, "mapRoot": result.root().hex()}


def op_cuts(v: Vector) -> Value:
    result = mapfn.Map()
    roots = []
    for size in v["cuts"]:
        while result.count < size:
            result.add(unhex(v["records"][result.count]))
        roots.append(result.root().hex())
    return {"mapRoots": roots}


# --- tree.json ------------------------------------------------------------------------------------


@contextmanager
def malformed_is(code: str) -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise Refused(code, str(error)) from error


def _pair(value: Optional[list]) -> Optional[tree.Pair]:
    return None if value is None else (unhex(value[0]), unhex(value[1]))


def op_root(v: Vector) -> Value:
    return {"root": tree.root([(unhex(key), unhex(value)) for key, value in v["pairs"]]).hex()}


def op_proof(v: Vector) -> Value:
    root, key = unhex(v["root"]), unhex(v["key"])
    other = _pair(v["other"])
    with malformed_is("MALFORMED_PROOF"):
        path = None if v["path"] is None else tree.decode_path(unhex(v["path"]))
    if v["value"] is None:
        holds = tree.proves_absence(root, key, path, other)
    else:
        holds = path is not None and other is None and tree.proves_inclusion(root, key, unhex(v["value"]), path)
    if not holds:
        raise Refused("BAD_PROOF")
    return "ok"


# --- log.json -------------------------------------------------------------------------------------


def _hexes(values: list) -> list[bytes]:
    return [unhex(value) for value in values]


def _frontier_value(frontier: tlog.Frontier) -> Value:
    return {"peaks": [peak.hex() for peak in frontier.peaks], "root": frontier.root().hex()}


def op_leaf(v: Vector) -> Value:
    key = notes.parse_vkey(v["sumdbKey"], notes.TYPE_ED25519)
    text = tlog.leaf_text(
        unhex(v["mapRoot"]),
        v["sumdbSize"],
        unhex(v["sumdbRoot"]),
        key.name,
        key.key_id,
        unhex(v["sumdbSignature"]),
    )
    return {"text": text.decode("utf-8"), "hash": tlog.leaf_hash(text).hex()}


def op_checkpoint(v: Vector) -> Value:
    seed = unhex(v["seed"])
    key = notes.verifier_key(v["origin"], notes.TYPE_ED25519, ed25519.public_key(seed))
    text = tlog.checkpoint_text(v["origin"], v["epoch"], unhex(v["root"]))
    line = notes.signature_line(key.name, key.key_id, ed25519.sign(seed, text))
    return {"vkey": str(key), "text": text.decode("utf-8"), "note": f"{text.decode('utf-8')}\n{line}"}


def op_cosignature(v: Vector) -> Value:
    seed, time = unhex(v["seed"]), v["time"]
    key = notes.verifier_key(v["keyName"], notes.TYPE_COSIGNATURE, ed25519.public_key(seed))
    message = tlog.cosignature_message(time, v["checkpoint"].encode("utf-8"))
    signature = ed25519.sign(seed, message)
    line = notes.signature_line(key.name, key.key_id, time.to_bytes(8, "big") + signature)
    return {
        "vkey": str(key),
        "message": message.decode("utf-8"),
        "signature": signature.hex(),
        "noteLine": line,
    }


def op_frontier(v: Vector) -> Value:
    frontier = tlog.EMPTY
    for leaf in _hexes(v["leafHashes"]):
        frontier = frontier.append_leaf(leaf)
    return _frontier_value(frontier)


def op_cover(v: Vector) -> Value:
    return [list(subtree) for subtree in tlog.cover(v["start"], v["end"])]


def op_extend(v: Vector) -> Value:
    with malformed_is("MALFORMED_PROOF"):
        old = tlog.frontier(v["size"], _hexes(v["peaks"]))
        return _frontier_value(tlog.extend(old, v["to"], _hexes(v["hashes"])))


def op_inclusion(v: Vector) -> Value:
    # log.md section 7: there is no right number of hashes for an index outside of the tree.
    if not 0 <= v["index"] < v["size"]:
        raise Refused("BAD_PROOF", "index")
    with malformed_is("MALFORMED_PROOF"):
        root = tlog.inclusion_root(v["index"], v["size"], unhex(v["leafHash"]), _hexes(v["proof"]))
    if root != unhex(v["root"]):
        raise Refused("BAD_PROOF")
    return "ok"


def op_consistency(v: Vector) -> Value:
    signed = (unhex(v["oldRoot"]), unhex(v["newRoot"]))
    with malformed_is("MALFORMED_PROOF"):
        given = tlog.consistency_roots(v["oldSize"], v["newSize"], signed[0], _hexes(v["proof"]))
    if given != signed:
        raise Refused("BAD_PROOF")
    return "ok"


# --- dns.json -------------------------------------------------------------------------------------


def op_encode_path(v: Vector) -> Value:
    # The vectors name no zone, but the limit of 255 bytes needs one: the example of dns.md.
    labels = dns.encode_path(v["path"], v.get("zone", "l.example.org"))
    return None if labels is None else ".".join(labels)


def op_name(v: Vector) -> Value:
    return dns.resolve(v["labels"])


def op_payload(v: Vector) -> Value:
    data = unhex(v["payload"])
    decoders: dict[str, Callable[[], Value]] = {
        "head-plain": lambda: _head_value(dns.decode_head(data, plain=True)),
        "head-since": lambda: _head_value(dns.decode_head(data, plain=False)),
        "answer": lambda: _answer_value(dns.decode_answer(data)),
        "page": lambda: [_entry_value(entry) for entry in dns.decode_page(data)],
        "log-proof": lambda: [h.hex() for h in dns.decode_log_proof(data)],
    }
    with malformed_is("MALFORMED_ANSWER"):
        return decoders[v["kind"]]()


def _head_value(head: dns.Head) -> Value:
    section = head.section
    return {
        "epoch": section.epoch,
        "logSignature": section.log_signature.hex(),
        "mapRoot": section.map_root.hex(),
        "sumdbSize": section.sumdb_size,
        "sumdbRoot": section.sumdb_root.hex(),
        "sumdbSignature": section.sumdb_signature.hex(),
        "cosignatures": [
            {"keyId": c.key_id.hex(), "time": c.time, "signature": c.signature.hex()} for c in head.cosignatures
        ],
        "hashes": [h.hex() for h in head.hashes],
    }


def _answer_value(answer: dns.ModuleAnswer) -> Value:
    kinds = {dns.INCLUSION: "inclusion", dns.NON_INCLUSION: "nonInclusion", dns.EMPTY_MAP: "emptyMap"}
    proof: dict[str, Value] = {"kind": kinds[answer.tag]}
    if answer.proof.path is not None:
        proof["bits"] = list(answer.proof.path.bits)
        proof["siblings"] = [h.hex() for h in answer.proof.path.siblings]
    if answer.proof.other is not None:
        proof["otherKey"], proof["otherValue"] = (part.hex() for part in answer.proof.other)
    return {
        "text": answer.text,
        "epoch": answer.proof.epoch,
        "proof": proof,
        "stateText": answer.state_text,
        "majorItems": answer.major_items,
    }


def _entry_value(entry: dns.Entry) -> Value:
    return {
        "index": entry.index,
        "version": entry.version,
        "zipHash": entry.zip_hash.hex(),
        "goModHash": entry.go_mod_hash.hex(),
    }


def op_txt(v: Vector) -> Value:
    return {"strings": [s.hex() for s in dns.character_strings(unhex(v["payload"]), v["kind"])]}


# --- client.json ----------------------------------------------------------------------------------


def _settings(v: Vector) -> client.Settings:
    return client.settings(
        v["zone"],
        v["policy"],
        v["sumdbKey"],
        v["now"],
        v.get("maxAge", 86_400),
        v.get("maxLag", 900),
        v.get("isFreshnessRequired", True),
    )


def _memory(v: Vector) -> Optional[client.Head]:
    m = v["memory"]
    if m is None:
        return None
    return client.memory(m["epoch"], _hexes(m["peaks"]), m["leaf"].encode("utf-8"), m["ageTime"])


def _optional(payload: Optional[str]) -> Optional[bytes]:
    return None if payload is None else unhex(payload)


def _verify_head(s: client.Settings, known: Optional[client.Head], head: Value) -> client.Head:
    return client.verify_head(
        s, known, head["form"], head["epoch"], unhex(head["payload"]), _optional(head["consistency"])
    )


def op_head(v: Vector) -> Value:
    head = _verify_head(_settings(v), _memory(v), v["head"])
    return {
        "epoch": head.epoch,
        "root": head.root.hex(),
        "mapRoot": head.map_root.hex(),
        "sumdbSize": head.sumdb.size,
        "sumdbRoot": head.sumdb.root.hex(),
        "ageTime": head.age_time,
        "peaks": [peak.hex() for peak in head.frontier.peaks],
        "leaf": head.leaf.decode("utf-8"),
    }


def op_answer(v: Vector) -> Value:
    s, known = _settings(v), _memory(v)
    heads = [_verify_head(s, known, head) for head in v["heads"]]
    others = heads[:-1] + ([known] if known is not None else [])
    newest = max(others, key=lambda head: head.epoch, default=None)
    subject = _subject(v["subject"])
    answer = client.verify_answer(s, heads[-1], newest, subject, unhex(v["answer"]))
    versions: Optional[int] = None
    if v["pages"] is not None:
        if answer.state is None:
            raise ValueError("pages without a state")
        versions = client.verify_versions(heads[-1], answer.state, _hexes(v["pages"]))
    if v["record"] is not None:
        client.verify_record(heads[-1], subject.path, answer.items[0], unhex(v["record"]))
    return _verified_answer(subject, answer, versions)


def _subject(value: Value) -> client.Subject:
    kind = value["kind"]
    if kind == "module":
        return client.Subject(kind, value["path"], value["withVersions"])
    return client.Subject(kind, value["basePath"]) if kind == "majors" else client.Subject("toolchain")


def _verified_answer(subject: client.Subject, answer: client.Answer, versions: Optional[int]) -> Value:
    if not answer.items:
        return {"kind": "absent"}
    if subject.kind == "majors":
        items = [[i.suffix, i.path, i.version, i.index] for i in answer.items]
        return {"kind": "majors", "items": items, "complete": answer.complete}
    if subject.kind == "toolchain":
        return {"kind": "toolchain", "items": [[i.version, i.kind, i.index] for i in answer.items]}
    latest, *others = answer.items
    return {
        "kind": "module",
        "version": latest.version,
        "versionKind": latest.kind,
        "index": latest.index,
        "zipHash": latest.zip_hash.hex(),
        "goModHash": latest.go_mod_hash.hex(),
        "others": [[item.version, item.index] for item in others],
        "versions": versions,
    }


def op_sumdb(v: Vector) -> Value:
    s, known = _settings(v), _memory(v)
    head = _verify_head(s, known, v["head"])
    if known is None:
        raise ValueError("no memory")
    client.verify_sumdb(known, head, _optional(v["proof"]))
    return "ok"


def op_age(v: Vector) -> Value:
    s = _settings(v)
    newest = _verify_head(s, _memory(v), v["head"])
    head, since = client.verify_age(
        s, newest, v["time"], unhex(v["ageHead"]), _optional(v["ageConsistency"])
    )
    return {"epoch": head.epoch, "sumdbSize": head.sumdb.size, "publicSince": since}


def op_evidence(v: Vector) -> Value:
    client.verify_evidence(v["evidence"], v["key"])
    return "ok"


# --- audit.json -----------------------------------------------------------------------------------


def op_transition(v: Vector) -> Value:
    key = notes.parse_vkey(v["sumdbKey"], notes.TYPE_ED25519)
    if (v["epoch"] == 1) != (v["leaf"] is None):
        raise ValueError("only epoch 1 has no old leaf")
    _, text = audit.verify_transition(v["leaf"], key, unhex(v["transition"]))
    return {"leaf": text}


def op_audit_evidence(v: Vector) -> Value:
    epoch, fault = audit.verify_evidence(v["evidence"], v["key"], v["sumdbKey"])
    return {"epoch": epoch, "fault": fault}


# --- proof-file.json ------------------------------------------------------------------------------


def op_proof_file(v: Vector) -> Value:
    s = client.settings(
        v["zone"], v["policy"], v["sumdbKey"], 0, v["maxAge"], v["maxLag"], v.get("isFreshnessRequired", True)
    )
    text = v["text"]
    if "repeat" in v:
        at, what, times = v["repeat"]
        text = text[:at] + what * times + text[at:]
    proven = prooffile.verify(s, text, v["now"], v["subject"])
    record = proven.record
    return {
        "subject": proven.subject,
        "epoch": proven.epoch,
        "ageTime": proven.age_time,
        "value": proven.value,
        "versions": proven.versions,
        "record": None
        if record is None
        else {
            "version": record.version,
            "index": record.index,
            "zipHash": record.zip_hash.hex(),
            "goModHash": record.go_mod_hash.hex(),
        },
    }


OPERATIONS: dict[str, Callable[[Vector], Value]] = {
    "record": op_record,
    "version": op_version,
    "order": op_order,
    "path": op_path,
    "map": op_map,
    "cuts": op_cuts,
    "root": op_root,
    "proof": op_proof,
    "leaf": op_leaf,
    "checkpoint": op_checkpoint,
    "cosignature": op_cosignature,
    "frontier": op_frontier,
    "cover": op_cover,
    "extend": op_extend,
    "inclusion": op_inclusion,
    "consistency": op_consistency,
    "encode-path": op_encode_path,
    "name": op_name,
    "payload": op_payload,
    "txt": op_txt,
    "head": op_head,
    "answer": op_answer,
    "sumdb": op_sumdb,
    "age": op_age,
    "evidence": op_evidence,
    "transition": op_transition,
    "audit-evidence": op_audit_evidence,
    "proof-file": op_proof_file,
}
