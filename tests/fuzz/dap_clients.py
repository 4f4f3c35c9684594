"""Clients that say anything to a DAP session: of a toy, which is quick, and of a machine, which is the real thing."""

from __future__ import annotations

import random

from dapstub.framing import MAX_BODY, MAX_HEADER
from dapstub.session import Session
from tests.dapstub.toy import Toy
from tests.dapstub.wire import message, messages
from tests.fuzz.dap_messages import Messages, requests
from tests.vmdbg.dap.specification import check
from vmdbg.dap.guest import GuestDebugger
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.stops import Stop
from vmdbg.session.registry import Effect

CHECKED = 0.01
"""Of the answers that come back together: how many are held to the specification."""
TOGETHER = 8
"""Messages in one piece."""
RARE = ("disconnect", "terminate", "initialize", "launch", "attach", "restart")
"""What ends or begins a session is said now and then."""
PATIENCE = 20
"""Slices that a guest which was let go has before it is stopped."""
SLICE = 2_000


class Client:
    """Says something, and sees to it that it is answered as it should be."""

    def __init__(self, session: Session, chance: random.Random) -> None:
        self.session = session
        self._chance = chance
        common = [name for name in sorted(requests()) if name not in RARE]
        self._messages = Messages(chance, [*common * 8, *RARE])

    def begin(self) -> None:
        """As any client does."""
        for number, command in enumerate(("initialize", "launch", "configurationDone")):
            self.session.receive(message(number, command))
        assert all(one.get("success", True) for one in messages(self.session.take_output()))

    def say(self, count: int = 1) -> None:
        """So many at once, in two pieces."""
        data = b"".join(self._messages.bytes() for _ in range(count))
        cut = self._chance.randrange(len(data) + 1)
        self.session.receive(data[:cut])
        self.session.receive(data[cut:])
        self.hear()

    def hear(self) -> None:
        assert self.session.unread <= MAX_BODY + MAX_HEADER
        output = self.session.take_output()
        assert b"a defect of" not in output, output
        if self._chance.random() > CHECKED:
            return
        for one in messages(output):
            if one["type"] == "event":
                check(f"{one['event']}Event", one)
            else:
                check(f"{one['command']}Response" if one["success"] else "errorResponse", one)


def attack_session(seed: int, steps: int) -> int:
    """Of a toy: framing, requests and their order. So many messages, over as many sessions as that takes."""
    chance, said = random.Random(seed), 0
    while said < steps:
        client = Client(Session(Toy()), chance)
        client.begin()
        while said < steps and not client.session.ended:
            client.say(TOGETHER)
            said += TOGETHER
    return said


def attack_machine(seed: int, steps: int) -> int:
    """Of the sample kernel, at its first instructions."""
    import vmdbg

    chance, said = random.Random(seed), 0
    with vmdbg.launch(memory="16M") as guest:
        debugger = guest.debugger
        made = GuestDebugger(debugger, allowed=Effect.CHANGES | Effect.RUNS)
        made.wait = _stopped
        while said < steps:
            client = Client(Session(made), chance)
            client.begin()
            while said < steps and not client.session.ended:
                client.say()
                said += 1
                if debugger.running:
                    _stopped(debugger)
                    client.hear()
            client.session.closed()
            _stopped(debugger)
            debugger.restart()
    return said


def _stopped(debugger: Debugger) -> Stop:
    """After a while, wherever it is."""
    for _ in range(PATIENCE):
        if debugger.poll(SLICE) is not None or not debugger.running:
            return debugger.last_stop
    debugger.interrupt()
    return debugger.wait()
