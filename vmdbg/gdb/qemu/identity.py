"""What QEMU says of itself: version, status, cpus, kvm, name, uuid."""

from __future__ import annotations

import threading

from vmdbg.session.session import Session
from vmdbg.version import VERSION


def version(_session: Session, _words: str) -> str:
    """QEMU's form is a number, and in the same word who built it."""
    return f"{VERSION}vmdbg\n"


def status(session: Session, _words: str) -> str:
    debugger = session.debugger
    if debugger.running:
        return "VM status: running\n"
    return f"VM status: paused{' (shutdown)' if debugger.machine.ending is not None else ''}\n"


def cpus(session: Session, _words: str) -> str:
    """All run on one thread; the one that is looked at is marked."""
    here, thread = session.debugger.cpu.number, threading.get_native_id()
    numbers = [cpu.number for cpu in session.debugger.cpus]
    return "".join(f"{'*' if number == here else ' '} CPU #{number}: thread_id={thread}\n" for number in numbers)


def kvm(_session: Session, _words: str) -> str:
    return "kvm support: not compiled\n"


def name(_session: Session, _words: str) -> str:
    """Guests have no names here: an empty answer, as from a QEMU without -name."""
    return ""


def uuid(_session: Session, _words: str) -> str:
    return "00000000-0000-0000-0000-000000000000\n"
