"""What users add to a machine: drives, shares, networks, variables of firmware. Each is loaded for who asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from devices.disk.drive import Drive, DriveKind
from devices.network.net import Net
from devices.ninep.share import Share
from vmdbg.machine.media import Media

if TYPE_CHECKING:
    from vmdbg.host.drives import DriveChoice
    from vmdbg.host.modules import ModuleChoice
    from vmdbg.host.nets import NetChoice
    from vmdbg.host.nvram import NvramChoice
    from vmdbg.host.shares import ShareChoice


def drive(kind: DriveKind, text: str) -> DriveChoice:
    """What `--disk`, `--cdrom` and `--floppy` say. Raises UserError."""
    from vmdbg.host.drives import parse_drive

    return parse_drive(kind, text)


def share(text: str) -> ShareChoice:
    """What `--share` says. Raises UserError."""
    from vmdbg.host.shares import parse_share

    return parse_share(text)


def net(text: str) -> NetChoice:
    """What `--net` says. Raises UserError."""
    from vmdbg.host.nets import parse_net

    return parse_net(text)


def module(text: str) -> ModuleChoice:
    """What `--module` says. Raises UserError."""
    from vmdbg.host.modules import parse_module

    return parse_module(text)


def nvram(text: str) -> NvramChoice:
    """What `--nvram` says. Raises UserError."""
    from vmdbg.host.nvram import parse_nvram

    return parse_nvram(text)


class Added(NamedTuple):
    """As a machine's configuration has them."""

    drives: tuple[Drive, ...] = ()
    shares: tuple[Share, ...] = ()
    nets: tuple[Net, ...] = ()


def open_added(
    drives: Sequence[DriveChoice], shares: Sequence[ShareChoice], nets: Sequence[NetChoice], media: Media
) -> Added:
    """With the files and folders of the host among `media`, which closes them. Raises UserError."""
    added = Added()
    if drives:
        from vmdbg.host.drives import open_drives

        added = added._replace(drives=open_drives(drives, media))
    if shares:
        from vmdbg.host.shares import open_shares

        added = added._replace(shares=open_shares(shares, media))
    if nets:
        from vmdbg.host.nets import open_nets

        added = added._replace(nets=open_nets(nets, media))
    return added
