"""Windows and labels in words, and LanHAR's text encoder, which learns to tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from imuscribe.models.config import LanharConfig, TextLossConfig
from imuscribe.models.fit import fit, seeded
from imuscribe.models.losses import info_nce, ranking
from imuscribe.models.text import Encoder
from imuscribe.models.tower import Rebuilder, TextTower
from imuscribe.prompts.captions.interpret import (
    RuleInterpreter,
    kind_of,
    label_texts,
    sentences_of,
    written_labels,
)
from imuscribe.signals.motion.views import device_rows
from imuscribe.signals.recording import Array, Recording

LR, WEIGHT_DECAY, BATCH = 1e-3, 0.01, 32
_TEMPERATURE = 0.1
_STEPS = 60
"""Batches of an epoch at most: texts repeat."""


@dataclass(frozen=True)
class Texts:
    """Texts as places in a table of sentences; −1 behind the last."""

    reader: SentenceReader
    places: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: Tensor) -> Texts:
        return Texts(self.reader, self.places[rows])

    def through(self, tower: TextTower | None) -> Tensor:
        """Return what a tower makes of them, (n, width); without one the mean of the sentences."""
        there, sentences = self.places >= 0, self.reader.table[self.places.clamp(min=0)]
        if tower is None:
            return normalize((sentences * there[..., None]).sum(dim=1), dim=1)
        found: Tensor = tower(sentences, there)
        return found

    @torch.inference_mode()
    def read(self, tower: TextTower | None, batch: int = 512) -> Tensor:
        """Return the same without a gradient, a part at a time."""
        parts = [
            Texts(self.reader, some).through(tower) for some in torch.split(self.places, batch)
        ]
        return torch.cat(parts).clone()


class SentenceReader:
    """Reads every sentence once, with an encoder that stays as it is.

    Windows are put into words by fixed rules; what a window says is kept by its name.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.sentences: list[str] = []
        self._place: dict[str, int] = {}
        self._windows: dict[str, tuple[str, ...]] = {}
        self._table: Tensor | None = None

    @property
    def table(self) -> Tensor:
        """Vectors of all sentences so far, (n, width)."""
        done = 0 if self._table is None else len(self._table)
        if done < len(self.sentences):
            new = torch.from_numpy(self.encoder(self.sentences[done:]).astype(np.float32))
            self._table = new if self._table is None else torch.cat([self._table, new])
        assert self._table is not None
        return self._table

    def texts(self, found: Iterable[Sequence[str]]) -> Texts:
        """Return texts that are given as their sentences."""
        rows = [[self._known(sentence) for sentence in text] for text in found]
        most = max(map(len, rows))
        padded = [row + [-1] * (most - len(row)) for row in rows]
        return Texts(self, torch.tensor(padded))

    def windows(self, windows: Sequence[Recording]) -> Texts:
        """Return what windows say; InputError as `signals.motion.statistics.statistics`."""
        for rec in windows:
            if rec.id not in self._windows:
                self._windows[rec.id] = sentences_of(RuleInterpreter().interpret(rec).text)
        return self.texts(self._windows[rec.id] for rec in windows)

    def _known(self, sentence: str) -> int:
        if sentence not in self._place:
            self._place[sentence] = len(self.sentences)
            self.sentences.append(sentence)
        return self._place[sentence]


@dataclass(frozen=True)
class Windows:
    """Windows as signals (n, rows, steps), in words, and whose they are; labels where known."""

    signals: Tensor
    texts: Texts
    people: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, windows: Sequence[Recording], upright: Array, reader: SentenceReader) -> Self:
        """Return windows seen ``upright`` (`signals.motion.views`), shape (n, channels, steps)."""
        rows = device_rows("upright", upright.shape[1]) or 0
        return cls(
            torch.from_numpy(np.ascontiguousarray(upright[:, rows:])),
            reader.windows(windows),
            tuple(rec.subject for rec in windows),
            tuple(rec.label for rec in windows),
        )

    def some(self, rows: NDArray[np.int64]) -> Windows:
        """Return some of them."""
        chosen = torch.from_numpy(rows)
        return Windows(
            self.signals[chosen],
            self.texts[chosen],
            tuple(self.people[i] for i in rows),
            tuple(self.labels[i] for i in rows),
        )

    def called(self, labels: Sequence[str]) -> Windows:
        """Return them with other labels."""
        return Windows(self.signals, self.texts, self.people, tuple(labels))

    def and_also(self, other: Windows) -> Windows:
        """Return these and others."""
        most = max(self.texts.places.shape[1], other.texts.places.shape[1])
        places = [
            nn.functional.pad(one.texts.places, (0, most - one.texts.places.shape[1]), value=-1)
            for one in (self, other)
        ]
        return Windows(
            torch.cat([self.signals, other.signals]),
            Texts(self.texts.reader, torch.cat(places)),
            self.people + other.people,
            self.labels + other.labels,
        )


@dataclass(frozen=True)
class LabelWords:
    """Labels with all their wordings, one text each.

    `texts` and `of` say which text is which label's, by its place in `labels`.
    """

    labels: tuple[str, ...]
    texts: Texts
    of: Tensor

    @classmethod
    def made(
        cls,
        reader: SentenceReader,
        labels: Sequence[str],
        own: Mapping[str, Iterable[str]] | None = None,
        names_alone: bool = False,
    ) -> LabelWords:
        """Return labels in the packaged wordings, in `own`, or by their names alone.

        Raises
        ------
        InputError
            As `prompts.captions.interpret.label_texts`.
        """
        if names_alone:
            wordings: Mapping[str, tuple[str, ...]] = {
                name: (name.replace("_", " "),) for name in labels
            }
        else:
            wordings = label_texts(labels, own)
        texts = [sentences_of(text) for name in labels for text in wordings[name]]
        of = [i for i, name in enumerate(labels) for _ in wordings[name]]
        return cls(tuple(labels), reader.texts(texts), torch.tensor(of))

    def centres(self, tower: TextTower | None) -> Tensor:
        """Return one vector a label, the middle of its wordings, (n_labels, width)."""
        with torch.no_grad():
            read = self.texts.through(tower)
            middle = torch.zeros(len(self.labels), read.shape[1]).index_add(0, self.of, read)
        return normalize(middle, dim=1)


class _TextLosses(nn.Module):
    """The tower, its decoder, and the five losses on a batch of windows."""

    def __init__(self, tower: TextTower, labels: LabelWords, windows: Texts) -> None:
        super().__init__()
        self.tower, self.labels = tower, labels
        # Of these texts alone: what else the reader has read, of a target say, must not count.
        used = {*windows.places.flatten().tolist(), *labels.texts.places.flatten().tolist()} - {-1}
        said = {i: windows.reader.sentences[i].lower().split() for i in sorted(used)}
        known = {w: i + 1 for i, w in enumerate(sorted({w for s in said.values() for w in s}))}
        coded = torch.zeros(max(said) + 1, max(map(len, said.values())), dtype=torch.long)
        for place, words in said.items():
            coded[place, : len(words)] = torch.tensor([known[word] for word in words])
        self.register_buffer("words", coded, persistent=False)
        most = max(windows.places.shape[1], labels.texts.places.shape[1])
        self.decoder = Rebuilder(tower.width, len(known) + 1, most)
        kinds = [kind_of(name) for name in labels.labels]
        self.kind = torch.tensor([sorted(set(kinds)).index(kind) for kind in kinds])

    words: Tensor

    def forward(self, windows: Texts, targets: Tensor, weights: TextLossConfig) -> Tensor:
        """Return the weighted sum; `targets` are the labels' places in all labels."""
        said, labels = windows.through(self.tower), self.labels
        known = labels.texts.through(self.tower)
        loss = 0 * said.sum()
        if weights.align:
            drawn = _one_of_each(labels.of, targets)
            same = targets[:, None] == targets[None]
            loss = loss + weights.align * info_nce(said, known[drawn], _TEMPERATURE, same)
        kind, theirs = self.kind[labels.of], self.kind[targets]
        other_label = labels.of[:, None] != labels.of[None]
        alike, differ = kind[:, None] == kind[None], kind[:, None] != kind[None]
        itself = torch.eye(len(known), dtype=torch.bool)
        if weights.labels:
            order = ranking(known @ known.T, alike & other_label, differ)
            loss = loss + weights.labels * order
        if weights.windows:
            near = (theirs[:, None] == theirs[None]) & ~torch.eye(len(said), dtype=torch.bool)
            far = theirs[:, None] != theirs[None]
            loss = loss + weights.windows * ranking(said @ said.T, near, far)
        if weights.wordings:
            order = ranking(known @ known.T, ~other_label & ~itself, other_label)
            loss = loss + weights.wordings * order
        if weights.rebuild:
            loss = loss + weights.rebuild * (
                self._rebuilt(said, windows.places) + self._rebuilt(known, labels.texts.places)
            )
        return loss

    def _rebuilt(self, vectors: Tensor, places: Tensor) -> Tensor:
        """Return how well one sentence of each text, drawn at random, is told from its vector."""
        chosen = (torch.rand(places.shape) * (places >= 0)).argmax(dim=1)
        sentence = places.gather(1, chosen[:, None])[:, 0]
        found: Tensor = self.decoder(vectors, chosen, self.words[sentence])
        return found


def learn_words(
    tower: TextTower,
    windows: Texts,
    targets: Tensor,
    held_out: tuple[Texts, Tensor],
    labels: LabelWords,
    config: LanharConfig,
    seed: int,
) -> None:
    """Train a tower in place on the words of source windows and the wordings of labels.

    Parameters
    ----------
    tower : TextTower
    windows : Texts
        Of source people.
    targets : Tensor
        Place of each window's label in `labels`, (n,).
    held_out : (Texts, Tensor)
        Windows of source people who decide when to stop, and their labels' places.
    labels : LabelWords
        More of them than windows have may be there: what they say is known of all.
    """
    if not any(config.losses.model_dump().values()):
        return
    with seeded(seed):
        losses = _TextLosses(tower, labels, windows)
    steps = max(10, min(_STEPS, len(windows) // BATCH))
    taught = torch.unique(targets)
    weight = even(targets)

    def batches() -> Iterator[Tensor]:
        for _ in range(steps):
            rows = torch.multinomial(weight, min(BATCH, len(windows)), replacement=True)
            yield losses(windows[rows], targets[rows], config.losses)

    def score() -> float:
        read, centres = held_out[0].read(tower), labels.centres(tower)[taught]
        right = taught[(read @ centres.T).argmax(dim=1)] == held_out[1]
        return float((right * even(held_out[1])).sum())

    with seeded(seed):
        fit(
            losses,
            batches,
            steps,
            epochs=config.text_epochs,
            lr=LR,
            weight_decay=WEIGHT_DECAY,
            score=score if len(held_out[1]) else None,
            patience=config.text_epochs,
        )


def parted(source: Windows, share: float, seed: int) -> tuple[Windows, Windows]:
    """Part source windows by person: who is learnt from, and who decides when to stop.

    With one person nobody is held out, and the last weights are kept.
    """
    people = sorted(set(source.people))
    order = np.random.default_rng(seed).permutation(people).tolist()
    n = min(max(1, round(share * len(people))), len(people) - 1)
    stop = _enough(source, order, n)
    mine = np.array([person in stop for person in source.people])
    return source.some(np.flatnonzero(~mine)), source.some(np.flatnonzero(mine))


def all_labels(taught: Iterable[str]) -> list[str]:
    """Return what is taught and every label that has packaged wordings, sorted."""
    return sorted({*taught, *written_labels()})


def _one_of_each(of: Tensor, targets: Tensor) -> Tensor:
    """Draw one wording of each target's label."""
    drawn = torch.rand(len(targets), len(of)) * (of[None] == targets[:, None])
    return drawn.argmax(dim=1)


def even(targets: Tensor) -> Tensor:
    """Return weights, of sum one, by which every class counts alike."""
    counts = torch.bincount(targets).clamp(min=1)
    weight = 1 / counts[targets].double()
    return weight / weight.sum().clamp(min=1e-12)


def _enough(source: Windows, order: Sequence[str], n: int) -> set[str]:
    """Return the first n people without whom every label is still learnt from."""
    chosen: set[str] = set()
    for person in order:
        kept = {
            label
            for label, who in zip(source.labels, source.people, strict=True)
            if who not in chosen and who != person
        }
        if len(chosen) < n and kept == set(source.labels):
            chosen.add(person)
    return chosen
