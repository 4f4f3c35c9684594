"""Ways to get a guest."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeVar

from devices.disk.drive import DriveKind
from vmdbg.api.guest import Guest
from vmdbg.boot.image import CpuMode, Protocol
from vmdbg.errors import UserError
from vmdbg.host.additions import drive as to_drive
from vmdbg.host.additions import module as to_module
from vmdbg.host.additions import net as to_net
from vmdbg.host.additions import nvram as to_nvram
from vmdbg.host.additions import open_added
from vmdbg.host.additions import share as to_share
from vmdbg.host.schedule_files import schedule as to_schedule
from vmdbg.host.start import GuestFiles, Started, option_rom
from vmdbg.host.start import start as boot
from vmdbg.host.values import boot_order as to_boot_order
from vmdbg.host.values import cpus as to_topology
from vmdbg.host.values import memory_size, start_date
from vmdbg.machine.chipset import AUTOMATIC, with_chipset
from vmdbg.machine.config import DEFAULT_MEMORY, DEFAULT_START, BootOrder, Chipset, Display, HpetMode, MachineConfig
from vmdbg.machine.media import Media
from vmdbg.machine.schedule import ROUND_ROBIN
from vmdbg.timeline.checkpoint import DEFAULT_BUDGET
from vmdbg.timeline.timeline import Timeline

if TYPE_CHECKING:
    from vmdbg.host.drives import DriveChoice
    from vmdbg.host.nets import NetChoice
    from vmdbg.host.nvram import NvramFile

Path = str | PathLike[str]
Named = TypeVar("Named", bound=enum.Enum)


def launch(
    kernel: Path | bytes | None = None,
    *,
    initrd: Path | None = None,
    modules: Sequence[Path] = (),
    bios: Path | None = None,
    nvram: Path | None = None,
    append: str = "",
    command_line: str | None = None,
    memory: int | str = DEFAULT_MEMORY,
    cpu: str = "base",
    apic: bool = True,
    cpus: int | str = 1,
    schedule: str = ROUND_ROBIN,
    start: int | str = DEFAULT_START,
    devices: Sequence[str] = (),
    disks: Sequence[Path] = (),
    cdroms: Sequence[Path] = (),
    floppies: Sequence[Path] = (),
    shares: Sequence[Path] = (),
    nets: Sequence[str] = (),
    virtio_console: bool = False,
    mouse: bool = False,
    machine: str = AUTOMATIC,
    hpet: str = HpetMode.PLAIN,
    vga: str = Display.TEXT,
    boot_order: str = "",
    reboots: bool = True,
    load_address: int | None = None,
    mode: CpuMode | str | None = None,
    via_decompressor: bool = False,
    via_setup: bool = False,
    real_mode: bool = False,
    protocol: Protocol | str | None = None,
    seed: bytes | str = b"vmdbg",
    record: Path | None = None,
    embed: bool = True,
    checkpoint_memory: int | str = DEFAULT_BUDGET,
    linked: bool = False,
    say: Callable[[str], None] = lambda _line: None,
) -> Guest:
    """A guest at its first instruction. The options are those of `vmdbg run`; `kernel` may be the bytes themselves.

    Without kernel and bios it is firmware where there are drives, else the sample guest, as there. memory,
    checkpoint_memory: bytes, or text such as "256M". cpus: a number, or text as `--cpus` has it; schedule: as
    `--schedule` does. start: what the RTC shows at first, in seconds since 1970, or a date as `--start` has it.
    modules: those of a Multiboot kernel, as `--module` has them.
    devices: those to add, as `--device` has them. disks, cdroms, floppies: as `--disk`, `--cdrom` and `--floppy` have
    them, such as "disk.img,serial=A1". shares: folders, as `--share` has them. nets: network devices, as `--net`
    has them; those that lead to the host are served while the guest runs, and `say` is told of forwarded ports and of
    connections that are cut. virtio_console: whether there is one, which is port 4; mouse: whether there is one.
    machine, hpet, vga, mode, protocol: as their options have them; boot_order: as `--boot` does. reboots: whether a
    reset starts a guest in firmware again. record: a new file to record into, with the guest's files unless `embed` is
    False.
    linked: others may send it something at any time, so that it never halts for ever while it takes interrupts
    (vmdbg.Lab). Raises UserError, EngineError.
    """
    wires = [to_net(text) for text in nets]
    outward = any(wire.leads_to_host for wire in wires)
    if linked and outward:
        raise UserError("a machine of a lab has no network of the host's: take quiet, none or the lab's")
    wanted = MachineConfig(
        memory=_bytes(memory),
        cpu=cpu,
        apic=apic,
        start=_seconds(start),
        devices=tuple(devices),
        boot=to_boot_order(boot_order) if boot_order else BootOrder(),
        topology=to_topology(str(cpus)),
        schedule=to_schedule(schedule),
        hvc=virtio_console,
        mouse=mouse,
        hpet=_one_of(HpetMode, "HPET", hpet),
        display=_one_of(Display, "display", vga),
        waits=linked or outward,
    )
    files = GuestFiles(
        kernel=kernel if isinstance(kernel, bytes | None) else fspath(kernel),
        initrd=fspath(initrd) if initrd is not None else None,
        modules=tuple(to_module(fspath(module)) for module in modules),
        bios=fspath(bios) if bios is not None else None,
        nvram=to_nvram(fspath(nvram)) if nvram is not None else None,
        append=append,
        command_line=command_line,
        via_decompressor=via_decompressor,
        via_setup=via_setup,
        real_mode=real_mode,
        protocol=_named(Protocol, protocol),
        load_address=load_address,
        mode=_named(CpuMode, mode),
        seed=seed.encode("utf-8", "surrogateescape") if isinstance(seed, str) else seed,
        reboots=reboots,
    )
    kinds = ((DriveKind.DISK, disks), (DriveKind.CD, cdroms), (DriveKind.FLOPPY, floppies))
    choices = [to_drive(kind, fspath(text)) for kind, texts in kinds for text in texts]
    started = _start(files, wanted, machine, choices, shares, wires)
    guest = Guest(Timeline(started.machine, origin=started.origin, budget=_bytes(checkpoint_memory)))
    if started.nvram is not None:
        guest.at_close(_keeper(started.nvram, guest.timeline))
    if outward:
        _serve(guest, wires, say)
    if record is not None:
        guest.record(record, embed=embed)
    return guest


def _start(
    files: GuestFiles,
    wanted: MachineConfig,
    machine: str,
    choices: Sequence[DriveChoice],
    shares: Sequence[Path],
    nets: Sequence[NetChoice],
) -> Started:
    """With drives, shares and network devices, whose files are the guest's to close, and the chipset for them."""
    if machine not in (AUTOMATIC, *Chipset):
        raise UserError(f"there is no machine {machine!r}; there are: {', '.join([AUTOMATIC, *Chipset])}")
    media = Media()
    try:
        added = open_added(choices, [to_share(fspath(text)) for text in shares], nets, media)
        rom = option_rom(wanted.display)
        config = replace(wanted, drives=added.drives, shares=added.shares, nets=added.nets, option_rom=rom)
        return boot(files, with_chipset(config, machine, firmware=files.bios is not None), media=media)
    except BaseException:
        media.close()
        raise


def _serve(guest: Guest, nets: Sequence[NetChoice], say: Callable[[str], None]) -> None:
    """The host at the other end of its cables. Raises UserError."""
    from vmdbg.host.live_network import LiveNetwork  # for guests with such a network only

    try:
        guest.at_close(LiveNetwork(guest.timeline, nets, say).close)
    except BaseException:
        guest.close()
        raise


def _keeper(nvram: NvramFile, timeline: Timeline) -> Callable[[], None]:
    """What keeps the file, of the end of the history."""

    def keep() -> None:
        nvram.live = lambda: timeline.live
        try:
            if not nvram.write():
                timeline.seek(timeline.end)
                nvram.write()
        finally:
            nvram.close()

    return keep


def _bytes(size: int | str) -> int:
    return size if isinstance(size, int) else memory_size(size)


def _named(kind: type[Named], value: Named | str | None) -> Named | None:
    """What users call by its value."""
    return _one_of(kind, kind.__name__.lower(), value) if value is not None else None


def _one_of(kind: type[Named], word: str, value: Named | str) -> Named:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(one.value) for one in kind)
        raise UserError(f"there is no {word} {value!r}; there are: {known}") from None


def _seconds(start: int | str) -> int:
    return start if isinstance(start, int) else start_date(start)


def open_recording(
    path: Path, *, verify: bool = True, checkpoint_memory: int | str = DEFAULT_BUDGET, left_out: Sequence[Path] = ()
) -> Guest:
    """The guest of a recording, at its start. Its history ends where the recording does, unless it is forked.

    verify: compare with the recorded digests as they are passed. left_out: the files that it was made without
    (--no-embed). Raises UserError, RecordingError, EngineError.
    """
    from vmdbg.recording.reader import open_recording as read_recording
    from vmdbg.recording.replay import replay

    recording = read_recording(fspath(path), [fspath(one) for one in left_out])
    try:
        timeline = replay(recording, budget=_bytes(checkpoint_memory))
    except BaseException:
        recording.close()
        raise
    timeline.verification.wanted = verify
    return Guest(timeline, recording)


def resume(path: Path, *, checkpoint_memory: int | str = DEFAULT_BUDGET, left_out: Sequence[Path] = ()) -> Guest:
    """The guest of a snapshot, or of a recording at its end, ready to go on. Raises as open_recording()."""
    guest = open_recording(path, checkpoint_memory=checkpoint_memory, left_out=left_out)
    guest.seek("end")
    guest.timeline.reopen()
    return guest
