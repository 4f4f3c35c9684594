"""Which packets are meant, in words as tcpdump's: `tcp port 80`, `arp or icmp`, `not host 10.0.2.2`, `lost`.

Words that follow one another without `and` or `or` all have to hold; `not` is for the next one; parentheses group.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from devices.network.summary import Summary, summary
from devices.network.wire import Direction, Fate, Passage

PROTOCOLS = ("arp", "ip", "ip6", "icmp", "icmp6", "tcp", "udp", "dhcp", "dns", "tftp", "vlan")
FORMS = ", ".join(PROTOCOLS) + ", port N, host ADDRESS, net0, sent, received, lost; and, or, not, ( )"
LONGEST, DEEPEST = 1000, 50
_MAC = re.compile(r"[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}")

Test = Callable[[Passage, Summary], bool]


@dataclass(frozen=True, slots=True)
class PacketFilter:
    """What parse_filter() made of `words`."""

    words: str
    test: Test

    def holds(self, passage: Passage) -> bool:
        return self.test(passage, summary(passage.frame))


@functools.lru_cache(maxsize=256)
def parse_filter(words: str) -> PacketFilter:
    """Everything, where there are no words. Raises ValueError that says what is understood."""
    if len(words) > LONGEST:
        raise ValueError(f"a filter has at most {LONGEST} characters")
    parser = _Parser(words.replace("(", " ( ").replace(")", " ) ").split())
    test = parser.either(0) if parser.words else (lambda passage, found: True)
    if parser.words:
        raise ValueError(f"{parser.words[0]!r} is one too many in a filter of packets")
    return PacketFilter(words, test)


class _Parser:
    def __init__(self, words: list[str]) -> None:
        self.words = words

    def either(self, depth: int) -> Test:
        tests = [self._both(depth)]
        while self.words[:1] == ["or"]:
            self.words.pop(0)
            tests.append(self._both(depth))
        return lambda passage, found: any(test(passage, found) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self.words and self.words[0] not in ("or", ")"):
            if self.words[0] == "and":
                self.words.pop(0)
            tests.append(self._one(depth))
        return lambda passage, found: all(test(passage, found) for test in tests)

    def _one(self, depth: int) -> Test:
        if depth > DEEPEST:
            raise ValueError("a filter of packets is not nested so deep")
        word = self._next("a packet")
        if word == "not":
            test = self._one(depth + 1)
            return lambda passage, found: not test(passage, found)
        if word == "(":
            inner = self.either(depth + 1)
            if self._next("`)`") != ")":
                raise ValueError("a parenthesis is not closed in a filter of packets")
            return inner
        return self._word(word.lower())

    def _next(self, wanted: str) -> str:
        if not self.words:
            raise ValueError(f"a filter of packets ends where {wanted} was to come; there are: {FORMS}")
        return self.words.pop(0)

    def _word(self, word: str) -> Test:
        if word in PROTOCOLS:
            return lambda passage, found: word in found.protocols
        if word in tuple(Direction):
            return lambda passage, found: passage.direction == word
        if word == "lost":
            return lambda passage, found: passage.fate is not Fate.CARRIED
        if word.startswith("net") and word[3:].isdecimal():
            return lambda passage, found: passage.net == word
        if word == "port":
            return _of_port(self._next("a port"))
        if word == "host":
            host = _host(self._next("an address"))
            return lambda passage, found: host in (found.source, found.target, *found.macs)
        raise ValueError(f"{word[:40]!r} says nothing of packets; there are: {FORMS}")


def _of_port(word: str) -> Test:
    if not word.isdecimal() or not 0 < int(word) < 1 << 16:
        raise ValueError(f"{word[:40]!r} is no port: 1 to 65535")
    number = int(word)
    return lambda passage, found: number in (found.source_port, found.target_port)


def _host(word: str) -> str:
    """An address as summary() writes it, however the user does."""
    if _MAC.fullmatch(word.lower()):
        return word.lower().replace("-", ":")
    try:
        if "%" not in word:
            return str(ipaddress.ip_address(word))
    except ValueError:
        pass
    raise ValueError(f"{word[:40]!r} is no address of a host, as 10.0.2.15, fe80::1 or 52:54:00:12:34:56")
