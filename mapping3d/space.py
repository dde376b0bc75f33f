"""The space that an encoder maps recordings into, and what fits into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array


@dataclass(frozen=True)
class Space:
    """Which space embeddings lie in: two galleries of one space can be merged."""

    encoder: str
    """Version of the encoder that made them."""
    channels: tuple[str, ...]
    """What it sees of the target condition."""
    rate: float
    """Hz of the recordings it sees."""
    size: int
    """Numbers of an embedding."""

    def check(self, other: Space, what: str) -> None:
        """Refuse another space, naming the first difference."""
        for name, mine in asdict(self).items():
            theirs = getattr(other, name)
            if mine != theirs:
                raise InputError(
                    f"{what}: its {name} is {_said(theirs)}, the gallery's is {_said(mine)}: "
                    "embed both with the same encoder"
                )


def check_numbers(embeddings: Array, names: Sequence[str]) -> None:
    """Refuse embeddings that are not finite numbers, naming the first."""
    wrong = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if wrong.size:
        raise InputError(
            f"embedding of {names[wrong[0]]} is not a number ({wrong.size} such): the encoder is "
            "damaged or was never trained; fit it again"
        )


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"
