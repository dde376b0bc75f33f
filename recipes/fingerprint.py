"""What tells two recipes apart: a hash of the sections that matter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from imuscribe.models.config import ChronosConfig
from imuscribe.recipes.schema import Recipe

_LATER: dict[str, dict[str, Any]] = {
    "clean": {"gyroscope": True},
    "split": {"copies": "refuse"},
    "sensor": {
        "groups": "one",
        "gyroscope": True,
        "seconds": None,
        "chronos": ChronosConfig().model_dump(mode="json"),
    },
    "model": {"random": False},
    "lora": {"frozen": False},
}
"""Settings that came later, with what they are where nothing is said: fingerprints stay."""


def fingerprint(recipe: Recipe, sections: Iterable[str]) -> str:
    """Return the SHA-256 of the named top-level sections, as hexadecimal digits.

    `train.start_from` and `evaluate.pools` are left out.
    """
    values = recipe.model_dump(mode="json", include=set(sections))
    for section, later in _LATER.items():
        for key, before in later.items():
            if values.get(section) and values[section][key] == before:
                del values[section][key]
    # Where an adapter lies is not what it is: who goes on from one adds the hash of its weights.
    values.get("train", {}).pop("start_from", None)
    # Pools are made of answers, they change none.
    values.get("evaluate", {}).pop("pools", None)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
