"""Strict configuration: frozen, no unknown key, every mistake reported at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from imuscribe.signals.errors import InputError, nearest

_WORDS = {".": "dots", " ": "spaces", "-": "dashes", "+": "plus signs"}

_TYPE = re.compile(r"str|int|float|bool|(tuple|list|dict)\[.*|(function|constrained)-.*")


class Config(BaseModel):
    """Base of every configuration section.

    Instances are immutable; a key that does not exist is an error that names the nearest one. Where
    a text is meant, a number of a recipe is taken as it was written: person 007 stays 007.
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
            items = {_key(item): item for item in map(dict, reversed(error.errors()))}
            found = [_explain(cls, item) for item in reversed(items.values())]
            mistakes = [line for mistake in found for line in mistake.splitlines()]
            raise InputError("\n".join(f"{where}: {line}" for line in mistakes)) from None

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return {
            key: _written(value)
            if key in cls.model_fields and _is_text(cls.model_fields[key].annotation)
            else value
            for key, value in values.items()
        }


def _is_text(annotation: Any) -> bool:
    """Whether a field takes text or a list of texts, and no number."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return all(isinstance(part, str) for part in parts)
    if origin is Annotated:
        parts = parts[:1]
    kinds = [part for part in parts if part not in (Ellipsis, type(None))]
    return all(map(_is_text, kinds)) if kinds else annotation is str


def _written(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return getattr(value, "written", value)


def _key(mistake: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where a mistake is, without which of several types of a value it is about."""
    kept = mistake["type"] in ("extra_forbidden", "missing")  # somebody's key may be called 'str'
    return tuple(str(part) for part in mistake["loc"] if kept or not _TYPE.fullmatch(str(part)))


def _explain(model: type[BaseModel], mistake: dict[str, Any]) -> str:
    path = _key(mistake)
    key = ".".join(path)
    if mistake["type"] == "extra_forbidden":
        siblings = _fields(model, path[:-1])
        return f"unknown key '{key}': {nearest(path[-1], siblings)}"
    if mistake["type"] == "missing":
        return f"'{key}' is missing: it has no default"
    given = mistake.get("input")
    reason = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "literal_error":
        valid = re.findall(r"'[^']*'|\d+", mistake["ctx"]["expected"])
        reason = nearest(str(given), filter(None, (one.strip("'") for one in valid)))
    elif mistake["type"] == "string_pattern_mismatch":
        reason = _named(str(given), mistake["ctx"]["pattern"])
    elif mistake["type"] == "tuple_type":
        reason = "need a list, such as [a, b]"
    elif mistake["type"] == "string_type" and isinstance(given, bool | int | float | None):
        reason = f'a text is needed: put it in quotes: "{json.dumps(given)}"'
    return f"'{key}' is {given!r}: {reason}" if path else reason


def _named(given: str, pattern: str) -> str:
    r"""Say in words what a name may hold, where a pattern such as ``^\w[\w. -]*$`` says it."""
    allowed = re.fullmatch(r"\^\\w\[\\w([. +-]*)\]\*\$", pattern)
    if not allowed:
        return f"it has not the form {pattern}"
    words = ["digits", "_", *(_WORDS[character] for character in allowed[1])]
    held = f"letters, {', '.join(words[:-1])} and {words[-1]}"
    near = re.sub(r"[ -]*[^\w" + re.escape(allowed[1]) + "]+[ -]*", "-", given)
    near = re.sub(r"^\W+|\W+$", "", near)[:40]
    hint = f": did you mean '{near}'?" if near else ""
    return f"a name begins with a letter or digit and holds {held}{hint}"


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys valid at `path`, walking through nested sections and lists of them."""
    for part in path:
        if part.isdigit() or part not in model.model_fields:  # an item of a list or a mapping
            continue
        annotation: Any = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return list(model.model_fields)
