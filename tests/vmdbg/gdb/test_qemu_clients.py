"""Every kernel command of bata24/gef and pwndbg, once, on a stock kernel: clients made for QEMU miss nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.linux_assets import AssetsMissingError, cloud_debug_vmlinux
from tests.vmdbg.gdb.guests import Guest
from tests.vmdbg.gdb.qemu_clients import gef, guest_at_its_prompt, pwndbg
from vmdbg.machine.digest import digest

GEF = {
    "kbase": r"kernel text:   0xffffffff81000000-0xffffffff81",
    "kversion": r"Linux version 6\.1\.0-\S+-cloud-amd64",
    "kcmdline": r"'console=ttyS0",
    "kcurrent": r"current_task: 0x[0-9a-f]+",
    "ktask": r"cpu0    K   0       swapper/0 .*(.|\n)* U   1       init ",
    "kchecksec": r"CONFIG_RANDOMIZE_BASE \(KASLR\)",
    "kmagic": r"commit_creds +0xffffffff81",
    "kfiles": r"file descriptors of `init`(.|\n)*/dev/console",
    "kregs": r"registers of `init`",
    "ksighands": r"sighandlers of `init`",
    "knamespaces": r"namespace of `init`",
    "kmod": r"modules: 0xffffffff",
    "kbdev": r"Not found any bdev",
    "kcdev": r"ttyS|/dev/tty",
    "kops file_operations": r"ptr +llseek",
    "ksysctl -f pid_max": r"kernel\.pid_max",
    "kfilesystems": r"ramfs|tmpfs",
    "kclock-source": r"tsc",
    "ktimer": r"timer_bases: 0x",
    "kpcidev": r"8086:1237",
    "kconfig": r"CONFIG_IKCONFIG_PROC=n",
    "kdmesg": r"Linux version 6\.1",
    "slub-dump kmalloc-64": r"kmem_cache: 0xffff",
    "buddy-dump": r"num of nodes: 1",
    "kpipe": r"Nothing to dump|pipe_inode_info",
    "kbpf": r"bpf syscall is unimplemented|prog_idr",
    "kipcs": r"ipc_namespace",
    "kdevio": r"iomem_resource(.|\n)*System RAM",
    "kdmabuf": r"Nothing to dump",
    "kirq": r"irq_desc",
    "knetdev": r"\blo\b",
    "vmalloc-dump": r"vmap_area_list: 0xffffffff",
    "ksymaddr-remote vfs_read": r"0xffffffff81\w+ T vfs_read\n",
    "xp /4xg 0x1000000": r"0x0000000001000000: +0x\w{16} 0x\w{16}",
    "qreg -v": r"CR0=80050033(.|\n)*CR4(.|\n)*IDT",
    "v2p 0xffffffff81000000": r"Virt: 0xffffffff81000000 -> Phys: 0x1000000",
    "p2v 0x1000000": r"Virt: 0xffffffff81000000",
    "pagewalk": r"64-bit 4 level page table",
    "page to-virt 0xffffea0000000000": r"Virt: 0xffff888000000000",
    "virt2page 0xffff888003000000": r"Page: 0xffffea",
    "vmmap": r"cr3: 0x",
    "ks-apply": r"add-symbol-file",
}
"""What each command's answer must have in it. Left out: those for other architectures and allocators, those that
run the guest, ksearch-code-ptr (it takes minutes), qemu-device-info (it reads QEMU's own process),
pagewalk-with-hints (it falls over its own list of tasks) and syscall-table-view (over a table of this kernel)."""
ENDS_EARLY = {"kchecksec"}
"""It packs the addresses of the 32-bit system calls, which this kernel has not, and ends there, in QEMU too."""

PWNDBG = {
    "kbase": r"Found virtual text base address: 0xffffffff81000000",
    "kversion": r"Linux version 6\.1\.0-\S+-cloud-amd64",
    "kcmdline": r"console=ttyS0",
    "kchecksec": r"No kernel configuration found",
    "kconfig": r"No kernel configuration found",
    "klookup commit_creds": r"commit_creds = 0xffffffff81",
    "slab list": r"kmalloc-64 +\d+ +64",
    "slab info kmalloc-64": r"Slab Cache @ 0xffff",
    "vmmap": r"0xffffffff81000000 0xffffffff81e02000 r-xp",
    "xinfo $rsp": r"Containing mapping",
    "telescope $rsp": r"rsp",
}
"""Left out: pcplist and binder, which look for members that this kernel has not. It has no IKCONFIG either."""


@pytest.fixture(scope="module")
def booted() -> Iterator[Guest]:
    with guest_at_its_prompt() as made:
        yield made


def _wrong(answers: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    return {
        command: answer[-600:]
        for command, answer in answers.items()
        if not re.search(wanted[command], answer) or ("Exception raised" in answer and command not in ENDS_EARLY)
    }


@pytest.mark.cell("a kernel without symbols: tasks, slabs, log", "bata24/gef")
def test_gef_takes_it_for_qemu(booted: Guest) -> None:
    commands = ("kbase", "kversion", "v2p 0xffffffff81000000", "xp /4xg 0x1000000")
    answers = gef(booted.debugger, *commands)
    assert not _wrong(answers, GEF)


@pytest.mark.slow
@pytest.mark.cell("physical memory", "bata24/gef")
@pytest.mark.cell("leaves no trace in the guest", "bata24/gef")
def test_every_kernel_command_of_gef_answers_and_changes_nothing(booted: Guest) -> None:
    before = digest(booted.debugger.machine)
    answers = gef(booted.debugger, *GEF)
    assert not _wrong(answers, GEF)
    assert digest(booted.debugger.machine) == before


@pytest.mark.slow
@pytest.mark.cell("leaves no trace in the guest", "pwndbg")
@pytest.mark.cell("a kernel with its debug information: slabs, maps, context", "pwndbg")
def test_every_kernel_command_of_pwndbg_answers_and_changes_nothing(booted: Guest) -> None:
    try:
        symbols = cloud_debug_vmlinux()
    except AssetsMissingError as error:
        pytest.skip(str(error))
    before = digest(booted.debugger.machine)
    answers = pwndbg(booted.debugger, *PWNDBG, symbols=symbols)
    assert not _wrong(answers, PWNDBG)
    assert digest(booted.debugger.machine) == before
