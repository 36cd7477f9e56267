#!/usr/bin/env python3
"""Decodes DNS messages with dnspython: one message in hex a line in, one JSON object a line out.

Messages are decoded as dnspython does by default: it refuses what does not follow the wire format, and bytes behind the
message. Whatever it raises is the verdict; counts are of records, of which it merges those that are the same.

It has no form for opcodes that are not assigned: these messages it is given as queries.
"""

import json
import sys

try:
    import dns.message
    import dns.opcode
    import dns.version
except ImportError as error:
    sys.exit(f"dnspython is missing: {error}")


def verdict(line):
    wire = bytearray.fromhex(line)
    opcode = wire[2] >> 3 & 15
    if opcode not in list(dns.opcode.Opcode):
        wire[2] &= 0x87
    wire = bytes(wire)
    try:
        message = dns.message.from_wire(wire)
        records = [sum(len(rrset) for rrset in section) for section in message.sections[1:]]
        for section in message.sections:
            for rrset in section:
                rrset.to_text()
    except Exception as error:  # The point is to see all of them.
        return {"error": f"{type(error).__name__}: {error}"}
    question = message.question[0] if message.question else None
    return {
        "id": message.id,
        "flags": int(message.flags),
        "opcode": opcode,
        "rcode": int(message.rcode()),
        "questions": len(message.question),
        "qtype": int(question.rdtype) if question is not None else -1,
        "records": records,
        "edns": message.edns,
        "ednsflags": message.ednsflags & 0xFFFF,
        "payload": message.payload,
        "options": [int(option.otype) for option in message.options],
    }


if len(sys.argv) > 1 and sys.argv[1] == "--version":
    print(dns.version.version)
else:
    for line in sys.stdin:
        print(json.dumps(verdict(line.strip())))
