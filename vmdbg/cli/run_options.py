"""The options of `vmdbg run`."""

from __future__ import annotations

import argparse
import functools
from typing import TYPE_CHECKING

from devices.disk.drive import DriveKind
from vmdbg.boot.image import CpuMode, Protocol
from vmdbg.cli.dap_options import add_dap_options
from vmdbg.cli.gdb_options import add_gdb_options
from vmdbg.cli.web_options import add_web_option
from vmdbg.errors import UserError
from vmdbg.host.additions import Added, drive, module, net, nvram, share
from vmdbg.host.schedule_files import schedule
from vmdbg.host.serial_lines import NoSerial, debug_console_choice, serial_choice, virtio_console_choice
from vmdbg.host.start import GuestFiles, option_rom
from vmdbg.host.values import (
    boot_order,
    cpus,
    memory_size,
    number,
    readable_file,
    searched_text,
    start_date,
    tick,
    typed_text,
)
from vmdbg.machine.chipset import AUTOMATIC, with_chipset
from vmdbg.machine.config import DEFAULT_MEMORY, DEFAULT_START, BootOrder, Chipset, Display, HpetMode, MachineConfig
from vmdbg.machine.schedule import ROUND_ROBIN
from vmdbg.machine.schedules import FORMS
from vmdbg.session.schedule_files import FROM_FILE
from vmdbg.x86.cpu_models import DEFAULT_MODEL, MODELS
from vmdbg.x86.topology import ONE_CPU

if TYPE_CHECKING:
    from vmdbg.host.drives import DriveChoice

DEFAULT_CHECKPOINT_MEMORY = 512 << 20
NOTHING = Added()
EXAMPLES = r"""examples:
  vmdbg run                                          the sample guest
  vmdbg run --kernel vmlinuz --initrd initrd.cpio    Linux, with its console here
  vmdbg run --kernel vmlinuz --initrd initrd.cpio --gdb 1234 --wait
  vmdbg run disk.img --until "login:" --digest -     a boot sector, until it says so

exit codes: 0 powered off or stopped as asked, 1 the guest died, 2 bad usage, 3 an engine failure
"""


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Declare everything that `vmdbg run` understands."""
    _guest_options(parser.add_argument_group("guest"))
    _machine_options(parser.add_argument_group("machine"))
    _serial_options(parser.add_argument_group("serial port"))
    _debugger_options(parser.add_argument_group("debugger"))
    _history_options(parser.add_argument_group("history"))
    _stop_options(parser.add_argument_group("stopping and looking"))


def _guest_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("file", nargs="?", metavar="FILE", help="kernel, ELF or boot sector; default: the sample guest")
    group.add_argument("--kernel", metavar="FILE", help="the same as FILE")
    group.add_argument("--initrd", metavar="FILE", help="initial RAM disk")
    more = "a module of a Multiboot kernel, behind its initrd, and what it is told with it; may be repeated"
    group.add_argument("--module", type=module, action="append", metavar="FILE[,text=TEXT]", help=more)
    group.add_argument("--append", metavar="TEXT", default="", help="add to the default kernel command line")
    group.add_argument("--command-line", metavar="TEXT", help="replace the default kernel command line")
    group.add_argument("--bios", metavar="FILE", help="run firmware from the reset vector")
    ends = "end the run where a guest in firmware resets the machine, instead of starting it again"
    group.add_argument("--no-reboot", action="store_true", help=ends)
    variables = "keep UEFI firmware's variables in FILE, made if it is not there; snapshot=on: only begin with them"
    group.add_argument("--nvram", type=nvram, metavar="FILE[,snapshot=on]", help=variables)
    order = "what firmware tries, as cdrom,disk1 (disk,floppy,cdrom); with `menu`, which it asks for a key to show"
    group.add_argument("--boot", type=boot_order, default=BootOrder(), metavar="ORDER", help=order)
    group.add_argument(
        "--via-decompressor", action="store_true", help="let a Linux kernel unpack (and randomise) itself"
    )
    setup = "enter a Linux kernel by its 16-bit setup code, as old boot loaders do"
    group.add_argument("--via-setup", action="store_true", help=setup)
    real = "have a Multiboot kernel find a BIOS where it goes back to real mode, as Xen does"
    group.add_argument("--real-mode", action="store_true", help=real)
    protocols = [item.value for item in Protocol]
    group.add_argument("--protocol", choices=protocols, help="enter the guest this way, not as its magic number says")
    group.add_argument("--load-address", type=number, metavar="ADDRESS", help="run FILE as flat code loaded there")
    modes = [item.value for item in CpuMode]
    group.add_argument("--mode", choices=modes, help="CPU mode in which flat code starts")
    group.add_argument(
        "--seed", metavar="TEXT", default="vmdbg", help="what Linux's random numbers and RDRAND's begin with"
    )


def _machine_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--memory", type=memory_size, default=DEFAULT_MEMORY, metavar="SIZE", help="RAM (256M)")
    models = f"CPU model: {', '.join(MODELS)} ({DEFAULT_MODEL})"
    group.add_argument("--cpu", default=DEFAULT_MODEL, metavar="MODEL[,+FEATURE][,-FEATURE]", help=models)
    number = "how many CPUs, and how they lie, as 8,sockets=2,cores=2,threads=2 (1)"
    group.add_argument("--cpus", type=cpus, default=ONE_CPU, metavar="N[,sockets=..]", help=number)
    forms = f"whose turn it is of several CPUs: {', '.join(FORMS.values())}, {FROM_FILE}FILE (round-robin)"
    group.add_argument("--schedule", type=schedule, default=ROUND_ROBIN, metavar="SCHEDULE", help=forms)
    group.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="KIND[,OPTION=VALUE...]",
        help="add a device, as debugcon,port=0x3a0,id=log; `vmdbg devices --addable` lists them; may be repeated",
    )
    kinds = [AUTOMATIC, *Chipset]
    board = "chipset: i440fx has a PCI bus for devices, plain has none; auto (default): as firmware and --device need"
    add_drives(group)
    add_shares(group)
    add_nets(group)
    screens = "std: all of a VGA, with VBE, as PCI 1234:1111; text (default): registers of text mode alone; none"
    group.add_argument("--vga", choices=list(Display), default=Display.TEXT, help=screens)
    group.add_argument("--machine", choices=kinds, default=AUTOMATIC, help=board)
    mouse = "a PS/2 mouse with a wheel and five buttons, for `mouse` at the prompt to move"
    group.add_argument("--mouse", action="store_true", help=mouse)
    taken = "legacy: the guest can have the HPET take over the interrupts of 8254 and RTC (plain)"
    group.add_argument("--hpet", choices=list(HpetMode), default=HpetMode.PLAIN, help=taken)
    group.add_argument("--no-apic", action="store_true", help="no local APIC and no I/O APIC, just the 8259A pair")
    first = "what the RTC shows at first (2000-01-01)"
    group.add_argument("--start", type=start_date, default=DEFAULT_START, metavar="DATE", help=first)
    group.add_argument("--no-realtime", action="store_true", help="let idle time pass in no time at a terminal too")


def add_drives(group: argparse._ArgumentGroup) -> None:
    places = "[,bus=ide|ahci|virtio|nvme][,bootindex=N]"
    disk = f"FILE{places}[,format=raw|qcow2][,snapshot=off][,serial=TEXT][,backing=FILE]"
    group.add_argument(
        "--disk",
        action="append",
        default=[],
        type=functools.partial(drive, DriveKind.DISK),
        metavar=disk,
        help="a disk, whose image is never written unless snapshot=off is said; may be repeated",
    )
    for option, kind, metavar, what in (
        ("--cdrom", DriveKind.CD, "FILE", "a CD in a drive"),
        ("--floppy", DriveKind.FLOPPY, "FILE[,readonly=on]", "a floppy disk in a drive"),
    ):
        parse = functools.partial(drive, kind)
        help_text = f"{what}; may be repeated"
        group.add_argument(option, action="append", default=[], type=parse, metavar=metavar, help=help_text)


def add_shares(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--share",
        action="append",
        default=[],
        type=share,
        metavar="DIR[,tag=NAME][,readonly][,snapshot=off][,size=SIZE]",
        help="a folder that the guest can mount (9p), and never writes unless snapshot=off is said; may be repeated",
    )


def add_nets(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--net",
        action="append",
        default=[],
        type=net,
        metavar="quiet|user|none|socket:...|tap:NAME[,folder=DIR][,boot=FILE][,hostfwd=tcp::2222-:22][,model=MODEL][,mac=ADDRESS]",
        help="a network device, and who is at the other end of its cable; may be repeated",
    )


def _serial_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--serial",
        type=serial_choice,
        metavar="WHERE",
        help="COM1: stdio, none, pty, file:PATH, unix:PATH or tcp:HOST:PORT (stdio)",
    )
    group.add_argument(
        "--virtio-console",
        type=virtio_console_choice,
        metavar="WHERE",
        help="a virtio console, hvc0 in Linux: as --serial; with stdio, COM1 is nowhere if nobody says",
    )
    screen = "show the guest's screen on this terminal, whose keys are then those of the PC's keyboard"
    group.add_argument("--screen", action="store_true", help=screen)
    group.add_argument(
        "--debug-console",
        type=debug_console_choice,
        default=NoSerial(),
        metavar="WHERE",
        help="what the guest writes to ports E9h and 402h: stdio, none or file:PATH (none)",
    )
    group.add_argument(
        "--input",
        type=typed_text,
        default=b"",
        metavar="TEXT",
        help=r"type TEXT, each line once the serial line is idle; \n \r \t \e \xHH are understood",
    )


def _debugger_options(group: argparse._ArgumentGroup) -> None:
    add_gdb_options(group)
    add_dap_options(group)
    add_web_option(group)
    add_prompt_options(group)
    add_symbols(group)
    group.add_argument("--wait", action="store_true", help="hold the guest at its first instruction for the debugger")


def add_prompt_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--repl", action="store_true", help="debug at a prompt, before anything runs")
    group.add_argument(
        "-x", "--execute", action="append", metavar="COMMAND", help="carry out a debugger command; may be repeated"
    )
    commands = "carry out debugger commands of a file"
    group.add_argument("--command", dest="command_file", type=readable_file, metavar="FILE", help=commands)
    group.add_argument("--json", action="store_true", help="answers of debugger commands as JSON")


def _history_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--record", metavar="FILE", help="write everything that happens to a new recording")
    group.add_argument("--no-embed", action="store_true", help="have the recording refer to the guest's files")
    group.add_argument("--from", dest="snapshot", metavar="FILE", help="go on from a snapshot instead of booting")
    add_left_out(group)
    add_checkpoint_memory(group)


def add_checkpoint_memory(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--checkpoint-memory",
        type=memory_size,
        default=DEFAULT_CHECKPOINT_MEMORY,
        metavar="SIZE",
        help="how much memory the way back in time may take (512M)",
    )


def add_left_out(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--left-out",
        action="append",
        default=[],
        metavar="FILE",
        help="a file that the recording was made without (--no-embed); may be repeated",
    )


def add_symbols(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--symbols",
        action="append",
        default=[],
        metavar="FILE",
        help="an ELF file or System.map that names addresses; may be repeated",
    )


def _stop_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--until", type=searched_text, metavar="TEXT", help="stop when COM1 or the debug console has TEXT"
    )
    group.add_argument("--stop-at", type=tick, metavar="TICK", help="stop at the first boundary from this tick on")
    written = "write the turns of several CPUs for --schedule file:FILE to take; - for stdout"
    group.add_argument("--write-schedule", metavar="FILE", help=written)
    group.add_argument("--digest", metavar="FILE", help="write hashes of the stopped machine as JSON; - for stdout")
    packets = "write the packets of network devices to a new file for Wireshark and others"
    group.add_argument("--pcap", metavar="FILE", help=packets)
    group.add_argument("--trace-io", action="store_true", help="list the ports that were accessed without a device")
    group.add_argument("--trace-io-log", metavar="FILE", help="write every access to a device to FILE")


def guest_files(options: argparse.Namespace) -> GuestFiles:
    """Raises UserError for options that exclude each other."""
    if options.file is not None and options.kernel is not None:
        raise UserError(f"the guest is named twice, {options.file} and --kernel {options.kernel}: name it once")
    if options.wait and not (options.gdb or options.dap or options.web or options.repl):
        raise UserError("--wait holds the guest for a debugger, but none can attach: give --gdb PORT too")
    if options.input and (options.repl or options.execute or options.command_file):
        raise UserError("--input types at the guest's console, and here commands have the guest: use `send TEXT`")
    return GuestFiles(
        kernel=options.file if options.kernel is None else options.kernel,
        initrd=options.initrd,
        modules=tuple(options.module or ()),
        bios=options.bios,
        nvram=options.nvram,
        reboots=not options.no_reboot,
        append=options.append,
        command_line=options.command_line,
        via_decompressor=options.via_decompressor,
        via_setup=options.via_setup,
        real_mode=options.real_mode,
        protocol=Protocol(options.protocol) if options.protocol is not None else None,
        load_address=options.load_address,
        mode=CpuMode(options.mode) if options.mode is not None else None,
        seed=options.seed.encode("utf-8", "surrogateescape"),
    )


def scripted_lines(options: argparse.Namespace) -> tuple[str, ...]:
    """Debugger commands from --command and -x, in that order."""
    lines = [f'source "{options.command_file}"'] if options.command_file is not None else []
    return (*lines, *(options.execute or ()))


def drive_choices(options: argparse.Namespace) -> tuple[DriveChoice, ...]:
    """Disks, CDs and floppies, each kind in the order in which they were given."""
    return (*options.disk, *options.cdrom, *options.floppy)


def machine_config(options: argparse.Namespace, added: Added = NOTHING) -> MachineConfig:
    display = Display(options.vga)
    config = MachineConfig(
        memory=options.memory,
        cpu=options.cpu,
        apic=not options.no_apic,
        start=options.start,
        devices=tuple(options.device),
        boot=options.boot,
        drives=added.drives,
        shares=added.shares,
        nets=added.nets,
        hvc=options.virtio_console is not None,
        mouse=options.mouse,
        hpet=HpetMode(options.hpet),
        topology=options.cpus,
        schedule=options.schedule,
        display=display,
        option_rom=option_rom(display),
    )
    return with_chipset(config, options.machine, firmware=options.bios is not None)
