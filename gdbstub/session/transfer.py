"""Answers to qXfer: target description, memory map, thread list."""

from __future__ import annotations

from typing import assert_never
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import quoteattr

from gdbstub.errors import UnsupportedError
from gdbstub.replies import Binary, Failure, Reply
from gdbstub.requests.transfer import ReadObject, TransferRequest, WriteObject
from gdbstub.session.context import Context
from gdbstub.session.threads import describe
from gdbstub.session.tracing import frame_information


def answer(context: Context, request: TransferRequest) -> Reply:
    match request:
        case ReadObject():
            return _read(context, request)
        case WriteObject(name):
            raise UnsupportedError(f"qXfer:{name} cannot be written")
    assert_never(request)


def _read(context: Context, request: ReadObject) -> Reply:
    document = _document(context, request)
    if document is None:
        return Failure(f"qXfer:{request.object}: no annex {request.annex!r}", errno=0)
    if request.offset > len(document):
        return Failure(f"qXfer:{request.object}: offset {request.offset:#x} is beyond the end")
    limit = min(request.length, context.framing.packet_size // 2)
    part = document[request.offset : request.offset + limit]
    return Binary(part, b"m" if request.offset + len(part) < len(document) else b"l")


def _document(context: Context, request: ReadObject) -> bytes | None:
    """The whole object. One read in parts stays as it was when its first part was read."""
    cached = context.document
    if request.offset and cached is not None and cached[:2] == (request.object, request.annex):
        return cached[2]
    text = _render(context, request)
    if text is None:
        return None
    document = text.encode()
    context.document = (request.object, request.annex, document)
    return document


def _render(context: Context, request: ReadObject) -> str | None:
    target = context.target
    if request.object == "features" and target.features is not None:
        return target.features.annex(request.annex)
    if request.object == "memory-map" and target.memory_map is not None:
        return _memory_map(context) if not request.annex else None
    if request.object == "traceframe-info":
        return frame_information(context.trace.frame) if context.trace.frame is not None else None
    if request.object == "threads":
        return _threads(context) if not request.annex else None
    raise UnsupportedError(f"no qXfer:{request.object}")


def _memory_map(context: Context) -> str:
    assert context.target.memory_map is not None
    regions = "".join(
        f'<memory type="{region.kind.value}" start="{region.start:#x}" length="{region.length:#x}"/>'
        for region in context.target.memory_map.regions()
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
        f'"http://sourceware.org/gdb/gdb-memory-map.dtd"><memory-map>{regions}</memory-map>'
    )


def _threads(context: Context) -> str:
    entries = []
    for thread in context.threads():
        info = describe(context, thread)
        core = "" if info.core is None else f' core="{info.core}"'
        name = f" name={quoteattr(info.name)}" if info.name else ""
        entries.append(f'<thread id="{context.show(thread)}"{core}{name}>{escape_xml(info.extra)}</thread>')
    return f'<?xml version="1.0"?><threads>{"".join(entries)}</threads>'
