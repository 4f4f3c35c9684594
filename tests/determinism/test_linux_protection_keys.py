"""Protection keys as Linux gives them to programs: what is refused is as pkeys(7) says, and a replay has it again."""

from __future__ import annotations

from pathlib import Path

import vmdbg
from tests.guests.build import GUESTS, build_program
from tests.linux_assets import PROMPT, busybox_initrd, cloud_kernel
from tests.vmdbg.engine.key_programs import MODEL
from vmdbg.api.boot import open_recording

SHOWN = """\
key 1
open: read allowed, write allowed
no writes: read allowed, write PKUERR key 1
no access: read PKUERR key 1, write PKUERR key 1
the page behind: read allowed, write allowed
the kernel: EFAULT
executes 42, read PKUERR
rights kept
"""


def test_a_program_is_refused_what_its_keys_refuse(tmp_path: Path) -> None:
    program = build_program((GUESTS / "protection_keys.c").read_text(), ["-no-pie", "-static"])
    path, initrd = tmp_path / "keys.rec", busybox_initrd({"bin/keys": program.read_bytes()})
    with vmdbg.launch(cloud_kernel(), initrd=initrd, cpu=MODEL, record=path) as guest:
        guest.expect(PROMPT)
        guest.send("grep -o -w -m1 ospke /proc/cpuinfo; keys; echo DO''NE\n")
        shown = guest.expect("DONE\r\n").replace("\r\n", "\n")
        end, found = guest.tick, guest.digest()
    assert "ospke\n" + SHOWN in shown
    with open_recording(path) as again:
        again.run(end)
        assert again.digest() == found
