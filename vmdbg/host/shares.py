"""What `--share` says, and the folders that it names, opened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from devices.ninep.share import LARGEST, LONGEST_TAG, SMALLEST, USUAL, Share
from vmdbg.document.printable import printable
from vmdbg.errors import UserError
from vmdbg.host.values import memory_size
from vmdbg.machine.answers import Answers
from vmdbg.machine.media import Media

_TAG = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class ShareChoice:
    """A folder that was asked for; "" as its tag for the next of `share0`, `share1` ..."""

    path: str
    tag: str = ""
    read_only: bool = False
    direct: bool = False
    size: int = USUAL


def parse_share(text: str) -> ShareChoice:
    """`DIR[,tag=NAME][,readonly][,snapshot=off][,size=SIZE]`; a comma in a name is written twice. Raises UserError."""
    path, *settings = (part.replace("\0", ",") for part in text.replace(",,", "\0").split(","))
    if not path:
        raise UserError("--share names no folder: give one, as --share DIR")
    chosen: dict[str, str] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if setting != "readonly" and (key not in ("tag", "snapshot", "size") or not value):
            raise UserError(
                f"--share has no option {printable(setting)!r}; it has: tag=NAME, readonly, snapshot=off, size=SIZE"
            )
        if key in chosen:
            raise UserError(f"--share has {key} twice: give it once")
        chosen[key] = value
    if chosen.get("snapshot", "on") not in ("on", "off"):
        raise UserError("--share snapshot is on (the folder is never written) or off")
    direct, read_only = chosen.get("snapshot") == "off", "readonly" in chosen
    if direct and read_only:
        raise UserError("--share with readonly lets nothing be written, and with snapshot=off all: say one of them")
    return ShareChoice(path, _tag(chosen.get("tag", "")), read_only, direct, _size(chosen.get("size", "")))


def _tag(tag: str) -> str:
    if tag and not (_TAG.fullmatch(tag) and len(tag) <= LONGEST_TAG):
        raise UserError(f"--share tag is what the guest mounts: at most {LONGEST_TAG} letters, digits, . _ and -")
    return tag


def _size(text: str) -> int:
    size = memory_size(text) if text else USUAL
    if not SMALLEST <= size <= LARGEST:
        raise UserError(f"--share size is what is kept of what the guest writes: 1M to 1024G, not {text}")
    return size


def named(choices: Sequence[ShareChoice]) -> list[tuple[Share, ShareChoice]]:
    """With names and tags. Raises UserError for a tag that two have."""
    made: list[tuple[Share, ShareChoice]] = []
    for number, choice in enumerate(choices):
        name = f"share{number}"
        tag = choice.tag or name
        if any(tag == share.tag for share, _ in made):
            raise UserError(f"two shares have the tag {tag}: give each its own with tag=NAME")
        made.append((Share(name, tag, choice.read_only, choice.direct, choice.size), choice))
    return made


def open_shares(choices: Sequence[ShareChoice], media: Media) -> tuple[Share, ...]:
    """The shares of a machine, with their folders among `media`, which closes them. Raises UserError."""
    shares = named(choices)
    for share, choice in shares:
        folder = Answers(share.name, share.tag)
        media.folders[share.name] = folder
        _open(share, choice, folder)
    return tuple(share for share, _ in shares)


def _open(share: Share, choice: ShareChoice, folder: Answers) -> None:
    from vmdbg.shares.host_folder import HostFolder  # what only machines with shares need

    folder.source = HostFolder(choice.path, writable=share.direct, met=folder.met())


def give_folders(choices: Sequence[ShareChoice], shares: Iterable[Share], folders: Mapping[str, Answers]) -> None:
    """The folders of a guest that goes on from a recording, told by their tags. Raises UserError."""
    by_tag = {share.tag: share for share in shares}
    for number, choice in enumerate(choices):
        tag = choice.tag or f"share{number}"
        share = by_tag.get(tag)
        if share is None:
            known = f"it has: {', '.join(by_tag)}" if by_tag else "it has none"
            raise UserError(f"the guest that goes on has no share {tag}; {known}: name it with tag=NAME")
        if (choice.read_only, choice.direct) != (share.read_only, share.direct):
            raise UserError(f"the share {tag} is what it was when this was recorded: leave readonly and snapshot away")
        _open(share, choice, folders[share.name])
