"""A lab of small guests: two that send letters to and fro over a null-modem cable, on one clock."""

from pathlib import Path

from tests.guests.build import CACHE, assemble
from vmdbg.lab.plan import End, Happening, Instant, LinkSpec, MachineSpec, Plan

SOURCE = Path(__file__).parent / "courier.asm"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LATENCY = 100_000
END = 26 * LATENCY + 2_000_000


def courier(name: str, *, starts: bool = False, at: int = 0) -> MachineSpec:
    return MachineSpec(name, {"kernel": str(courier_image(starts=starts)), "memory": "2M"}, Instant(at))


def courier_image(*, starts: bool) -> Path:
    """Its boot sector, in a file for other processes to find."""
    path = CACHE / f"courier-{int(starts)}.bin"
    image = assemble(SOURCE.read_text(), defines={"STARTS": int(starts)})
    if not path.exists() or path.read_bytes() != image:
        path.write_bytes(image)
    return path


def two_couriers(*happenings: tuple[int, str], latency: int = LATENCY) -> Plan:
    link = LinkSpec("null", (End("anna", "com2"), End("ben", "com2")), latency)
    happened = tuple(Happening(Instant(at), line) for at, line in happenings)
    return Plan((courier("anna", starts=True), courier("ben")), (), (link,), happened)
