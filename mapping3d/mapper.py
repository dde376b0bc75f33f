"""A trained mapping: an encoder with all it takes to use it on recordings, in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imuscribe.mapping3d.encoder import Encoder
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.mapping3d.space import Space, check_numbers
from imuscribe.mapping3d.views import views
from imuscribe.models.config import EncoderConfig
from imuscribe.recipes.mapping import Side, ViewConfig
from imuscribe.signals.cleaning import CleanConfig, clean
from imuscribe.signals.config import Config
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, parsed_json
from imuscribe.signals.recording import Array, Recording

FORMAT = "1"
_KEY = "imuscribe"


@dataclass(frozen=True)
class Mapper:
    """An encoder and how recordings are prepared for it.

    Parameters
    ----------
    encoder : Encoder
    cleaning : CleanConfig
        Brings recordings to the encoder's rate.
    source, target : dict of str to str
        Column and value that tell each condition, such as ``{"case": "3d"}``.
    labels : tuple of str
        Classes it was trained on; others can be enrolled all the same.
    people : tuple of str
        Everybody it has learnt from, those who decided when to stop among them.
    temperature : float
        Distance over which a neighbour counts e times less.
    """

    encoder: Encoder
    cleaning: CleanConfig
    source: dict[str, str]
    target: dict[str, str]
    labels: tuple[str, ...]
    people: tuple[str, ...]
    temperature: float = 0.05

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits of the weights and everything they were trained for."""
        digest = sha256(json.dumps(self._about(), sort_keys=True).encode())
        for name, tensor in self._tensors().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        return digest.hexdigest()[:12]

    @property
    def space(self) -> Space:
        """Where its embeddings lie."""
        encoder = self.encoder
        channels = encoder.view.channels("target")
        return Space(self.version, channels, encoder.rate, encoder.config.size)

    def prepare(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Clean recordings as those it was trained on were."""
        return [clean(rec, self.cleaning) for rec in recordings]

    def embed(self, recordings: Sequence[Recording], side: Side, progress: bool = False) -> Array:
        """Return the embeddings of cleaned recordings, shape (n, size).

        Parameters
        ----------
        recordings : sequence of Recording
            As `prepare` returns them.
        side : {"source", "target"}
            Which condition they are of.
        progress : bool
            Show a progress bar.

        Raises
        ------
        InputError
            For a recording at another rate than the encoder's, or as `mapping3d.views.view`, or if
            an embedding is not a number.
        """
        for rec in recordings:
            if abs(rec.rate - self.encoder.rate) > 0.02 * self.encoder.rate:
                raise InputError(
                    f"recording '{rec.id}': is at {rec.rate:.1f} Hz, the encoder reads "
                    f"{self.encoder.rate:g} Hz: clean it with clean.rate={self.encoder.rate:g}"
                )
        found = self.encoder.embed(views(recordings, self.encoder.view, side, progress), side)
        check_numbers(found, [rec.id for rec in recordings])
        return found

    def enrol(
        self, gallery: Gallery, recordings: Sequence[Recording], progress: bool = False
    ) -> None:
        """Add cleaned recordings of the target condition: new people, new classes, no training.

        Parameters
        ----------
        gallery : Gallery
            An empty one is ``Gallery(mapper.space)``.
        recordings : sequence of Recording
            As `prepare` returns them.
        progress : bool
            Show a progress bar.

        Raises
        ------
        InputError
            If another encoder made the gallery, or as `Gallery.add`.
        """
        gallery.space.check(self.space, "the encoder")
        gallery.add(recordings, self.embed(recordings, "target", progress), self.space)

    def save(self, path: str | Path) -> None:
        """Write everything as one file (safetensors)."""
        from safetensors.torch import save_file

        about = {"format": FORMAT, "version": self.version, "about": self._about()}
        with atomic_path(path) as temporary:
            save_file(self._tensors(), temporary, {_KEY: json.dumps(about)})

    @classmethod
    def load(cls, path: str | Path) -> Mapper:
        """Read a mapping.

        Raises
        ------
        InputError
            If there is none, it is damaged, or a later version wrote it.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise InputError(f"encoder {path}: no such file: make one with 'imuscribe map fit'")
        try:
            with safe_open(str(path), "pt") as file:
                stored = parsed_json((file.metadata() or {})[_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if stored["format"] != FORMAT:
                raise InputError(
                    f"encoder {path}: has format {stored['format']}, this version reads {FORMAT}"
                )
            mapper = cls._of(stored["about"])
            mapper.encoder.load_state_dict(tensors, strict=False)
            if set(tensors) != set(mapper._tensors()) or mapper.version != stored["version"]:
                raise ValueError("its checksum is another")
        except InputError:
            raise
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"encoder {path}: is damaged or none ({reason}): make it again with "
                "'imuscribe map fit'"
            ) from None
        return mapper

    def _about(self) -> dict[str, Any]:
        return {
            "encoder": _without(_NEWER["encoder"], self.encoder.config),
            "view": self.encoder.view.model_dump(mode="json"),
            "rate": self.encoder.rate,
            "cleaning": _without(_NEWER["cleaning"], self.cleaning),
            "source": self.source,
            "target": self.target,
            "labels": list(self.labels),
            "people": list(self.people),
            "temperature": self.temperature,
        }

    @classmethod
    def _of(cls, about: dict[str, Any]) -> Mapper:
        """Return a mapping that `_about` describes, with fresh weights."""
        about = dict(about)
        view = ViewConfig.parse(about.pop("view"), "encoder")
        config = EncoderConfig.parse(about.pop("encoder"), "encoder")
        encoder = Encoder(config, view, float(about.pop("rate"))).eval()
        cleaning = CleanConfig.parse(about.pop("cleaning"), "encoder")
        labels, people = tuple(about.pop("labels")), tuple(about.pop("people"))
        return cls(encoder, cleaning, labels=labels, people=people, **about)

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers by name; what two sides share is here once."""
        named = [*self.encoder.named_parameters(), *self.encoder.named_buffers()]
        return {name: tensor.detach().contiguous() for name, tensor in named}


_NEWER: dict[str, dict[str, Any]] = {
    "encoder": {"layers": "plain"},
    "cleaning": {"gyroscope": True},
}
"""What files written before did not say, and meant: their checksum is over what they said."""


def _without(newer: dict[str, Any], config: Config) -> dict[str, Any]:
    """Return settings but for newer ones that are as they were before there was a choice."""
    values = config.model_dump(mode="json")
    return {k: v for k, v in values.items() if k not in newer or v != newer[k]}


class _OneSide(torch.nn.Module):
    """The encoder of one condition, as a network of one input."""

    def __init__(self, encoder: Encoder, side: Side) -> None:
        super().__init__()
        self.encoder, self.side = encoder, side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder.forward(x, self.side)


def export_onnx(mapper: Mapper, side: Side, path: str | Path) -> None:
    """Write one side of the encoder as ONNX: views (n, n_channels, steps) to embeddings.

    Raises
    ------
    InputError
        Without the package ``onnx`` (``pip install imuscribe[onnx]``).
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise InputError(
            "export to ONNX needs the package onnx: pip install imuscribe[onnx]"
        ) from None

    view = mapper.encoder.view
    example = torch.from_numpy(
        np.zeros((2, len(view.channels(side)), view.steps), dtype=np.float32)
    )
    with atomic_path(path) as temporary:
        torch.onnx.export(
            _OneSide(mapper.encoder, side).eval(),
            (example,),
            str(temporary),
            input_names=["views"],
            output_names=["embeddings"],
            dynamic_axes={"views": {0: "n"}, "embeddings": {0: "n"}},
            dynamo=False,  # the newer exporter needs another package
        )
