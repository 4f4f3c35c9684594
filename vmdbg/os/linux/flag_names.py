"""What numbers that system calls take are called (include/uapi of Linux, x86)."""

from __future__ import annotations

from dataclasses import dataclass

_INT = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Flags:
    """Names of bits, and of the values of a field in `mask`; `none` is what 0 is called."""

    bits: tuple[tuple[int, str], ...] = ()
    field: tuple[tuple[int, str], ...] = ()
    mask: int = 0
    none: str = "0"

    def __call__(self, value: int) -> str:
        """Every name that applies, in the order of the table; what has no name in hexadecimal."""
        found = [name for number, name in self.field if value & self.mask == number]
        rest = value & ~self.mask if found or not self.mask else value
        for bit, name in self.bits:
            if rest & bit == bit:
                found.append(name)
                rest &= ~bit
        if rest:
            found.append(f"{rest:#x}")
        return "|".join(found) or self.none


@dataclass(frozen=True, slots=True)
class Choice:
    """Names of values."""

    names: tuple[tuple[int, str], ...]

    def __call__(self, value: int) -> str:
        return next((name for number, name in self.names if number == value), str(value))


def _counted(prefix: str, words: str, first: int = 0) -> tuple[tuple[int, str], ...]:
    return tuple((number, f"{prefix}{word}") for number, word in enumerate(words.split(), first) if word != "-")


def _bits(prefix: str, **places: int) -> tuple[tuple[int, str], ...]:
    return tuple((value, f"{prefix}{name}") for name, value in places.items())


_OPEN = _bits(
    "O_",
    TMPFILE=0o20200000,
    SYNC=0o4010000,
    CREAT=0o100,
    EXCL=0o200,
    NOCTTY=0o400,
    TRUNC=0o1000,
    APPEND=0o2000,
    NONBLOCK=0o4000,
    DSYNC=0o10000,
    ASYNC=0o20000,
    DIRECT=0o40000,
    LARGEFILE=0o100000,
    DIRECTORY=0o200000,
    NOFOLLOW=0o400000,
    NOATIME=0o1000000,
    CLOEXEC=0o2000000,
    PATH=0o10000000,
)
OPEN = Flags(_OPEN, _counted("O_", "RDONLY WRONLY RDWR"), 3)
DESCRIPTOR = Flags(_OPEN)
PROTECTION = Flags(_bits("PROT_", READ=1, WRITE=2, EXEC=4, SEM=8, GROWSDOWN=1 << 24, GROWSUP=2 << 24), none="PROT_NONE")
MAPPING = Flags(
    _bits(
        "MAP_",
        FIXED=0x10,
        ANONYMOUS=0x20,
        **{"32BIT": 0x40},
        GROWSDOWN=0x100,
        DENYWRITE=0x800,
        EXECUTABLE=0x1000,
        LOCKED=0x2000,
        NORESERVE=0x4000,
        POPULATE=0x8000,
        NONBLOCK=0x10000,
        STACK=0x20000,
        HUGETLB=0x40000,
        SYNC=0x80000,
        FIXED_NOREPLACE=0x100000,
    ),
    _counted("MAP_", "SHARED PRIVATE SHARED_VALIDATE", 1),
    0xF,
)
_AT = {"SYMLINK_FOLLOW": 0x400, "NO_AUTOMOUNT": 0x800, "EMPTY_PATH": 0x1000}
AT = Flags(_bits("AT_", SYMLINK_NOFOLLOW=0x100, **_AT, STATX_FORCE_SYNC=0x2000, STATX_DONT_SYNC=0x4000))
AT_UNLINK = Flags(_bits("AT_", REMOVEDIR=0x200))
AT_ACCESS = Flags(_bits("AT_", SYMLINK_NOFOLLOW=0x100, EACCESS=0x200, **_AT))
ACCESS = Flags(_bits("", R_OK=4, W_OK=2, X_OK=1), none="F_OK")
WHENCE = Choice(_counted("SEEK_", "SET CUR END DATA HOLE"))
SIGNAL = Choice(
    _counted(
        "SIG",
        "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG"
        " XCPU XFSZ VTALRM PROF WINCH IO PWR SYS",
        1,
    )
)
_CLONE = tuple(
    (1 << place, name)
    for place, name in _counted(
        "CLONE_",
        "VM FS FILES SIGHAND PIDFD PTRACE VFORK PARENT THREAD NEWNS SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID"
        " DETACHED UNTRACED CHILD_SETTID NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET IO",
        8,
    )
)
CLONE = Flags(_CLONE, SIGNAL.names, 0xFF)
UNSHARE = Flags(_CLONE)
MASK_HOW = Choice(_counted("SIG_", "BLOCK UNBLOCK SETMASK"))
WAIT = Flags(_bits("W", NOHANG=1, UNTRACED=2, EXITED=4, CONTINUED=8, NOWAIT=1 << 24))
WHICH = Choice(_counted("P_", "ALL PID PGID PIDFD"))
FCNTL = Choice(
    _counted("F_", "DUPFD GETFD SETFD GETFL SETFL GETLK SETLK SETLKW SETOWN GETOWN SETSIG GETSIG")
    + _counted("F_", "SETLEASE GETLEASE NOTIFY - - - DUPFD_CLOEXEC SETPIPE_SZ GETPIPE_SZ ADD_SEALS GET_SEALS", 1024)
    + _counted("F_", "OFD_GETLK OFD_SETLK OFD_SETLKW", 36)
)
ADVICE = Choice(
    _counted("MADV_", "NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED - - - FREE REMOVE DONTFORK DOFORK")
    + _counted("MADV_", "MERGEABLE UNMERGEABLE HUGEPAGE NOHUGEPAGE DONTDUMP DODUMP WIPEONFORK KEEPONFORK", 12)
    + _counted("MADV_", "COLD PAGEOUT", 20)
)
FAMILY = Choice(
    (*_counted("AF_", "UNSPEC UNIX INET"), (10, "AF_INET6"), (16, "AF_NETLINK"), (17, "AF_PACKET"), (40, "AF_VSOCK"))
)
SOCKET = Flags(
    _bits("SOCK_", NONBLOCK=0o4000, CLOEXEC=0o2000000), _counted("SOCK_", "STREAM DGRAM RAW RDM SEQPACKET", 1), 0xF
)
FUTEX = Flags(
    _bits("FUTEX_", PRIVATE_FLAG=128, CLOCK_REALTIME=256),
    _counted(
        "FUTEX_",
        "WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET WAKE_BITSET WAIT_REQUEUE_PI"
        " CMP_REQUEUE_PI LOCK_PI2",
    ),
    0x7F,
)
MOUNT = Flags(
    _bits(
        "MS_",
        RDONLY=1,
        NOSUID=2,
        NODEV=4,
        NOEXEC=8,
        SYNCHRONOUS=16,
        REMOUNT=32,
        MANDLOCK=64,
        DIRSYNC=128,
        NOSYMFOLLOW=256,
        NOATIME=1024,
        NODIRATIME=2048,
        BIND=4096,
        MOVE=8192,
        REC=16384,
        SILENT=32768,
        UNBINDABLE=1 << 17,
        PRIVATE=1 << 18,
        SLAVE=1 << 19,
        SHARED=1 << 20,
        RELATIME=1 << 21,
        STRICTATIME=1 << 24,
        LAZYTIME=1 << 25,
    )
)
UMOUNT = Flags((*_bits("MNT_", FORCE=1, DETACH=2, EXPIRE=4), (8, "UMOUNT_NOFOLLOW")))
EPOLL_OPERATION = Choice(_counted("EPOLL_CTL_", "ADD DEL MOD", 1))
CLOCK = Choice(
    _counted(
        "CLOCK_",
        "REALTIME MONOTONIC PROCESS_CPUTIME_ID THREAD_CPUTIME_ID MONOTONIC_RAW REALTIME_COARSE MONOTONIC_COARSE"
        " BOOTTIME REALTIME_ALARM BOOTTIME_ALARM",
    )
)
TIMER = Flags(_bits("TIMER_", ABSTIME=1))
ARCHITECTURE = Choice(_counted("ARCH_", "SET_GS SET_FS GET_FS GET_GS", 0x1001))
RANDOM = Flags(_bits("GRND_", NONBLOCK=1, RANDOM=2, INSECURE=4))
LIMIT = Choice(
    _counted(
        "RLIMIT_",
        "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME",
    )
)
TERMINAL = Choice(
    _counted("", "TCGETS TCSETS TCSETSW TCSETSF TCGETA TCSETA TCSETAW TCSETAF TCSBRK TCXONC TCFLSH", 0x5401)
    + _counted("TIOC", "EXCL NXCL SCTTY GPGRP SPGRP OUTQ STI GWINSZ SWINSZ MGET", 0x540C)
    + ((0x541B, "FIONREAD"), (0x5421, "FIONBIO"), (0x5422, "TIOCNOTTY"), (0x5429, "TIOCGSID"))
)
REBOOT = Choice(
    (
        (0x01234567, "LINUX_REBOOT_CMD_RESTART"),
        (0xCDEF0123, "LINUX_REBOOT_CMD_HALT"),
        (0x89ABCDEF, "LINUX_REBOOT_CMD_CAD_ON"),
        (0, "LINUX_REBOOT_CMD_CAD_OFF"),
        (0x4321FEDC, "LINUX_REBOOT_CMD_POWER_OFF"),
    )
)

Naming = Flags | Choice
NAMINGS: dict[tuple[str, str], Naming] = {
    ("open", "flags"): OPEN,
    ("openat", "flags"): OPEN,
    ("mmap", "prot"): PROTECTION,
    ("mmap", "flags"): MAPPING,
    ("mprotect", "prot"): PROTECTION,
    ("pkey_mprotect", "prot"): PROTECTION,
    ("access", "mode"): ACCESS,
    ("faccessat", "mode"): ACCESS,
    ("faccessat2", "mode"): ACCESS,
    ("faccessat2", "flags"): AT_ACCESS,
    ("newfstatat", "flag"): AT,
    ("statx", "flags"): AT,
    ("linkat", "flags"): AT,
    ("execveat", "flags"): AT,
    ("fchownat", "flag"): AT,
    ("utimensat", "flags"): AT,
    ("unlinkat", "flag"): AT_UNLINK,
    ("lseek", "whence"): WHENCE,
    ("clone", "clone_flags"): CLONE,
    ("unshare", "unshare_flags"): UNSHARE,
    ("setns", "flags"): UNSHARE,
    ("kill", "sig"): SIGNAL,
    ("tkill", "sig"): SIGNAL,
    ("tgkill", "sig"): SIGNAL,
    ("rt_sigaction", "sig"): SIGNAL,
    ("rt_sigqueueinfo", "sig"): SIGNAL,
    ("rt_sigprocmask", "how"): MASK_HOW,
    ("wait4", "options"): WAIT,
    ("waitid", "options"): WAIT,
    ("waitid", "which"): WHICH,
    ("fcntl", "cmd"): FCNTL,
    ("madvise", "behavior"): ADVICE,
    ("socket", "family"): FAMILY,
    ("socketpair", "family"): FAMILY,
    ("socket", "type"): SOCKET,
    ("socketpair", "type"): SOCKET,
    ("accept4", "flags"): SOCKET,
    ("futex", "op"): FUTEX,
    ("mount", "flags"): MOUNT,
    ("umount", "flags"): UMOUNT,
    ("pipe2", "flags"): DESCRIPTOR,
    ("dup3", "flags"): DESCRIPTOR,
    ("eventfd2", "flags"): DESCRIPTOR,
    ("epoll_create1", "flags"): DESCRIPTOR,
    ("inotify_init1", "flags"): DESCRIPTOR,
    ("timerfd_create", "flags"): DESCRIPTOR,
    ("signalfd4", "flags"): DESCRIPTOR,
    ("epoll_ctl", "op"): EPOLL_OPERATION,
    ("clock_gettime", "which_clock"): CLOCK,
    ("clock_settime", "which_clock"): CLOCK,
    ("clock_getres", "which_clock"): CLOCK,
    ("clock_nanosleep", "which_clock"): CLOCK,
    ("clock_nanosleep", "flags"): TIMER,
    ("timer_create", "which_clock"): CLOCK,
    ("timerfd_create", "clockid"): CLOCK,
    ("arch_prctl", "option"): ARCHITECTURE,
    ("getrandom", "flags"): RANDOM,
    ("prlimit64", "resource"): LIMIT,
    ("getrlimit", "resource"): LIMIT,
    ("setrlimit", "resource"): LIMIT,
    ("ioctl", "cmd"): TERMINAL,
    ("reboot", "cmd"): REBOOT,
}
"""By the call and its parameter, as the kernel's trace metadata names them."""
_DIRECTORIES = frozenset({"dfd", "olddfd", "newdfd"})
AT_FDCWD = -100


def named(call: str, parameter: str, value: int) -> str | None:
    """The value of a parameter in names; None where it has none."""
    naming = NAMINGS.get((call, parameter))
    if naming is not None:
        text = naming(value & _INT)
        return f"{value & _INT:#x}" if naming is TERMINAL and text.isdigit() else text
    signed = ((value & _INT) ^ 1 << 31) - (1 << 31)
    return "AT_FDCWD" if parameter in _DIRECTORIES and signed == AT_FDCWD else None
