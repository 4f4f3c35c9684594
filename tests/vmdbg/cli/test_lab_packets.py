"""What `packets` of a lab shows, of what crossed a link."""

from __future__ import annotations

from random import Random

import pytest

from devices.network.summary import in_words
from tests.devices.network.random_packets import draw
from vmdbg.cli.lab_packets import is_of, meant, packet_words
from vmdbg.errors import UserError
from vmdbg.lab.plan import End, LinkSpec, MachineSpec, Plan, SwitchSpec

PLAN = Plan(
    (MachineSpec("tcp", {}), MachineSpec("client", {})),
    (SwitchSpec("office"),),
    (LinkSpec("uplink", (End("client", "net0"), End("office")), 1000),),
)


def test_frames_are_what_a_machine_alone_says_they_are() -> None:
    random = Random(1)
    for drawn in (draw(random) for _ in range(300)):
        assert packet_words("client.net0", drawn.frame) == packet_words("office", drawn.frame) == in_words(drawn.frame)
        for protocol in ("tcp", "arp", "vlan", "ip6"):
            assert is_of("office", drawn.frame, [protocol, "dns"]) == (protocol in drawn.protocols)


def test_what_a_serial_line_carries_is_text_however_long() -> None:
    line = b"\r\nlogin: root, and no frame"
    assert packet_words("client.com2", line) == repr(line.decode())
    assert not is_of("client.com2", bytes(12) + b"\x08\x00" + bytes(40), ["ip"])


def test_words_are_names_and_protocols_in_either_case() -> None:
    assert meant(PLAN, ["office", "TCP", "tcp", "uplink", "client", "arp"]) == (
        ["office", "tcp", "uplink", "client"],
        ["tcp", "arp"],
    )


def test_a_word_that_is_neither_is_refused_with_what_there_is() -> None:
    with pytest.raises(UserError, match=r"'ofice' is no link, .*did you mean office.*there are: client, office, tcp"):
        meant(PLAN, ["ofice"])
