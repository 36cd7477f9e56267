#!/usr/bin/python3
"""Records DNS messages on the loopback: recorder.py ADDRESS writes a line for each message to or from port 53 of ADDRESS.

    {"peer": "10.53.1.1", "via": "udp", "reply": false, "hex": "…"}

Needs CAP_NET_RAW. Ends on SIGTERM.
"""

import json
import signal
import socket
import struct
import sys

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
PACKET_OUTGOING = 4


class Stream:
    """One direction of a TCP connection: DNS messages out of its segments, which the loopback delivers in order."""

    def __init__(self):
        self.next = None
        self.data = b""
        self.late = {}

    def add(self, seq, is_syn, payload):
        if is_syn:
            self.next = (seq + 1) & 0xFFFFFFFF
            return
        if self.next is None or not payload:
            return
        self.late.setdefault(seq, payload)
        while self.next in self.late:
            segment = self.late.pop(self.next)
            self.next = (self.next + len(segment)) & 0xFFFFFFFF
            self.data += segment
        while len(self.data) >= 2:
            end = 2 + int.from_bytes(self.data[:2], "big")
            if len(self.data) < end:
                return
            yield self.data[2:end]
            self.data = self.data[end:]


def main():
    server = socket.inet_aton(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 27)
    raw.bind(("lo", ETH_P_ALL))
    print(json.dumps({"ready": True}), flush=True)
    streams = {}

    def write(is_reply, source, target, via, message):
        peer = socket.inet_ntoa(target if is_reply else source)
        print(json.dumps({"peer": peer, "via": via, "reply": is_reply, "hex": message.hex()}), flush=True)

    while True:
        packet, (_, protocol, kind, _, _) = raw.recvfrom(1 << 18)
        # Every packet of the loopback is seen twice, once in each direction.
        if kind != PACKET_OUTGOING or protocol != 0x0800:
            continue
        source, target = packet[12:16], packet[16:20]
        ip = packet[(packet[0] & 15) * 4 :]
        source_port, target_port = struct.unpack("!HH", ip[:4])
        is_reply = source == server and source_port == 53
        if not is_reply and not (target == server and target_port == 53):
            continue
        if packet[9] == socket.IPPROTO_UDP:
            write(is_reply, source, target, "udp", ip[8:])
        elif packet[9] == socket.IPPROTO_TCP:
            flow = (source, source_port, target, target_port)
            if ip[13] & 2:
                streams[flow] = Stream()
            seq = int.from_bytes(ip[4:8], "big")
            for message in streams.setdefault(flow, Stream()).add(seq, ip[13] & 2, ip[(ip[12] >> 4) * 4 :]) or ():
                write(is_reply, source, target, "tcp", message)


main()
