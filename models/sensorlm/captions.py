"""What reads captions, and what writes them: words from nothing, numbers by their value.

A sentence encoder knows what words mean that no caption holds, but hardly tells 3.1 from 3.7; the
reader here takes its clauses, the captions' own words, or both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from imuscribe.models.sensorlm.triads import MAGNITUDES, AttentionPool, magnitudes
from imuscribe.models.text import MiniLM

PAD, UNKNOWN, NUMBER, BEGIN, END = range(5)
SPECIAL = ("<pad>", "<unknown>", "<number>", "<begin>", "<end>")
LONGEST, WRITTEN = 224, 256
"""Tokens of a caption that are read, and that are written."""
CLAUSES, VECTOR = 24, 384
"""Clauses of a text that a sentence encoder reads, and numbers of its vector."""
_HEADS = 4
_TOKEN = re.compile(r"(?P<number>[-+−]?\d+(?:\.\d+)?)|[^\W\d]+|[^\w\s]")
_PIECE = re.compile(r" ?(?:\d|[^\W\d]+|[^\w\s])|\s")
_CLAUSE = re.compile(r"[.,;:!?]+(?:\s+|$)|\n+")


class Vocabulary:
    """Tokens of captions: one a word or sign, and for writing one a digit too.

    Parameters
    ----------
    words, pieces : sequence of str
        What is read, in small letters, and what is written, with the blank before it.
    """

    def __init__(self, words: Sequence[str], pieces: Sequence[str]) -> None:
        self.words, self.pieces = list(words), list(pieces)
        self._word = {word: i for i, word in enumerate([*SPECIAL, *words])}
        self._piece = {piece: i for i, piece in enumerate([*SPECIAL, *pieces])}

    @classmethod
    def of(cls, texts: Iterable[str], least: int = 2) -> Vocabulary:
        """Return the vocabulary of captions; what occurs less often is unknown."""
        words: Counter[str] = Counter()
        pieces: Counter[str] = Counter()
        for text in texts:
            words.update(m[0].lower() for m in _TOKEN.finditer(text) if not m["number"])
            pieces.update(_PIECE.findall(text))
        digits = {f"{blank}{digit}": least for blank in ("", " ") for digit in range(10)}
        pieces.update(digits)
        kept = [sorted(k for k, n in found.items() if n >= least) for found in (words, pieces)]
        return cls(*kept)

    def read(self, text: str) -> tuple[list[int], list[float]]:
        """Return a text's tokens, and the value of each that is a number, else zero."""
        ids, values = [], []
        for found in list(_TOKEN.finditer(text))[:LONGEST]:
            number = found["number"]
            ids.append(NUMBER if number else self._word.get(found[0].lower(), UNKNOWN))
            values.append(float(number.replace("−", "-")) if number else 0.0)
        return ids, values

    def spell(self, text: str) -> list[int]:
        """Return the tokens that write a text, from its beginning to its end."""
        ids = [self._piece.get(piece, UNKNOWN) for piece in _PIECE.findall(text)]
        return [BEGIN, *ids, END][:WRITTEN]

    def written(self, ids: Sequence[int]) -> str:
        """Return the text that tokens write, up to the end."""
        names = [*SPECIAL, *self.pieces]
        cut = list(ids)[: list(ids).index(END)] if END in ids else list(ids)
        return "".join(names[i] for i in cut if i > END).strip()


@dataclass
class Read:
    """Texts as tensors: tokens and values (n, length), clauses (n, several, `VECTOR`)."""

    ids: Tensor
    values: Tensor
    vectors: Tensor

    def to(self, device: torch.device) -> Read:
        """Return them on a device."""
        return Read(self.ids.to(device), self.values.to(device), self.vectors.to(device))

    def rows(self, chosen: Tensor) -> Read:
        """Return some of the texts, without the columns in which none of them has anything."""
        ids, vectors = self.ids[chosen], self.vectors[chosen]
        length = int((ids != PAD).sum(dim=1).max())
        several = int((vectors != 0).any(dim=2).sum(dim=1).max())
        return Read(ids[:, :length], self.values[chosen, :length], vectors[:, :several])


@dataclass(eq=False)
class Texts:
    """Prepares texts for a `Reader`; what a sentence encoder says of a clause is asked once.

    `kind` is ``both``, ``minilm`` or ``words``, as in `AlignConfig.text`.
    """

    vocabulary: Vocabulary
    kind: str = "both"
    _known: dict[str, np.ndarray] = field(default_factory=dict)
    _encoder: MiniLM | None = None

    def __call__(self, texts: Sequence[str]) -> Read:
        """Return texts as tensors."""
        tokens = [self.vocabulary.read(text) for text in texts]
        if self.kind == "minilm":
            tokens = [([], []) for _ in texts]
        longest = max(len(ids) for ids, _ in tokens)
        ids = torch.zeros(len(texts), longest, dtype=torch.long)
        values = torch.zeros(len(texts), longest)
        for i, (some, numbers) in enumerate(tokens):
            ids[i, : len(some)] = torch.tensor(some)
            values[i, : len(some)] = torch.tensor(numbers)
        return Read(ids, values, self._vectors(texts))

    def strange(self, text: str) -> bool:
        """Whether half of a text's words or more are known neither from captions nor as English.

        A sentence encoder of English takes others apart into pieces.
        """
        words = [m[0] for m in _TOKEN.finditer(text.lower()) if m[0].isalpha()]
        unknown = [word for word in words if self.vocabulary.read(word)[0] == [UNKNOWN]]
        if self.kind != "words" and unknown:
            unknown = [word for word in unknown if not self._minilm().knows(word)]
        return 2 * len(unknown) >= max(1, len(words))

    def _minilm(self) -> MiniLM:
        if self._encoder is None:
            self._encoder = MiniLM()
        return self._encoder

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        """Return the clauses of texts; rows of zeros where there are no more."""
        if self.kind == "words":
            return torch.zeros(len(texts), 0, VECTOR)
        cut = [clauses(text)[:CLAUSES] for text in texts]
        if new := list(dict.fromkeys(s for some in cut for s in some if s not in self._known)):
            found = self._minilm()(new).astype(np.float32)
            self._known.update(zip(new, found, strict=True))
        out = torch.zeros(len(texts), max(map(len, cut)), VECTOR)
        for i, some in enumerate(cut):
            for j, clause in enumerate(some):
                out[i, j] = torch.from_numpy(self._known[clause])
        return out


def clauses(text: str) -> list[str]:
    """Return the clauses of a text, with ``#`` for its numbers: captions share most of theirs."""
    bare = re.sub(r"[-+−]?\d+(?:\.\d+)?", "#", text.strip())
    return [part for part in map(str.strip, _CLAUSE.split(bare)) if part] or [bare]


class Reader(nn.Module):
    """Text tower: a small transformer over clauses, words and numbers, pooled by attention."""

    def __init__(self, words: int, width: int, layers: int, size: int, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=0.02)
        self.numbers = nn.Sequential(
            nn.Linear(MAGNITUDES, width), nn.GELU(), nn.Linear(width, width)
        )
        self.clauses = nn.Linear(VECTOR, width)
        self.places = nn.Parameter(torch.randn(CLAUSES + LONGEST, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, _HEADS, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.pool = AttentionPool(width, size, dropout)

    def forward(self, text: Read, without: Tensor | None = None) -> Tensor:
        """Return embeddings (n, size) of texts.

        While training, `without` (n, 2) hides a text's clauses, or its words, so that each can be
        understood alone.
        """
        several, length = text.vectors.shape[1], text.ids.shape[1]
        words = self.words(text.ids)
        number = (text.ids == NUMBER)[..., None]
        words = words + torch.where(number, self.numbers(magnitudes(text.values)), 0.0)
        words = words + self.places[CLAUSES : CLAUSES + length]
        told = self.clauses(text.vectors) + self.places[:several]
        away = [(text.vectors == 0).all(dim=2), text.ids == PAD]
        if without is not None:
            # A text of one kind alone keeps it.
            both = ~away[0].all(dim=1) & ~away[1].all(dim=1)
            away = [gone | (without[:, i] & both)[:, None] for i, gone in enumerate(away)]
        hidden = torch.cat(away, dim=1)
        x = self.layers(torch.cat([told, words], dim=1), src_key_padding_mask=hidden)
        pooled: Tensor = self.pool(x, hidden)
        return pooled


class Writer(nn.Module):
    """Caption decoder: a small causal transformer that looks at the sensor's positions."""

    def __init__(self, pieces: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.pieces = nn.Embedding(pieces, width, padding_idx=PAD)
        nn.init.normal_(self.pieces.weight, std=0.02)
        self.places = nn.Parameter(torch.randn(WRITTEN, width) * 0.02)
        layer = nn.TransformerDecoderLayer(
            width, _HEADS, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(width))

    def forward(self, ids: Tensor, seen: Tensor, hidden: Tensor) -> Tensor:
        """Return logits (n, length, pieces) of what follows each token of ids (n, length)."""
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        x = self.layers(
            self.pieces(ids) + self.places[:length],
            seen,
            tgt_mask=causal,
            tgt_is_causal=True,
            memory_key_padding_mask=hidden,
        )
        logits: Tensor = x @ self.pieces.weight.T
        return logits

    @torch.inference_mode()
    def write(self, seen: Tensor, hidden: Tensor) -> list[list[int]]:
        """Return the likeliest next token after the other, until the end."""
        ids = torch.full((len(seen), 1), BEGIN, device=seen.device)
        done = torch.zeros(len(seen), dtype=torch.bool, device=seen.device)
        while ids.shape[1] < WRITTEN and not bool(done.all()):
            logits = self(ids, seen, hidden)[:, -1]
            logits[:, [PAD, UNKNOWN, NUMBER, BEGIN]] = -torch.inf
            following = torch.where(done, PAD, logits.argmax(dim=1))
            done |= following == END
            ids = torch.cat([ids, following[:, None]], dim=1)
        return [row[1:].tolist() for row in ids]
