"""Recordings as text: the formats, their configuration, and how to get a serialiser."""

from __future__ import annotations

from imuscribe.prompts.serialize.numbers import Csv, Digits, Summary
from imuscribe.prompts.serialize.strokes import Strokes
from imuscribe.prompts.serialize.text import Features, Format, Serializer, TextConfig, View

__all__ = ["Features", "Format", "Serializer", "TextConfig", "View", "build_serializer"]

_FORMATS: dict[Format, type[Serializer]] = {
    "csv": Csv,
    "digits": Digits,
    "strokes": Strokes,
    "summary": Summary,
}


def build_serializer(config: TextConfig) -> Serializer:
    """Return the serialiser of ``config.format``."""
    return _FORMATS[config.format](config)
