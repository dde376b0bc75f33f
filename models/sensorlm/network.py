"""A signal and its captions in one space: two towers, and a decoder that writes captions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from imuscribe.models.config import AlignConfig
from imuscribe.models.losses import FAMILY, captioning, contrastive, gathered
from imuscribe.models.sensorlm.captions import PAD, Read, Reader, Texts, Vocabulary, Writer
from imuscribe.models.sensorlm.triads import AttentionPool, TriadEncoder
from imuscribe.signals.recording import Array

BEGIN_SCALE, BEGIN_BIAS = 10.0, -10.0
"""Temperature and bias that SigLIP (arXiv 2303.15343) begins with."""
_MOST = math.log(100)
_QUICK = 10.0
"""How much faster than a weight the bias learns: it has far to go in few steps."""
_TOGETHER = 32
"""Texts that are read at once."""
_ALONE = 0.15
"""Share of training texts whose words alone are read, and of those whose clauses are."""


@dataclass(frozen=True)
class Batch:
    """Windows with their captions, one process's part of a step."""

    x: Tensor
    seen: Tensor
    read: Read
    alike: Tensor
    """A number a caption, the same for equal ones, (n,)."""
    others: Read | None
    """Captions of no signal, (m,), of which those count that are `wrong`."""
    wrong: Tensor
    spelled: Tensor
    """Tokens that write the captions, (n, length)."""

    def to(self, device: torch.device) -> Batch:
        """Return it on a device."""
        return Batch(
            self.x.to(device),
            self.seen.to(device),
            self.read.to(device),
            self.alike.to(device),
            None if self.others is None else self.others.to(device),
            self.wrong.to(device),
            self.spelled.to(device),
        )


class SensorLM(nn.Module):
    """Sensor encoder, text reader and caption writer (after SensorLM, arXiv 2506.09108).

    Parameters
    ----------
    config : AlignConfig
    steps : int
        Samples of a window.
    vocabulary : Vocabulary
        Of the captions.
    """

    def __init__(self, config: AlignConfig, steps: int, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.steps, self.vocabulary = config, steps, vocabulary
        self.texts = Texts(vocabulary, config.text)
        width, several = config.width, len(vocabulary.words) + 5
        self.encoder = TriadEncoder(steps, width, config.layers, config.dropout)
        self.pool = AttentionPool(width, config.size, config.dropout)
        self.weights = FAMILY[config.loss]
        reads, writes = self.weights.contrastive > 0, self.weights.captioning > 0
        shape = (width, config.text_layers)
        self.reader = Reader(several, *shape, config.size, config.dropout) if reads else None
        pieces = len(vocabulary.pieces) + 5
        self.writer = Writer(pieces, *shape, config.dropout) if writes else None
        self.scale = nn.Parameter(torch.tensor(math.log(BEGIN_SCALE)))
        self.bias = nn.Parameter(torch.tensor(BEGIN_BIAS / _QUICK))

    def sensor(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return embeddings of length one, (n, size), of windows as `triads` makes them."""
        found, hidden = self.encoder(x, seen)
        return normalize(self._whole(found, hidden))

    def text(self, read: Read, without: Tensor | None = None) -> Tensor:
        """Return embeddings of length one, (n, size), of texts."""
        assert self.reader is not None
        # Texts of about one length together: half of a batch would be padding.
        order = (read.ids != PAD).sum(dim=1).argsort()
        parts = order.tensor_split(max(1, len(order) // _TOGETHER))
        found = [
            self.reader(read.rows(part), None if without is None else without[part])
            for part in parts
        ]
        return normalize(torch.cat(found)[order.argsort()])

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a step over all processes: both parts, weighted."""
        found, hidden = self.encoder(batch.x, batch.seen)
        # Zero times a sum keeps every weight in the graph, whatever the loss.
        total: Tensor = 0 * (self.scale + self.bias) + 0 * found.sum()
        if self.reader is not None:
            sensor = gathered(normalize(self._whole(found, hidden)))
            mine = self.text(batch.read, self._without(len(batch.x)))
            alike = gathered(batch.alike)
            others = None
            if batch.others is not None:
                others = gathered(self.text(batch.others))[gathered(batch.wrong)]
            total = total + self.weights.contrastive * contrastive(
                *(sensor, gathered(mine), self.scale.clamp(max=_MOST).exp(), _QUICK * self.bias),
                pairwise=self.weights.pairwise,
                same=alike[:, None] == alike,
                others=others,
            )
        if self.writer is not None:
            logits = self.writer(batch.spelled[:, :-1], found, hidden)
            said = captioning(logits, batch.spelled[:, 1:], PAD)
            total = total + self.weights.captioning * said
        return total

    @torch.inference_mode()
    def embed(self, x: Array, seen: NDArray[np.bool_], batch: int = 256) -> Array:
        """Return the embeddings of windows, float32 (n, size)."""
        self.eval()
        found = [self.sensor(*part) for part in self._parts(x, seen, batch)]
        return np.asarray(torch.cat(found).float().cpu().numpy(), dtype=np.float32)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str], batch: int = 256) -> Array:
        """Return the embeddings of texts, float32 (n, size)."""
        self.eval()
        parts = [texts[i : i + batch] for i in range(0, len(texts), batch)]
        found = [self.text(self.texts(part).to(self.bias.device)) for part in parts]
        return np.asarray(torch.cat(found).float().cpu().numpy(), dtype=np.float32)

    @torch.inference_mode()
    def write(self, x: Array, seen: NDArray[np.bool_], batch: int = 128) -> list[str]:
        """Return the caption that the writer gives each window, word by word the likeliest."""
        assert self.writer is not None
        self.eval()
        written = []
        for part in self._parts(x, seen, batch):
            written += self.writer.write(*self.encoder(*part))
        return [self.vocabulary.written(ids) for ids in written]

    @torch.inference_mode()
    def surprise(self, x: Array, seen: NDArray[np.bool_], texts: Sequence[str]) -> Array:
        """Return how little each window lets expect each text, in nats a token, (n, n_texts)."""
        assert self.writer is not None
        self.eval()
        rows = []
        for part in self._parts(x, seen, 128):
            found, hidden = self.encoder(*part)
            columns = []
            for text in texts:
                ids = torch.tensor(self.vocabulary.spell(text), device=found.device)
                said = self.writer(ids[None, :-1].expand(len(found), -1), found, hidden)
                chances = said.log_softmax(dim=2)[:, torch.arange(len(ids) - 1), ids[1:]]
                columns.append(-chances.mean(dim=1))
            rows.append(torch.stack(columns, dim=1))
        return np.asarray(torch.cat(rows).float().cpu().numpy(), dtype=np.float32)

    def _whole(self, found: Tensor, hidden: Tensor) -> Tensor:
        """Return one vector a window; without a reader nothing teaches the pool, so the mean."""
        if self.reader is None:
            there = (~hidden)[..., None].to(found.dtype)
            return (found * there).sum(dim=1) / there.sum(dim=1)
        pooled: Tensor = self.pool(found, hidden)
        return pooled

    def _without(self, n: int) -> Tensor | None:
        """Draw which texts are read without their sentences, and which without their words."""
        if not self.training or self.config.text != "both":
            return None
        drawn = torch.rand(n, device=self.bias.device)[:, None]
        return torch.cat([drawn < _ALONE, drawn > 1 - _ALONE], dim=1)

    def _parts(
        self, x: Array, seen: NDArray[np.bool_], batch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.bias.device
        for i in range(0, len(x), batch):
            span = slice(i, i + batch)
            yield torch.from_numpy(x[span]).to(device), torch.from_numpy(seen[span]).to(device)
