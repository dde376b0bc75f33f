"""Strict configuration: frozen, no unknown key, every mistake reported at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from imuscribe.signals.errors import InputError, nearest


class Config(BaseModel):
    """Base of every configuration section.

    Instances are immutable; a key that does not exist is an error that names the nearest one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str = "configuration") -> Self:
        """Validate keys and values as read from YAML or the command line.

        All mistakes are one error that opens with `where`, one line a mistake: the key, what was
        given, why it is wrong, the nearest valid key.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            mistakes = [_explain(cls, dict(item)) for item in error.errors()]
            raise InputError(f"{where}: " + "\n".join(mistakes)) from None


def _explain(model: type[BaseModel], mistake: dict[str, Any]) -> str:
    path = [str(part) for part in mistake["loc"]]
    key = ".".join(path)
    if mistake["type"] == "extra_forbidden":
        siblings = _fields(model, path[:-1])
        return f"unknown key '{key}': {nearest(path[-1], siblings)}"
    if mistake["type"] == "missing":
        return f"'{key}' is missing: it has no default"
    given = mistake.get("input")
    reason = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "literal_error":
        reason = nearest(str(given), re.findall(r"'([^']*)'", mistake["ctx"]["expected"]))
    elif mistake["type"] == "tuple_type":
        reason = "need a list, such as [a, b]"
    return f"'{key}' is {given!r}: {reason}" if path else reason


def _fields(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the keys valid at `path`, walking through nested sections and lists of them."""
    for part in path:
        if part.isdigit():
            continue
        annotation: Any = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
