"""What is attacked, by name: devices that a guest reaches, drives' registers, shared folders, the server of editors."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.determinism.hostile_attacks import TARGETS as DEVICES
from tests.determinism.hostile_attacks import attack
from tests.devices.disk import test_ahci, test_hostile_drivers, test_hostile_floppy_drivers
from tests.devices.network import test_e1000, test_rtl8139, test_rtl8139_cplus
from tests.devices.network.quiet import test_hostile_frames
from tests.devices.ninep.test_hostile_clients import besiege
from tests.fuzz.dap_clients import attack_machine, attack_session
from tests.fuzz.rounds import Round


def _share(seed: int, steps: int, *, direct: bool, read_only: bool) -> int:
    with TemporaryDirectory() as scratch:
        return besiege(Path(scratch), seed, steps, direct=direct, read_only=read_only)


def _quiet_network(seed: int, steps: int) -> int:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "a").write_bytes(bytes(200_000))
        return test_hostile_frames.besiege(folder, seed, steps)


TARGETS: dict[str, Round] = {
    **{name: partial(attack, name) for name in DEVICES},
    "ide-registers": test_hostile_drivers.anything,
    "ahci-registers": test_ahci.anything,
    "e1000-registers": test_e1000.anything,
    "rtl8139-registers": test_rtl8139.anything,
    "rtl8139-cplus-registers": test_rtl8139_cplus.anything,
    "floppy-registers": test_hostile_floppy_drivers.anything,
    "quiet-network": _quiet_network,
    "dap": attack_machine,
    "dap-session": attack_session,
    "share": partial(_share, direct=False, read_only=False),
    "share-direct": partial(_share, direct=True, read_only=False),
    "share-read-only": partial(_share, direct=False, read_only=True),
}
