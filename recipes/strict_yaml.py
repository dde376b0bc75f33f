"""YAML without its traps.

``1e-5`` is a number, ``no`` and ``2024-01-01`` are texts, a number remembers how it was written (a
person called 007), a key written twice is an error, and nothing that is no YAML leaves a traceback.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from imuscribe.signals.errors import InputError

_DEEPEST = 50
_LARGEST = 50_000
"""Values of a recipe, those repeated by aliases counted as often as they stand there."""


class _Whole(int):
    """A whole number and how it was written."""

    written: str


class _Number(float):
    """A number and how it was written."""

    written: str


class _Loader(yaml.SafeLoader):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError):
            kind = str(node.tag).rsplit(":", 1)[-1]
            given = f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "what follows"
            raise yaml.constructor.ConstructorError(
                None, None, f"{given} is no {kind}: leave '!!{kind}' out", node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is written twice: keep one", node.start_mark
                )
        return super().construct_mapping(node, deep)

    def whole(self, node: yaml.ScalarNode) -> _Whole:
        number = _Whole(self.construct_yaml_int(node))
        number.written = node.value
        return number

    def number(self, node: yaml.ScalarNode) -> _Number:
        number = _Number(self.construct_yaml_float(node))
        number.written = node.value
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.number)
# YAML 1.1 reads no, off and y as false, and dates as dates: a person may be called so.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in found if not tag.endswith((":bool", ":timestamp"))]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
# It also wants a dot in a float, so that a learning rate of 1e-5 would be read as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def parse(text: str, where: str) -> Any:
    """Return the value that YAML `text` stands for."""
    if odd := next((c for c in text if not (c.isprintable() or c.isspace())), ""):
        at = text[: text.index(odd)].count("\n") + 1
        raise InputError(f"{where} line {at}: holds the control character {odd!r}: remove it")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, where, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not readable as YAML"
        raise InputError(f"{where}{line}: {reason}") from None
    except RecursionError:
        raise InputError(_nested(where)) from None


def _size(node: yaml.Node, where: str, known: dict[int, int], depth: int = 0) -> int:
    """Return how many values a node stands for; refuse what is nested or repeated without end."""
    if depth > _DEEPEST:
        raise InputError(_nested(where))
    if isinstance(node, yaml.ScalarNode) and "\0" in node.value:
        raise InputError(f"{where} line {node.start_mark.line + 1}: holds a NUL byte: remove it")
    if id(node) not in known:
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in inner for part in pair]
        known[id(node)] = 1 + sum(_size(part, where, known, depth + 1) for part in inner)
    if known[id(node)] > _LARGEST:
        raise InputError(f"{where}: stands for more than {_LARGEST:,} values: no recipe does")
    return known[id(node)]


def _nested(where: str) -> str:
    return f"{where}: is nested more than {_DEEPEST} deep: a recipe needs three or four"


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
