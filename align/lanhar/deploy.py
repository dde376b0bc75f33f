"""An aligned sensor encoder in use: labels in anybody's own words, and as a file for a phone."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from imuscribe.align.lanhar.model import Aligned, facts, load
from imuscribe.align.lanhar.words import LabelWords, SentenceReader, Windows
from imuscribe.models.text import load_encoder
from imuscribe.prompts.captions.interpret import label_texts, written_labels
from imuscribe.recipes.transfer import shared_class
from imuscribe.signals.cleaning import CleanConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, write_text
from imuscribe.signals.load import clean_all
from imuscribe.signals.motion.views import sequence
from imuscribe.signals.recording import Recording
from imuscribe.signals.windows import WindowConfig, cut

Floats = NDArray[np.float64]

RUNS = 500
"""How often a window is read to say how long one takes."""


@dataclass
class LanharReader:
    """Reads windows with a model that `imuscribe run` has left, for labels in any words."""

    model: Aligned
    clean: CleanConfig
    windows: WindowConfig
    sentences: SentenceReader

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a ``lanhar.safetensors``; InputError if it is none."""
        model, about = load(path), facts(path)
        if model is None or not {"encoder", "clean", "windows"} <= set(about):
            raise InputError(
                f"{path}: is no aligned encoder: give what a run's sets taught, such as "
                "runs/lanhar-transfer/lanhar/SETS.safetensors"
            )
        return cls(
            model,
            CleanConfig.parse(json.loads(about["clean"])),
            WindowConfig.parse(json.loads(about["windows"])),
            SentenceReader(load_encoder(about["encoder"])),
        )

    def cut(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Return the windows of recordings, cleaned and cut as those that were learnt from.

        Raises
        ------
        InputError
            If nothing usable is left, or there is no gyroscope where it was learnt with one.
        """
        found = cut(clean_all(recordings, self.clean), self.windows)
        rows = self.model.shape[0]
        if rows > 3 and (bare := next((rec for rec in found if rec.gyro is None), None)):
            raise InputError(
                f"recording '{bare.id}': has no gyroscope, this encoder learnt with one: learn "
                "from accelerometers alone with clean.gyroscope=false"
            )
        return found

    def words(self, labels: Sequence[str]) -> LabelWords:
        """Return labels in words: those of a known activity for any spelling of it, else their own.

        The labels keep the names that they were given.
        """
        if twice := next((name for name in labels if labels.count(name) > 1), None):
            raise InputError(f"label '{twice}': is named twice: name each once")
        known = [shared_class(name) or name for name in labels]
        if both := next((name for name in known if known.count(name) > 1), None):
            said = [label for label, name in zip(labels, known, strict=True) if name == both]
            raise InputError(f"labels '{said[0]}' and '{said[1]}': both are {both}: keep one")
        own = {name: (name,) for name in known if name not in written_labels()}
        label_texts(known, own)  # an empty label is told here
        return LabelWords.made(self.sentences, known, own)

    def log_proba(self, windows: Sequence[Recording], labels: Sequence[str]) -> Floats:
        """Return log-probabilities of labels in any words, (n, n_labels)."""
        steps, rows = self.model.shape[1], self.model.shape[0]
        if rows == 3:
            windows = [rec.replace(data=rec.acc, channels=rec.channels[:3]) for rec in windows]
        seen = np.stack([sequence(rec, "upright", steps) for rec in windows])
        return self.model.log_proba(Windows.of(windows, seen, self.sentences), self.words(labels))


class _Deployed(nn.Module):
    """What runs on a device: from signals to vectors of length one."""

    def __init__(self, sensor: nn.Module) -> None:
        super().__init__()
        self.sensor = sensor

    def forward(self, signals: Tensor) -> Tensor:
        return normalize(self.sensor(signals), dim=1)


def export(reader: LanharReader, labels: Sequence[str], out: Path) -> dict[str, object]:
    """Write the sensor encoder, and the vectors of labels, for a device without any text.

    ``encoder.onnx`` where the package onnx is installed, else ``encoder.pt2`` (`torch.export`);
    both read signals (1, rows, steps) in m/s² and rad/s (`models.sensor.turnless`). The nearest row
    of ``labels.json`` is the answer.

    Returns
    -------
    dict
        ``format``, ``parity`` (the largest difference to the model over random windows; None where
        nothing is installed that runs the file), ``megabytes`` of both files, and ``mean``, ``min``
        and ``max`` milliseconds a window on one core over `RUNS`.
    """
    model, shape = reader.model, (1, *reader.model.shape[:2])
    network = _Deployed(model.sensor).eval()
    known = reader.words(labels).labels
    for name, label in zip(labels, known, strict=True):
        if label not in model.taught:
            raise InputError(
                f"label '{name}': no window of it was learnt from, and a device has no words to "
                f"tell it by: leave it out, or name some of {', '.join(model.taught)}"
            )
    vectors = model.basis[[model.taught.index(name) for name in known]]
    out.mkdir(parents=True, exist_ok=True)
    form = "onnx" if find_spec("onnx") else "pt2"
    path = out / f"encoder.{form}"
    with atomic_path(path) as temporary:
        if form == "onnx":
            torch.onnx.export(
                network,
                (torch.zeros(shape),),
                str(temporary),
                input_names=["signals"],
                output_names=["vectors"],
                dynamo=False,  # the newer exporter needs another package
            )
        else:
            written = io.BytesIO()  # a temporary file's name does not end as torch wants it
            torch.export.save(torch.export.export(network, (torch.zeros(shape),)), written)
            Path(temporary).write_bytes(written.getvalue())
    named = {name: row.tolist() for name, row in zip(labels, vectors, strict=True)}
    write_text(out / "labels.json", json.dumps(named) + "\n")
    size = path.stat().st_size + (out / "labels.json").stat().st_size
    drawn = 3 * torch.randn(16, *shape[1:], generator=torch.Generator().manual_seed(0))
    return {
        "format": form,
        "parity": _parity(path, network, drawn),
        "megabytes": size / 1e6,
        **milliseconds(network, drawn[:1]),
    }


def milliseconds(network: nn.Module, window: Tensor) -> dict[str, float]:
    """Return mean, least and most milliseconds of reading one window on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(20):
                network(window)
            took = []
            for _ in range(RUNS):
                begin = time.perf_counter()
                network(window)
                took.append(1e3 * (time.perf_counter() - begin))
    finally:
        torch.set_num_threads(threads)
    return {"mean": float(np.mean(took)), "min": min(took), "max": max(took)}


@torch.inference_mode()
def _parity(path: Path, network: nn.Module, drawn: Tensor) -> float | None:
    """Return how far the written file's answers are from the network's at most."""
    wanted = [network(one[None]) for one in drawn]
    if path.suffix == ".pt2":
        read = torch.export.load(path).module()
        found = [read(one[None]) for one in drawn]
    elif find_spec("onnxruntime"):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path))
        found = [
            torch.from_numpy(session.run(None, {"signals": one[None].numpy()})[0]) for one in drawn
        ]
    else:
        return None
    return max(float((a - b).abs().max()) for a, b in zip(wanted, found, strict=True))
