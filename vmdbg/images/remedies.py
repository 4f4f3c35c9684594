"""The commands that make an image that is read of one that is not, for any name, and over no file that is there."""

from __future__ import annotations

import itertools
import os
import shlex

_PASSPHRASE = "PASSPHRASE"
"""What the user puts in its place."""


def check_line(name: str) -> str:
    """The qemu-img command that tells what is wrong with an image."""
    return f"qemu-img check {_file(name)}"


def convert_line(name: str, form: str) -> str:
    """The qemu-img command that makes a qcow2 image of one of a format that it calls `form`."""
    return f"qemu-img convert -f {form} -O qcow2 {_file(name)} {_file(_new(name, '.qcow2'))}"


def decrypt_line(name: str) -> str:
    """The qemu-img command that makes a plain qcow2 image of an encrypted one."""
    options = f"driver=qcow2,file.filename={name.replace(',', ',,')},encrypt.key-secret=key"
    return (
        f"qemu-img convert --object secret,id=key,data={_PASSPHRASE} --image-opts {shlex.quote(options)} -O qcow2 "
        f"{_file(_new(name, '.qcow2'))}"
    )


def unpack_line(name: str, command: str, suffix: str = "") -> str:
    """What unpacks a file by `command`: an archive's own files, or what a file that is called by `suffix` is of."""
    if not suffix:
        return f"{command} {_argument(name)}"
    unpacked = name.removesuffix(suffix)
    kind = os.path.splitext(unpacked)[1] if unpacked != name else ""
    return f"{command} -c < {shlex.quote(name)} > {shlex.quote(_new(unpacked, kind or '.img'))}"


def _new(name: str, suffix: str) -> str:
    """A name for what is made of a file, in the directory where the user is: of nothing that is there."""
    stem = os.path.splitext(os.path.basename(name))[0] or "disk"
    ends = itertools.chain(["", "-converted"], (f"-converted-{number}" for number in itertools.count(2)))
    return next(found for end in ends if not os.path.lexists(found := f"{stem}{end}{suffix}"))


def _file(name: str) -> str:
    """A file as qemu-img is to be told of it, which takes what is before a colon for a protocol."""
    return shlex.quote(f"./{name}") if ":" in name.partition("/")[0] else _argument(name)


def _argument(name: str) -> str:
    """A file that no command takes for an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
