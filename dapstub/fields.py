"""Reading the members of a JSON object, each with the type that the specification gives it."""

from __future__ import annotations

from collections.abc import Mapping

from dapstub.errors import BadRequestError
from dapstub.json_values import Json

MAX_INTEGER = 1 << 64


class Fields:
    """An object of a request. Everything raises BadRequestError for what is missing or of another type."""

    def __init__(self, values: Mapping[str, Json], where: str) -> None:
        self.values = values
        self._where = where

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Some clients write whole numbers as 1.0."""
        value = self._value(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= MAX_INTEGER:
            raise self._wrong(name, "an integer")
        return value

    def natural(self, name: str, default: int | None = None) -> int:
        value = self.integer(name, default)
        if value < 0:
            raise self._wrong(name, "zero or more")
        return value

    def boolean(self, name: str, default: bool | None = None) -> bool:
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings; empty where it is missing."""
        found: list[str] = []
        for one in self._list(name):
            if not isinstance(one, str):
                raise self._wrong(name, "a list of strings")
            found.append(one)
        return tuple(found)

    def objects(self, name: str) -> tuple[Fields, ...]:
        """A list of objects; empty where it is missing."""
        return tuple(self._object(one, f"{name}[{index}]") for index, one in enumerate(self._list(name)))

    def child(self, name: str) -> Fields | None:
        """An object; None where it is missing."""
        return self._object(self.values[name], name) if self.has(name) else None

    def _list(self, name: str) -> list[Json]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def _object(self, value: Json, name: str) -> Fields:
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Fields(value, f"{self._where}.{name}")

    def _value(self, name: str, default: Json) -> Json:
        value = self.values.get(name)
        if value is not None:
            return value
        if default is None:
            raise BadRequestError(f"{self._where} lacks {name}")
        return default

    def _wrong(self, name: str, wanted: str) -> BadRequestError:
        return BadRequestError(f"{self._where}.{name} is not {wanted}")
