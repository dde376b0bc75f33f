"""Words that stand as data in YAML files beside the code that reads them."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def tables(name: str) -> dict[str, Any]:
    """Return the tables of a file, such as ``ask/answers.yaml``; "no" and numbers are texts too."""
    text = resources.files("imuscribe.prompts").joinpath(name).read_text("utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    return found


def any_of(words: list[str]) -> str:
    """Return a regular expression for any of some words, which may be expressions themselves."""
    return f"(?:{'|'.join(words)})"
