"""What each assembled guest of this directory prints on the debug console (E9h), and how it ends.

The outputs were recorded from QEMU 7.2 (`test_guests_in_qemu.py` compares again where QEMU is installed) and
read against the SDM. Where QEMU deviates, `output` is what the SDM says and `qemu_output` what QEMU does.
"""

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """How the image is loaded and entered."""

    BOOT_SECTOR = enum.auto()  # 512 bytes, real mode, at 0000:7C00
    PROTECTED = enum.auto()  # flat image and segments, 32-bit protected mode, at 100000h; Multiboot header


class Ending(enum.Enum):
    TEST_EXIT = enum.auto()  # wrote 0 to port F4h
    TRIPLE_FAULT = enum.auto()
    HALTED = enum.auto()  # HLT with IF = 0


@dataclass(frozen=True, slots=True)
class Guest:
    """One `name`.asm; `not_in_qemu` says why QEMU cannot run it."""

    name: str
    kind: Kind
    ending: Ending
    output: str
    qemu_output: str | None = None
    not_in_qemu: str | None = None


LOAD_ADDRESS = {Kind.BOOT_SECTOR: 0x7C00, Kind.PROTECTED: 0x100000}
MEMORY_NEEDED = 4 << 20

GUESTS = (
    Guest(
        "compatibility",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
int80 cs=0040 ss=0010 rax=0000000012345679
rbx=0000000000000000
int80 cs=001b ss=0023 rax=00000000cafebabe rsp=0000000000238000
#0d e=0000 fault ring3
done
""",
    ),
    Guest(
        "debug_registers",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
#01 dr6=ffff0ff1 fault
#01 dr6=ffff0ff1 fault
#01 dr6=ffff0ff1 fault
#01 dr6=ffff0ff2 trap rcx=0000
#01 dr6=ffff0ff2 trap rcx=0000
#01 dr6=ffff0ff4 trap rcx=0000
#01 dr6=ffff0ff8 trap rcx=0000
#01 dr6=ffff0ff8 trap rcx=0000
#01 dr6=ffff0ff2 trap rcx=0002
#01 dr6=ffff0ff4 trap rcx=0001
#01 dr6=ffff0ff8 trap rcx=0000
dr7=00000400
""",
    ),
    Guest(
        "double_fault",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
#08 e=0000 frame at 0000000000227f50 cr2=0000000040000000
survived
#08 e=0000 frame at 0000000000227f50 cr2=00000000400007f8
finished
""",
    ),
    Guest(
        "halt_forever",
        Kind.PROTECTED,
        Ending.HALTED,
        "good night\n",
    ),
    Guest(
        "interrupt_shadow",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
sti: 03
sti cli: ff
then: 02
popf: 01
sti hlt: 02
""",
    ),
    Guest(
        "long_exceptions",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
#00 e=0000 fault
#00 e=0000 fault
#03 e=0000 trap
#03 e=0000 trap
#06 e=0000 fault
#06 e=0000 fault
#07 e=0000 fault
#07 e=0000 fault
#0b e=0048 fault
#0c e=0048 fault
#0d e=5678 fault
#0d e=0030 fault
#0b e=01a2 fault
#0d e=0000 fault
#10 e=0000 fault
#02 e=0000 trap
done
""",
        # The index of an IDT gate is its vector, in long mode too (SDM 3A 6.13).
        qemu_output="""\
#00 e=0000 fault
#00 e=0000 fault
#03 e=0000 trap
#03 e=0000 trap
#06 e=0000 fault
#06 e=0000 fault
#07 e=0000 fault
#07 e=0000 fault
#0b e=0048 fault
#0c e=0048 fault
#0d e=5678 fault
#0d e=0030 fault
#0b e=0342 fault
#0d e=0000 fault
#10 e=0000 fault
#02 e=0000 trap
done
""",
    ),
    Guest(
        "long_page_faults",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
#0e e=0000 fault cr2=0000000040000777
#0e e=0002 fault cr2=0000000040000777
pte 0000000000210021
#0e e=0003 fault cr2=0000000040000000
pte 0000000000210021
pte 8000000000210063
#0e e=0011 rip=0000000040000000 cr2=0000000040000000
pte 0000000000210021
#0e e=0009 fault cr2=0000000040001008
#0d e=0000 fault
#0e e=0000 fault cr2=ffff800000000000
pde 0000000000205027 pml4e 0000000000201027
#0e e=0005 fault ring3 cr2=0000000040002000
#0e e=0007 fault ring3 cr2=0000000040002000
#0e e=0007 fault ring3 cr2=0000000040003000
#0e e=0004 fault ring3 cr2=0000000040004000
#0e e=0015 rip=0000000040002010 ring3 cr2=0000000040002010
done
""",
        # A reserved bit is an error only in an entry that is present, so bit 0 goes with bit 3 (SDM 3A 4.7).
        qemu_output="""\
#0e e=0000 fault cr2=0000000040000777
#0e e=0002 fault cr2=0000000040000777
pte 0000000000210021
#0e e=0003 fault cr2=0000000040000000
pte 0000000000210021
pte 8000000000210063
#0e e=0011 rip=0000000040000000 cr2=0000000040000000
pte 0000000000210021
#0e e=0008 fault cr2=0000000040001008
#0d e=0000 fault
#0e e=0000 fault cr2=ffff800000000000
pde 0000000000205027 pml4e 0000000000201027
#0e e=0005 fault ring3 cr2=0000000040002000
#0e e=0007 fault ring3 cr2=0000000040002000
#0e e=0007 fault ring3 cr2=0000000040003000
#0e e=0004 fault ring3 cr2=0000000040004000
#0e e=0015 rip=0000000040002010 ring3 cr2=0000000040002010
done
""",
    ),
    Guest(
        "long_ring3",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
syscall rax=0123456789abcdef rflags=00000002 r11=00003003 cs=0008 ss=0010
back rax=fedcba9876543210 rcx-rip=0000 rflags=00003003 r11=00003003 cs=002b ss=0023
int80 cs=002b ss:rsp=0023:0000000000238000 rflags=00003000 handler's frame at 000000000021ff50 ss=0000
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0102 fault ring3
#0d e=0010 fault ring3
done
""",
        # As above: vector 20h.
        qemu_output="""\
syscall rax=0123456789abcdef rflags=00000002 r11=00003003 cs=0008 ss=0010
back rax=fedcba9876543210 rcx-rip=0000 rflags=00003003 r11=00003003 cs=002b ss=0023
int80 cs=002b ss:rsp=0023:0000000000238000 rflags=00003000 handler's frame at 000000000021ff50 ss=0000
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0202 fault ring3
#0d e=0010 fault ring3
done
""",
    ),
    Guest(
        "modes",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        "RPQCL1cqpr\n",
    ),
    Guest(
        "port_io",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
abcdefg in8=000000ff in16=0000ffff in32=ffffffff upper=00000000 ins=0000ffffffffffff
3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
done
""",
    ),
    Guest(
        "protected_exceptions",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
#00 e=0000 fault
#03 e=0000 trap
#04 e=0000 trap
#05 e=0000 fault
#06 e=0000 fault
#07 e=0000 fault
#0b e=0030 fault
#0c e=0030 fault
#0d e=5678 fault
#0d e=0000 fault
#0d e=0010 fault
#33 e=0000 trap
#0b e=01a2 fault
#0d e=0028 fault
#10 e=0000 fault
done
""",
    ),
    Guest(
        "protected_pae",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
paging on
#0e e=0000 fault cr2=40000abc
pte 0000000000210063
#0e e=0011 eip=40000000 cr2=40000000
pte 8000000000210003
#0e e=0003 fault cr2=40001000
pte 8000000000210063
#0e e=0000 fault cr2=80000000
done
""",
    ),
    Guest(
        "protected_paging",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
paging on
#0e e=0000 fault cr2=40000123
#0e e=0002 fault cr2=40000124
pte 00210021
#0e e=0003 fault cr2=40000008
pte 00210021
#0e e=0002 fault cr2=40001000
pte 00210063
pte 00211063
77885566
pte 00212061
#0e e=0005 fault ring3 cr2=40000000
#0e e=0007 fault ring3 cr2=40000000
#0e e=0004 fault ring3 cr2=40005000
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0102 fault ring3
pde 000000e7
#0e e=0000 eip=40003000 cr2=40003000
done
""",
    ),
    Guest(
        "protected_ring3",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
int80 eax=11111111 cs=001b ss:esp=0023:00238000 handler's frame at 0021ffc4
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0000 fault ring3
#0d e=0010 fault ring3
#0d e=0000 fault ring3
sysenter esp=0021ff00 cs=0008 ss=0010 ebx=33333333
int80 eax=44444444 cs=001b ss:esp=0023:00238000 handler's frame at 0021ffc4
done
""",
    ),
    Guest(
        "real_exceptions",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        "DF0BT0OT0RF0UF0IT0DF0\n",
    ),
    Guest(
        "real_coprocessor",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        ".Z.Z.Z.\n",
        not_in_qemu="it aborts where it drives FERR#, for want of its own lock",
    ),
    Guest(
        "real_hello",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        "hello from real mode\n",
    ),
    Guest(
        "real_single_step",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        "01 04 08 0D 0D 0D 0F 11 12 \n",
    ),
    Guest(
        "real_timer",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        "........\n",
    ),
    Guest(
        "rep_faults",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
#0e e=0002 cr2=40000f00 rcx=00002345 rsi=00210000 rdi=40000f00
#0e e=0002 cr2=40001000 rcx=00002245 rsi=00210100 rdi=40001000
#0e e=0002 cr2=40002000 rcx=00001245 rsi=00211100 rdi=40002000
#0e e=0002 cr2=40003000 rcx=00000245 rsi=00212100 rdi=40003000
end rcx=00000000 rsi=00212345 rdi=40003245
left: 00000000
#0e e=0002 cr2=40001fff rcx=0000000f rsi=0021000f rdi=40001fff
end rcx=00000000 rsi=00210000 rdi=40001ff0
""",
    ),
    Guest(
        "rep_interrupted",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
left to compare: 00000000 to scan: 00000000
interrupted inside
""",
    ),
    Guest(
        "self_modifying",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
 01 02 03 03 04 05 05
00004e84
 06 07 08
 09 01
0a
""",
    ),
    Guest(
        "single_step",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        "01 06 0a 0f 0f 0f 0f 11 3c 16 1a 1c 1f 20 26 27 \n",
    ),
    Guest(
        "smsw",
        Kind.BOOT_SECTOR,
        Ending.TEST_EXIT,
        """\
60000010
12340010
12340010
""",
    ),
    Guest(
        "task_switch",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
task ts=1 nt=1 link=0028 old eip-after=fffffffe
back ebx=1234
jumped tr=0030
""",
    ),
    Guest(
        "timer_interrupts",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
..........
computed
one-shot: 0001
masked: 0000
""",
    ),
    Guest(
        "triple_fault",
        Kind.PROTECTED,
        Ending.TRIPLE_FAULT,
        "going\n",
    ),
    Guest(
        "triple_fault_protected",
        Kind.PROTECTED,
        Ending.TRIPLE_FAULT,
        "going\n",
    ),
    Guest(
        "virtual_8086",
        Kind.PROTECTED,
        Ending.TEST_EXIT,
        """\
int21 cs=0900 eip=0002 vm=1 ss:sp=080000001000 ds=0900
int21 cs=0900 eip=0009 vm=1 ss:sp=080000001000 ds=b800
#0d eip=0009
""",
    ),
    Guest(
        "void_jump",
        Kind.PROTECTED,
        Ending.TRIPLE_FAULT,
        "returning to nowhere\n",
    ),
    Guest(
        "void_jump_physical",
        Kind.PROTECTED,
        Ending.TRIPLE_FAULT,
        "leaving memory\n",
        not_in_qemu="it runs no code outside RAM and ROM",
    ),
)

BY_NAME = {guest.name: guest for guest in GUESTS}
