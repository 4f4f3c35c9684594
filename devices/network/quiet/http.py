"""HTTP of files that are only read. Sources: RFC 9110, 9112 (messages), 9110 14 (ranges)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, unquote_to_bytes

from devices.network.quiet.paths import inside
from devices.ninep.folder import FileKind, Name

PORT = 80
LONGEST_HEAD = 16 << 10
_END = re.compile(rb"\r?\n\r?\n")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_REASONS = {
    200: "OK", 206: "Partial Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 416: "Range Not Satisfiable", 431: "Request Header Fields Too Large",
}  # fmt: skip
_TYPES = {
    b"html": "text/html; charset=utf-8", b"htm": "text/html; charset=utf-8", b"txt": "text/plain; charset=utf-8",
    b"css": "text/css", b"js": "text/javascript", b"json": "application/json", b"xml": "application/xml",
    b"png": "image/png", b"jpg": "image/jpeg", b"svg": "image/svg+xml", b"gz": "application/gzip",
}  # fmt: skip
OTHER = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is within the folder. `refusal` is a status if it cannot be fulfilled. `keep`: more may follow."""

    path: bytes = b""
    head_only: bool = False
    keep: bool = False
    wanted: str = ""
    refusal: int = 0


def read_request(inbox: bytes) -> tuple[Request | None, bytes]:
    """The first request, and what follows it; None as long as it is not whole."""
    end = _END.search(inbox)
    if end is None:
        return (Request(refusal=431), b"") if len(inbox) > LONGEST_HEAD else (None, inbox)
    if end.start() > LONGEST_HEAD:
        return Request(refusal=431), b""
    return _request(inbox[: end.start()]), inbox[end.end() :]


def _request(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return Request(refusal=400)
    method, target, version = words
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if method not in ("GET", "HEAD") or fields.get("content-length", "0") != "0" or "transfer-encoding" in fields:
        return Request(refusal=405)
    connection = fields.get("connection", "").lower()
    keep = connection != "close" if version != "HTTP/1.0" else connection == "keep-alive"
    path = inside(unquote_to_bytes(_origin_form(target)))
    return Request(path or b"", method == "HEAD", keep, fields.get("range", ""), 404 if path is None else 0)


def _origin_form(target: str) -> str:
    """The path of a target that may be a whole URI, as proxies have it."""
    if "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target.partition("?")[0].partition("#")[0]


def head(status: int, size: int, kind: str, *, keep: bool, more: tuple[str, ...] = ()) -> bytes:
    """Of a response with a body of so many bytes. There is no date: nobody here has a clock."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Server: vmdbg",
        f"Content-Type: {kind}",
        f"Content-Length: {size}",
        "Accept-Ranges: bytes",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def refusal(status: int, *, head_only: bool = False, keep: bool = False) -> bytes:
    """A whole response."""
    body = f"{status} {_REASONS[status]}\n".encode()
    more = ("Allow: GET, HEAD",) if status == 405 else ()
    return head(status, len(body), "text/plain", keep=keep, more=more) + (b"" if head_only else body)


def kind_of(path: bytes) -> str:
    """The media type of a file, by its name."""
    return _TYPES.get(path.rpartition(b".")[2].lower(), OTHER)


def listing(path: bytes, names: tuple[Name, ...]) -> bytes:
    """A page with what is in a directory. Links are not followed, so they are not there."""
    title = escape("/" + path.decode(errors="replace"))
    rows = []
    for name in names:
        if name.kind is not FileKind.LINK:
            slash = "/" if name.kind is FileKind.FOLDER else ""
            rows.append(
                f'<li><a href="{quote(name.name)}{slash}">{escape(name.name.decode(errors="replace"))}{slash}</a>'
            )
    page = [f"<!DOCTYPE html><title>{title}</title><h1>{title}</h1><ul>", *rows, "</ul>", ""]
    return "\n".join(page).encode()


def part_of(wanted: str, size: int) -> tuple[int, int] | None:
    """Start and end of the range that was asked for, all of it where that makes no sense; None if there is no such."""
    found = _RANGE.fullmatch(wanted)
    if found is None or found[1] == found[2] == "":
        return 0, size
    if not found[1]:
        last = int(found[2])
        return (max(0, size - last), size) if last and size else None
    start, end = int(found[1]), int(found[2]) + 1 if found[2] else size
    if end <= start:
        return (0, size) if start < size else None
    return (start, min(end, size)) if start < size else None
