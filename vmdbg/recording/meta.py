"""The first block of a recording: what the machine was and how it was started."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions, InputFile, Segment
from vmdbg.boot.source import read_input
from vmdbg.document.printable import printable
from vmdbg.engine.unicorn.engine import ENGINE_VERSION, STATE_SIZE
from vmdbg.errors import RecordingError, UserError
from vmdbg.machine.config import MachineConfig
from vmdbg.machine.media import Media
from vmdbg.recording.bounds import check_bounds
from vmdbg.recording.content import segment_ref
from vmdbg.recording.fingerprint import build_fingerprint
from vmdbg.recording.records import FileOptions, FileRef, ImageMeta, Meta, SegmentRef
from vmdbg.timeline.origin import BootOrigin, Origin, StateOrigin
from vmdbg.units import Physical
from vmdbg.version import VERSION

MOST_SYMBOLS = 32 << 20
"""Bytes of an ELF kernel that a recording takes along for its symbols."""

Fetch = Callable[[SegmentRef], Segment]
"""The segment with its bytes. Raises RecordingError if they are not there."""


def check_can_leave_out(origin: Origin, *, embed: bool) -> None:
    """Raises UserError if files that are to be left out are not known."""
    if not embed and isinstance(origin, BootOrigin) and origin.options is None:
        raise UserError("the files that this machine was made from are not known: record with them embedded")
    if not embed and isinstance(origin, BootOrigin) and origin.options is not None and origin.options.modules:
        raise UserError("a recording cannot name the files of --module: record with them embedded")


def make_meta(
    origin: Origin, *, embed: bool, made_by: tuple[str, str] | None = None
) -> tuple[Meta, list[tuple[SegmentRef, Segment]]]:
    """The block, and the segments whose bytes the recording must hold. Raises as check_can_leave_out().

    `made_by`: version and fingerprint of the build that the digests are of, if it was not this one.
    """
    check_can_leave_out(origin, embed=embed)
    version, build = made_by or (VERSION, build_fingerprint())
    meta = Meta(
        vmdbg=version,
        engine=ENGINE_VERSION,
        state_size=STATE_SIZE,
        config=origin.config,
        description=origin.description,
        command_line=origin.command_line,
        build=build,
    )
    if embed and (symbols := _symbols(origin)) is not None:
        ref = segment_ref(symbols)
        meta, held = _make_meta(_replace(meta, elf=ref), origin, embed)
        return meta, [*held, (ref, symbols)]
    return _make_meta(meta, origin, embed)


def _symbols(origin: Origin) -> Segment | None:
    """The ELF file that was booted, unless it is as large as those with the debug information of a Linux kernel."""
    elf = origin.elf
    return Segment(Physical(0), elf.data, elf.name) if elf is not None and len(elf.data) <= MOST_SYMBOLS else None


def _make_meta(meta: Meta, origin: Origin, embed: bool) -> tuple[Meta, list[tuple[SegmentRef, Segment]]]:
    match origin:
        case BootOrigin(image=image, options=options):
            if embed:
                held = [(segment_ref(segment), segment) for segment in image.segments]
                return _replace(meta, image=_image_meta(image, [ref for ref, _ in held])), held
            assert options is not None
            held = [(segment_ref(segment), segment) for segment in options.firmware]
            files = _file_options(options, tuple(ref for ref, _ in held))
            return _replace(meta, image=_image_meta(image, []), files=files), held
        case StateOrigin(roms=roms):
            held = [(segment_ref(segment), segment) for segment in roms]
            return _replace(meta, roms=tuple(ref for ref, _ in held)), held


def _replace(meta: Meta, **changes: object) -> Meta:
    fields = {name: getattr(meta, name) for name in Meta.__struct_fields__}
    return Meta(**{**fields, **changes})


def _image_meta(image: BootImage, segments: list[SegmentRef]) -> ImageMeta:
    return ImageMeta(
        protocol=image.protocol,
        description=image.description,
        command_line=image.command_line,
        start=image.start,
        e820=image.e820,
        memory=image.memory,
        memory_needed=image.memory_needed,
        segments=tuple(segments),
        digest=image.digest(),
        chips=image.chips,
    )


def _file_ref(file: InputFile | None) -> FileRef | None:
    return None if file is None else FileRef(file.name, hashlib.sha256(file.data).hexdigest())


def _file_options(options: BootOptions, firmware: tuple[SegmentRef, ...]) -> FileOptions:
    return FileOptions(
        kernel=_file_ref(options.kernel),
        initrd=_file_ref(options.initrd),
        bios=_file_ref(options.bios),
        append=options.append,
        command_line=options.command_line,
        via_decompressor=options.via_decompressor,
        via_setup=options.via_setup,
        real_mode=options.real_mode,
        text_screen=options.text_screen,
        protocol=options.protocol,
        load_address=options.load_address,
        mode=options.mode,
        rsdp=options.rsdp,
        seed=options.seed,
        firmware=firmware,
        nvram=_file_ref(options.nvram),
    )


def check_meta(meta: Meta, name: str) -> None:
    """Raises RecordingError for what this version cannot replay."""
    if meta.engine != ENGINE_VERSION or meta.state_size != STATE_SIZE:
        made = f"vmdbg {_word(meta.vmdbg)} on {_word(meta.engine)}, whose CPU state has {meta.state_size} bytes"
        raise RecordingError(
            f"{name} was made by {made}, and this is vmdbg {VERSION} on {ENGINE_VERSION}, whose has {STATE_SIZE}: "
            "replay it with the build that made it"
        )
    check_bounds(meta, name)


def other_build(meta: Meta) -> str:
    """Which build of vmdbg made the recording, in words, if guests might run differently on this one; else ""."""
    if meta.build == build_fingerprint():
        return ""
    made = f"{_word(meta.vmdbg)}, fingerprint {_word(meta.build) or 'unknown'}"
    return f"another build of vmdbg ({made}; this is {VERSION}, {build_fingerprint()})"


def _word(text: str) -> str:
    """What a file claims, for people."""
    return "".join(letter for letter in text[:40] if letter.isprintable())


def read_origin(meta: Meta, fetch: Fetch, given: Sequence[Path], media: Media) -> Origin:
    """What the recording begins with. Files that it lacks are looked for among those `given`, and nowhere else.

    Raises RecordingError, or UserError for a file that is missing or has changed.
    """
    elf = _elf(meta.elf, fetch)
    if meta.image is None:
        roms = tuple(fetch(ref) for ref in meta.roms)
        return StateOrigin(meta.config, roms, meta.description, meta.command_line, elf, media)
    options = None
    if meta.files is not None:
        options = _options(meta.files, meta.config, fetch, _LeftOut(given))
        image = boot_image(options)
    else:
        image = _image(meta.image, tuple(fetch(ref) for ref in meta.image.segments))
    if image.digest() != meta.image.digest:
        raise RecordingError("the boot image is not the one that was recorded: replay it with the vmdbg that made it")
    return BootOrigin(meta.config, image, options, elf, media)


def _elf(ref: SegmentRef | None, fetch: Fetch) -> InputFile | None:
    """None too if it is damaged: the recording can be replayed without."""
    if ref is None:
        return None
    try:
        return InputFile(ref.name, memoryview(fetch(ref).data))
    except RecordingError:
        return None


def _image(meta: ImageMeta, segments: tuple[Segment, ...]) -> BootImage:
    return BootImage(
        protocol=meta.protocol,
        description=meta.description,
        segments=segments,
        start=meta.start,
        e820=meta.e820,
        memory=meta.memory,
        memory_needed=meta.memory_needed,
        command_line=meta.command_line,
        chips=meta.chips,
    )


def _options(files: FileOptions, config: MachineConfig, fetch: Fetch, left_out: _LeftOut) -> BootOptions:
    return BootOptions(
        memory=config.memory,
        start=config.start,
        kernel=left_out.find(files.kernel, "kernel"),
        initrd=left_out.find(files.initrd, "initrd"),
        bios=left_out.find(files.bios, "BIOS"),
        nvram=left_out.find(files.nvram, "file of UEFI variables"),
        append=files.append,
        command_line=files.command_line,
        via_decompressor=files.via_decompressor,
        via_setup=files.via_setup,
        real_mode=files.real_mode,
        text_screen=files.text_screen,
        protocol=files.protocol,
        load_address=None if files.load_address is None else Physical(files.load_address),
        mode=files.mode,
        firmware=tuple(fetch(ref) for ref in files.firmware),
        rsdp=None if files.rsdp is None else Physical(files.rsdp),
        seed=files.seed,
    )


class _LeftOut:
    """Files that a recording was made without. It names them; but only the user says which files are opened."""

    def __init__(self, given: Sequence[Path]) -> None:
        self._given = given
        self._read: dict[str, InputFile] | None = None

    def find(self, ref: FileRef | None, what: str) -> InputFile | None:
        """Raises UserError."""
        if ref is None:
            return None
        if self._read is None:
            files = [read_input(path, "file") for path in self._given]
            self._read = {hashlib.sha256(file.data).hexdigest(): file for file in files}
        found = self._read.get(ref.sha256)
        if found is None:
            name = printable(ref.name)
            why = "none of the files given is that one, or it has changed"
            why = why if self._given else "it is not in the recording"
            raise UserError(f"the {what} that was recorded, {name}, is missing: {why}; give it with --left-out FILE")
        return found
