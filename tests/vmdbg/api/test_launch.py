"""vmdbg.launch() and `vmdbg run` start the same machines, by the same options."""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import vmdbg
from tests.guests.build import REPOSITORY, assemble
from vmdbg.cli.run_options import add_run_options, guest_files, machine_config
from vmdbg.host.start import start
from vmdbg.machine.digest import digest

RENAMED = {
    "file": "kernel",
    "device": "devices",
    "disk": "disks",
    "cdrom": "cdroms",
    "floppy": "floppies",
    "share": "shares",
    "module": "modules",
    "net": "nets",
    "no_apic": "apic",
    "no_embed": "embed",
    "no_reboot": "reboots",
    "boot": "boot_order",
}
ELSEWHERE = {
    "no_realtime",  # a script's guest never waits
    "snapshot",  # resume()
    "left_out",  # resume(), open_recording()
}


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    return parser


def test_each_option_for_guest_machine_and_history_is_there_and_no_others() -> None:
    groups = [group for group in options()._action_groups if group.title in ("guest", "machine", "history")]
    declared = {action.dest for group in groups for action in group._group_actions} - ELSEWHERE
    # of the lines, the one that not every machine has; what labs say; who is told what the command line prints
    declared |= {"virtio_console", "linked", "say"}
    assert {RENAMED.get(name, name) for name in declared} == set(inspect.signature(vmdbg.launch).parameters)


SEABIOS = "/usr/share/seabios/bios-256k.bin"
CASES: list[tuple[tuple[str, ...], dict[str, object]]] = [
    ((), {}),
    (("--memory", "17MiB"), {"memory": "17MiB"}),
    (("--no-apic", "--cpu", "i586"), {"apic": False, "cpu": "i586"}),
    (("--start", "2024-02-29T12:00:00+01:00"), {"start": "2024-02-29T12:00:00+01:00"}),
    (("--device", "debugcon,port=0x3a0,id=log"), {"devices": ["debugcon,port=0x3a0,id=log"]}),
    (("--machine", "i440fx"), {"machine": "i440fx"}),
    (("--bios", SEABIOS, "--boot", "cdrom,disk"), {"bios": SEABIOS, "boot_order": "cdrom,disk"}),
    (("--seed", "Ünique"), {"seed": "Ünique"}),
]


@pytest.mark.parametrize(("words", "keywords"), CASES, ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")
def test_both_make_the_same_machine(words: tuple[str, ...], keywords: dict[str, object]) -> None:
    if SEABIOS in words and not Path(SEABIOS).exists():
        pytest.skip("needs SeaBIOS: apt-get install seabios")
    chosen = options().parse_args(words)
    by_run = start(guest_files(chosen), machine_config(chosen))
    try:
        with vmdbg.launch(**keywords) as guest:  # type: ignore[arg-type]  # of many kinds
            assert guest.digest() == digest(by_run.machine)
            assert guest.timeline.origin is not None
            assert guest.timeline.origin.config == by_run.origin.config
    finally:
        by_run.machine.close()


def test_flat_code_takes_the_words_of_the_options(tmp_path: Path) -> None:
    code = assemble("bits 64\nagain: inc rax\n jmp again\n")
    (tmp_path / "code").write_bytes(code)
    words = [str(tmp_path / "code"), "--load-address", "0x100000", "--mode", "long", "--checkpoint-memory", "64M"]
    if SEABIOS in words and not Path(SEABIOS).exists():
        pytest.skip("needs SeaBIOS: apt-get install seabios")
    chosen = options().parse_args(words)
    by_run = start(guest_files(chosen), machine_config(chosen))
    with vmdbg.launch(code, load_address=0x100000, mode="long", checkpoint_memory="64M") as guest:
        assert guest.digest() == digest(by_run.machine)
    by_run.machine.close()


@pytest.mark.parametrize(
    ("keywords", "what"),
    [
        ({"memory": "64"}, "no size of memory"),
        ({"start": "tomorrow"}, "no date"),
        ({"mode": "short"}, "there are: .*long"),
        ({"protocol": "carrier pigeon"}, "there are: .*linux"),
        ({"initrd": "/no/such"}, "goes with a kernel"),
        ({"boot_order": "tape"}, "tape"),
    ],
)
def test_what_is_wrong_is_named(keywords: dict[str, object], what: str) -> None:
    with pytest.raises(vmdbg.UserError, match=what):
        vmdbg.launch(**keywords)  # type: ignore[arg-type]  # of many kinds


FULL = """
import os, resource, sys, vmdbg
guest = vmdbg.launch(record=sys.argv[1])
full = os.path.getsize(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (full, full))
guest.close()
print(guest.recording_failure)
"""


def test_a_recording_that_fails_while_it_is_closed_is_told_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "full.vmdbg"
    words = [sys.executable, "-c", FULL, str(path)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
    words_of_it = f"{path} cannot be written any more: File too large. What was recorded so far can be replayed"
    assert done.stdout.startswith(words_of_it)
    with vmdbg.open_recording(path) as kept:
        assert kept.end == kept.start
