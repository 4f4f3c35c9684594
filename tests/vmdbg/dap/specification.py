"""The protocol's own schema, which debugpy carries: what a message of a kind has to be."""

from __future__ import annotations

import functools
import json
from importlib.metadata import files
from typing import Any

from jsonschema import Draft4Validator

SCHEMA = "debugProtocol.json"


@functools.cache
def definitions() -> dict[str, Any]:
    place = next(file for file in files("debugpy") or () if file.name == SCHEMA)
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))["definitions"]
    return found


@functools.cache
def _validator(kind: str) -> Draft4Validator:
    return Draft4Validator({"$ref": f"#/definitions/{kind}", "definitions": definitions()})


def check(kind: str, message: dict[str, Any]) -> None:
    """`kind` as `stackTraceResponse`. Raises jsonschema.ValidationError."""
    _validator(kind[0].upper() + kind[1:]).validate(message)
