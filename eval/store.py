"""The one store of a run: what was made once under a key is not made again under the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imuscribe.eval.predictions import Predictions, load, save
from imuscribe.signals.files import inside, parsed_json, write_text
from imuscribe.signals.recording import Recording


class Store:
    """Keeps answers in a folder, so that an interrupted run goes on where it stopped.

    An answer is found again by its names (they name its file, whatever they hold) as long as its
    key, all that it depends on, is the same; with another key it is made anew and replaced.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def values(
        self,
        names: Sequence[str],
        key: Any,
        make: Callable[[], Any],
        keep: Callable[[Any], bool] = lambda value: True,
    ) -> Any:
        """Return plain values for JSON, made or found; what is not to be kept is made again."""
        path = self.path(names, ".json")
        stored = _stored(path)
        if stored.get("key") == _digest(key) and "value" in stored:
            return stored["value"]
        value = make()
        if keep(value):
            write_text(path, json.dumps({"key": _digest(key), "value": value}, ensure_ascii=False))
        return value

    def predictions(
        self,
        names: Sequence[str],
        key: Any,
        asked: Sequence[Recording],
        make: Callable[[], Predictions],
    ) -> Predictions:
        """Return the answers about recordings, made or found; `names` are a fold and a method."""
        path = self.path(names, ".parquet")
        found = load(path, _digest(key), asked)
        if found is None:
            found = make()
            save(found, path, names[0], names[-1], _digest(key))
        return found

    def has(self, names: Sequence[str]) -> bool:
        """Whether there is an answer under these names, whatever its key."""
        return any(self.path(names, ending).is_file() for ending in (".json", ".parquet"))

    def path(self, names: Sequence[str], ending: str) -> Path:
        """Return the file that is named so."""
        return inside(self.folder, *names[:-1], names[-1] + ending)


def _stored(path: Path) -> dict[str, Any]:
    """Return what a file holds: nothing if it is missing, damaged or an older version's."""
    try:
        stored = parsed_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _digest(key: Any) -> str:
    """Return a key's fingerprint; a text is one already."""
    if isinstance(key, str):
        return key
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
