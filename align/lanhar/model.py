"""Windows and labels in one space of meaning, after LanHAR (arXiv 2410.00003), built anew.

A text encoder learns to tell activities apart by what windows and labels are said to be
(`align.lanhar.words`); a sensor encoder learns to say the same of a window. The label is answered
whose words are nearest, be it one of which no window was learnt from. What decides when to stop are
people of the source, as if they wore the sensor elsewhere; nothing of a target is asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from imuscribe.align.lanhar.words import LabelWords, Windows, all_labels, even, learn_words, parted
from imuscribe.models.config import LanharConfig
from imuscribe.models.fit import fit, seeded
from imuscribe.models.losses import info_nce
from imuscribe.models.sensor.turnless import PaperEncoder, TurnlessEncoder, otherwise
from imuscribe.models.tower import TextTower
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path

Floats = NDArray[np.float64]

LR, WEIGHT_DECAY, BATCH, SMOOTHING = 4e-3, 0.05, 64, 0.1
_PAPER_LR = 1e-4
_EPOCH = 2000
"""Windows of an epoch, as many of every class."""
_FEWEST = 10
"""Batches of an epoch, however few windows there are: they are drawn again and varied anew."""
_VARIED = 0.75
"""Share of windows that are varied; the others are what their words say, and learn from them."""
_TEMPERATURE = 0.1
_HEARD = 400
"""Windows of held-out source people that are kept: new labels are weighed against them."""


class Aligned(nn.Module):
    """A sensor encoder and a text encoder whose vectors mean the same.

    Parameters
    ----------
    config : LanharConfig
    rows, steps : int
        Of a window's signals.
    width : int
        Numbers of a sentence vector.
    taught : sequence of str
        The labels that windows are learnt from.
    """

    heard: Tensor
    basis: Tensor

    def __init__(
        self, config: LanharConfig, rows: int, steps: int, width: int, taught: Sequence[str]
    ) -> None:
        super().__init__()
        kind = TurnlessEncoder if config.encoder == "small" else PaperEncoder
        self.config, self.taught, self.shape = config, tuple(taught), (rows, steps, width)
        self.sensor: nn.Module = kind(rows, steps, width)
        self.tower = TextTower(width)
        self.said = nn.Linear(width, width)
        self.strength = nn.Parameter(torch.tensor(math.log(10.0)))
        self.register_buffer("basis", torch.zeros(len(taught), width))
        self.register_buffer("heard", torch.zeros(0, width))

    def forward(self, signals: Tensor) -> Tensor:
        """Return vectors of length one (n, width) of signals (n, rows, steps)."""
        return normalize(self.sensor(signals), dim=1)

    @torch.no_grad()
    def embed(self, signals: Tensor, batch: int = 512) -> Tensor:
        """Return the same without a gradient, a part at a time, in evaluation mode."""
        self.eval()
        return torch.cat([self(part) for part in torch.split(signals, batch)])

    def log_proba(self, windows: Windows, labels: LabelWords) -> Floats:
        """Return log-probabilities of labels, (n, n_labels), whatever their order.

        Labels that were taught are weighed by the sensor encoder. One that was not is answered
        where a window's words are nearer to it, against the nearest that was taught, than those of
        nearly all windows (`LanharConfig.claim`) of source people who were not learnt from. For
        that, words are read as the frozen encoder reads them: what learns to tell some activities
        apart loses sight of the others.
        """
        known = [i for i, name in enumerate(labels.labels) if name in self.taught]
        new = [i for i, name in enumerate(labels.labels) if name not in self.taught]
        if not known:
            raise InputError(
                f"labels {', '.join(labels.labels)}: none of them was learnt from: name one of "
                f"{', '.join(self.taught)} beside them"
            )
        scale = float(self.strength.detach().exp())
        scores = torch.zeros(len(windows.signals), len(labels.labels))
        places = [self.taught.index(labels.labels[i]) for i in known]
        scores[:, known] = scale * self.embed(windows.signals) @ self.basis[places].T
        if new:
            frozen = labels.centres(None)
            usual = _margins(self.heard, frozen[new], frozen[known])
            bound = torch.quantile(usual, 1 - self.config.claim, dim=0)
            above = _margins(windows.texts.read(None), frozen[new], frozen[known]) - bound
            best = scores[:, known].amax(dim=1, keepdim=True)
            # An answer is the surer, the farther beyond the bound, by how margins usually differ.
            scores[:, new] = best + scale * above / usual.std(dim=0).clamp(min=1e-6)
        return np.asarray(scores.double().log_softmax(dim=1).numpy())


def align(
    source: Windows,
    config: LanharConfig,
    seed: int,
    names_alone: bool = False,
    own: Mapping[str, Iterable[str]] | None = None,
    progress: bool = False,
) -> Aligned:
    """Learn from labelled windows of the source alone.

    The same windows, settings and seed give the same weights, whatever the order of the labels.

    Parameters
    ----------
    source : Windows
    config : LanharConfig
    seed : int
    names_alone : bool
        Labels say their names and nothing else.
    own : mapping, optional
        Label → wordings in place of the packaged ones.
    progress : bool
        Show progress bars.

    Raises
    ------
    InputError
        If a label's wording is missing, empty, or names another label.
    """
    taught = sorted(set(source.labels))
    learn, stop = parted(source, config.hold_out, seed)
    reader = source.texts.reader
    labels = LabelWords.made(reader, all_labels(taught), own, names_alone)
    width = reader.table.shape[1]
    with seeded(seed):
        model = Aligned(config, source.signals.shape[1], source.signals.shape[2], width, taught)
    place = {name: i for i, name in enumerate(labels.labels)}
    targets = [torch.tensor([place[name] for name in one.labels]) for one in (learn, stop)]
    learn_words(
        model.tower, learn.texts, targets[0], (stop.texts, targets[1]), labels, config, seed
    )
    model.tower.requires_grad_(False)
    model.basis = _apart(labels.centres(model.tower)[[place[name] for name in taught]])
    _learn_sensor(model, learn, stop, config.epochs, seed, progress)
    judged = stop if stop.labels else learn
    drawn = torch.randperm(len(judged.labels), generator=torch.Generator().manual_seed(seed))
    model.heard = judged.texts[drawn[:_HEARD]].read(None)
    return model


def adapt(
    model: Aligned,
    source: Windows,
    target: Windows,
    seed: int,
    labels: LabelWords,
    progress: bool = False,
) -> None:
    """Go on learning in place from windows of the target, whose labels are not known.

    The surest answers of each class are taken for labels, and the words of all those windows are
    what they say; windows of the source are learnt from as before, and the same people decide.
    Whoever is judged with it was seen before, if not told: this is transductive.
    """
    config = model.config
    learn, stop = parted(source, config.hold_out, seed)
    there = [i for i, name in enumerate(labels.labels) if name in model.taught]
    found = model.log_proba(target, labels)
    answer, sure = found.argmax(axis=1), found.max(axis=1)
    chosen = []
    for i in there:
        mine = np.flatnonzero(answer == i)
        most = math.ceil(config.confident * len(mine))
        chosen.append(mine[np.argsort(-sure[mine], kind="stable")[:most]])
    rows = np.sort(np.concatenate(chosen))
    if not len(rows):
        return
    told = target.called([labels.labels[i] for i in answer]).some(rows)
    _learn_sensor(model, learn, stop, max(1, config.epochs // 2), seed, progress, told)


def save(model: Aligned, path: Path, key: str, about: Mapping[str, str]) -> None:
    """Write weights with the key of what they were learnt from, whole or not at all.

    `about` says how windows were made and which encoder reads sentences.
    """
    from safetensors.torch import save_file

    known = {
        "key": key,
        "taught": json.dumps(model.taught),
        "config": model.config.model_dump_json(),
        "shape": json.dumps(model.shape),
    }
    with atomic_path(path) as temporary:
        save_file(model.state_dict(), temporary, {**known, **about})


def load(path: Path, key: str | None = None) -> Aligned | None:
    """Read a model back; None where there is none, it is damaged, or it has another key."""
    from safetensors.torch import load_file

    about = facts(path)
    if "shape" not in about or key not in (None, about.get("key")):
        return None
    weights = load_file(path)
    config = LanharConfig.parse(json.loads(about["config"]))
    rows, steps, width = json.loads(about["shape"])
    model = Aligned(config, rows, steps, width, json.loads(about["taught"]))
    model.heard = torch.zeros_like(weights["heard"])
    model.load_state_dict(weights)
    return model.eval()


def facts(path: Path) -> dict[str, str]:
    """Return what is written beside a model's weights; nothing where there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


# Training ----------------------------------------------------------------------------------------


def _learn_sensor(
    model: Aligned,
    learn: Windows,
    stop: Windows,
    epochs: int,
    seed: int,
    progress: bool,
    told: Windows | None = None,
) -> None:
    """Train the sensor encoder; half of every batch is of `told`, where that is given."""
    config = model.config
    place = {name: i for i, name in enumerate(model.taught)}
    parts = []
    for windows in (learn, told) if told is not None else (learn,):
        targets = torch.tensor([place[name] for name in windows.labels])
        parts.append((windows.signals, windows.texts.read(model.tower), targets, even(targets)))
    steps = max(_FEWEST, min(_EPOCH, len(learn.labels)) // BATCH)
    sensor = nn.ModuleDict({"sensor": model.sensor, "said": model.said})
    sensor.register_parameter("strength", model.strength)

    def batches() -> Iterator[Tensor]:
        for _ in range(steps):
            x, said, wanted = _batch(parts)
            varied = torch.rand(len(x)) < _VARIED
            found = model(torch.where(varied[:, None, None], _elsewhere(x, config), x))
            alike = model.strength.exp() * found @ model.basis.T
            loss = cross_entropy(alike, wanted, label_smoothing=SMOOTHING)
            if config.text and int((~varied).sum()) > 1:
                own = said[~varied]
                same = own @ own.T > 1 - 1e-5
                loss = loss + config.text * info_nce(
                    model.said(found[~varied]), own, _TEMPERATURE, same
                )
            yield loss

    there = torch.tensor([place[name] for name in stop.labels])
    with seeded(seed):
        worn = _elsewhere(stop.signals, config) if len(there) else stop.signals

    recent: list[float] = []

    @torch.no_grad()
    def score() -> float:
        alike = model.strength.exp() * model.embed(worn) @ model.basis.T
        surprise = cross_entropy(alike, there, reduction="none").double()
        # One epoch is the best by luck, and may be unlike those about it: three are looked at.
        recent.append(-float((surprise * even(there)).sum()))
        return sum(recent[-3:]) / len(recent[-3:])

    with seeded(seed):
        fit(
            sensor,
            batches,
            steps,
            epochs=epochs,
            lr=LR if config.encoder == "small" else _PAPER_LR,
            weight_decay=WEIGHT_DECAY,
            score=score if len(there) else None,
            patience=epochs,
            doing="aligning",
            progress=progress,
        )


def _batch(
    parts: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]],
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw windows, as many of every class, their words and labels, alike from each part."""
    drawn = []
    for signals, said, targets, weight in parts:
        rows = torch.multinomial(weight, BATCH // len(parts), replacement=True)
        drawn.append((signals[rows], said[rows], targets[rows]))
    signals, said, targets = (torch.cat(some) for some in zip(*drawn, strict=True))
    return signals, said, targets


def _elsewhere(x: Tensor, config: LanharConfig) -> Tensor:
    return otherwise(x, config.gain, config.pace)


def _apart(centres: Tensor) -> Tensor:
    """Return the nearest vectors to some labels' that are at right angles to each other.

    (Löwdin 1950.) Words that hardly tell two labels apart would leave a sensor encoder no room to.
    """
    values, axes = torch.linalg.eigh((centres @ centres.T).double())
    turn = axes @ torch.diag(values.clamp(min=1e-6).rsqrt()) @ axes.T
    return torch.as_tensor(turn @ centres.double(), dtype=centres.dtype)


def _margins(said: Tensor, new: Tensor, known: Tensor) -> Tensor:
    """Return how much nearer words are to new labels than to the nearest known, (n, n_new)."""
    return said @ new.T - (said @ known.T).amax(dim=1, keepdim=True)
