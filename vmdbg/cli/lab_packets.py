"""What was put on a link, in words."""

from __future__ import annotations


def packet_words(data: bytes) -> str:
    """What it is, by its first bytes: Ethernet II with ARP, IPv4, ICMP, UDP and TCP; characters of a serial line."""
    if len(data) < 14:
        return repr(data.decode("latin-1"))
    kind = int.from_bytes(data[12:14], "big")
    if kind == 0x0806 and len(data) >= 42:
        asks = "asks for" if data[21] == 1 else "is at"
        who = ".".join(map(str, data[38:42] if data[21] == 1 else data[28:32]))
        return f"ARP {'who is' if asks == 'asks for' else 'says:'} {who}"
    if kind != 0x0800 or len(data) < 34:
        return f"type {kind:#06x}"
    header = (data[14] & 15) * 4
    source, target = (".".join(map(str, data[at : at + 4])) for at in (26, 30))
    rest = data[14 + header :]
    match data[23]:
        case 6 if len(rest) >= 14:
            flags = "".join(letter for bit, letter in enumerate("FSRPAU") if rest[13] >> bit & 1)
            sequence = int.from_bytes(rest[4:8], "big")
            ports = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
            size = int.from_bytes(data[16:18], "big") - header - (rest[12] >> 4) * 4
            return f"TCP {source}:{ports[0]} > {target}:{ports[1]} {flags} seq {sequence} {size} bytes"
        case 17 if len(rest) >= 4:
            ports = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
            return f"UDP {source}:{ports[0]} > {target}:{ports[1]}"
        case 1 if rest:
            return f"ICMP {source} > {target} type {rest[0]}"
        case number:
            return f"IP {number} {source} > {target}"
