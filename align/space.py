"""Models of signals and captions on disk, and windows as they take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.models.config import PATCH, PATCH_SECONDS, AlignConfig
from imuscribe.models.weights import read_weights
from imuscribe.prompts.captions.hierarchy import CaptionConfig
from imuscribe.signals.errors import InputError, usable
from imuscribe.signals.files import atomic_path, sha256, whole_folder, write_text
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imuscribe.models.sensorlm.network import SensorLM

WEIGHTS, SETTINGS = "sensorlm.safetensors", "sensorlm.json"


@dataclass(frozen=True)
class Shape:
    """What a model takes for a window."""

    seconds: float
    rate: float
    """Hz to which recordings are brought before they are cut."""

    @property
    def steps(self) -> int:
        """Samples that the encoder sees: as many of a patch, whatever was measured."""
        return max(1, round(self.seconds / PATCH_SECONDS)) * PATCH


@dataclass(frozen=True, eq=False)
class Prepared:
    """Windows with what the encoder sees of them."""

    windows: list[Recording]
    x: Array
    seen: NDArray[np.bool_]


def prepared(windows: Sequence[Recording], shape: Shape, where: str = "") -> Prepared:
    """Return windows as the encoder sees them; those it cannot see are left out and counted."""
    from imuscribe.models.sensorlm.triads import triads

    def one(rec: Recording) -> tuple[Recording, Array, NDArray[np.bool_]]:
        return rec, *triads(rec, shape.steps, shape.seconds)

    found = usable(windows, one, where)
    kept, x, seen = zip(*found, strict=True)
    return Prepared(list(kept), np.stack(x), np.stack(seen))


def save(
    network: SensorLM, shape: Shape, telling: CaptionConfig, folder: Path, about: dict[str, Any]
) -> None:
    """Write weights, and all that is needed to read them again, whole or not at all."""
    from safetensors.torch import save_file

    weights = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    values = {
        "align": network.config.model_dump(mode="json"),
        "shape": asdict(shape),
        "captions": telling.model_dump(mode="json"),
        "words": network.vocabulary.words,
        "pieces": network.vocabulary.pieces,
        **about,
    }
    with whole_folder(folder, SETTINGS) as place:
        with atomic_path(place / WEIGHTS) as temporary:
            save_file(weights, temporary, metadata={"format": "pt"})
        write_text(place / SETTINGS, json.dumps(values, indent=1, ensure_ascii=False))


def about(folder: Path) -> dict[str, Any]:
    """Return what a model's folder says of it; InputError where it holds none."""
    try:
        values: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        values["align"].items()
    except (OSError, ValueError, KeyError, AttributeError):
        raise InputError(
            f"model '{folder}': holds no {SETTINGS}: make one with "
            f"'imuscribe align sensorlm sensorlm --out {folder}'"
        ) from None
    return values


def load(folder: Path) -> tuple[SensorLM, Shape, CaptionConfig]:
    """Return a saved model, what it takes for a window, and how its captions were written."""
    import torch

    from imuscribe.models.sensorlm.captions import Vocabulary
    from imuscribe.models.sensorlm.network import SensorLM

    values = about(folder)
    shape = Shape(**values["shape"])
    network = SensorLM(
        AlignConfig.parse(values["align"], str(folder / SETTINGS)),
        shape.steps,
        Vocabulary(values["words"], values["pieces"]),
    )
    weights = read_weights(folder / WEIGHTS, f"model '{folder}'")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"model '{folder}': {WEIGHTS} is another model's: {reason}") from None
    if torch.cuda.is_available():
        network = network.cuda()
    telling = CaptionConfig.parse(values["captions"], str(folder / SETTINGS))
    return network.eval(), shape, telling


def key_of(folder: Path) -> str:
    """Return the SHA-256 of a model's weights."""
    about(folder)
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"model '{folder}': has no {WEIGHTS}: copy it again, or train it again")
    return sha256(folder / WEIGHTS)
