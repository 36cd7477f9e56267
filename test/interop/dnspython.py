#!/usr/bin/python3
"""Decodes DNS messages with dnspython, which shares no code with this project.

Reads one message a line in hex from stdin and writes one JSON object a line to stdout, in the same order:

    {"ok": true, "id": 4660, "rcode": "NOERROR", "flags": "QR AA", "edns": 0, "payload": 1232, "ednsFlags": "DO",
     "question": ["l.example.org. IN SOA"], "answer": [...], "authority": [...], "additional": [...], "signatures": 2}
    {"ok": false, "error": "TrailingJunk: ..."}

Records are in presentation form, TXT in full. A message is refused for bytes after its end, and if what dnspython makes of it
does not survive being written and read again. Names keep their case.

    --keys FILE   DNSKEY records in presentation form, as in a zone file; every RRSIG of a message must then verify with one of
                  them at the current time, and in a message with the flag DO every RRset of the answer and the authority section
                  must have one.
    --brief       leave the records out
"""

import argparse
import json
import sys

import dns.dnssec
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.zonefile

SECTIONS = ["question", "answer", "authority", "additional"]


def read_keys(path):
    """RRsets of the DNSKEY records in a file, by owner."""
    keys = {}
    with open(path, encoding="ascii") as file:
        for rrset in dns.zonefile.read_rrsets(file.read(), rdclass=None, default_ttl=3600):
            if rrset.rdtype == dns.rdatatype.DNSKEY:
                keys[rrset.name] = rrset
    return keys


def check_signatures(message, keys):
    """Verifies all signatures of a message; gives their number. Raises dns.dnssec.ValidationFailure."""
    count = 0
    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.RRSIG:
                covered = [r for r in section if (r.name, r.rdtype) == (rrset.name, rrset.covers)]
                if not covered:
                    raise dns.dnssec.ValidationFailure(f"a signature over nothing: {rrset.name} {rrset.covers}")
                continue
            signatures = [r for r in section if r.name == rrset.name and r.covers == rrset.rdtype]
            if not signatures and not message.ednsflags & dns.flags.DO:
                continue
            if not signatures:
                raise dns.dnssec.ValidationFailure(f"no signature: {rrset.name} {rrset.rdtype}")
            for signature in signatures[0]:
                dns.dnssec.validate_rrsig(rrset, signature, keys)
                count += 1
    return count


def judge(line, keys, brief):
    wire = bytes.fromhex(line)
    # Not one by one: records of one RRset belong together for what is verified below.
    message = dns.message.from_wire(wire)
    again = dns.message.from_wire(message.to_wire(max_size=65535))
    for name in SECTIONS:
        if getattr(message, name) != getattr(again, name):
            raise ValueError(f"the section {name} does not survive being written and read again")
    verdict = {
        "ok": True,
        "id": message.id,
        "rcode": dns.rcode.to_text(message.rcode()),
        "flags": dns.flags.to_text(message.flags),
        "edns": message.edns,
        "payload": message.payload if message.edns >= 0 else None,
        "ednsFlags": dns.flags.edns_to_text(message.ednsflags & 0xFFFF),
    }
    if keys is not None:
        verdict["signatures"] = check_signatures(message, keys)
    if not brief:
        for name in SECTIONS:
            records = getattr(message, name)
            verdict[name] = [text for rrset in records for text in rrset.to_text().split("\n")]
    return verdict


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys")
    parser.add_argument("--brief", action="store_true")
    options = parser.parse_args()
    keys = None if options.keys is None else read_keys(options.keys)
    for line in sys.stdin:
        try:
            verdict = judge(line.strip(), keys, options.brief)
        except Exception as error:  # whatever dnspython raises is a verdict
            verdict = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(verdict), flush=True)


main()
