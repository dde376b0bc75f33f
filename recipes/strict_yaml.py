"""YAML without its traps: ``1e-5`` is a number and a key written twice is an error."""

from __future__ import annotations

import re
from typing import Any

import yaml

from imuscribe.signals.errors import InputError


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is written twice: keep one", node.start_mark
                )
        return super().construct_mapping(node, deep)


# YAML 1.1 wants a dot in a float, so that a learning rate of 1e-5 would be read as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def parse(text: str, where: str) -> Any:
    """Return the value that YAML `text` stands for."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not readable as YAML"
        raise InputError(f"{where}{line}: {reason}") from None


def parse_mapping(text: str, where: str) -> dict[str, Any]:
    """Return the mapping that YAML `text` stands for; empty text is an empty mapping."""
    return as_mapping(parse(text, where), where)


def as_mapping(value: Any, where: str) -> dict[str, Any]:
    """Return `value` if it is a mapping with text keys, and an empty one for nothing."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{where}: is {value!r}: need keys and values, such as 'seed: 0'")
    return value


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value`` and read the value as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"override '{text}': not of the form key=value, such as train.lr=1e-4")
    return key.strip(), parse(value, f"override '{text}'")


def set_dotted(values: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c`` in nested mappings, creating what is missing on the way."""
    *sections, last = key.split(".")
    for depth, section in enumerate(sections):
        inner = values.get(section)
        if inner is not None and not isinstance(inner, dict):
            path = ".".join(sections[: depth + 1])
            raise InputError(
                f"override '{key}': '{path}' is {inner!r}, not a section: set it whole"
            )
        if inner is None:
            inner = values[section] = {}
        values = inner
    values[last] = value
