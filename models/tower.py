"""LanHAR's text encoder: a small trained part on the sentences that a frozen encoder has read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, normalize

_HIDDEN, _HEADS, _WORDS = 64, 2, 24
"""Width and heads of the decoder, and the most words of a sentence that it tells."""


class TextTower(nn.Module):
    """Texts, each a handful of sentence vectors, as one vector of length one.

    Which sentences count is learnt, and what is added to their mean: untrained it is that mean.

    Parameters
    ----------
    width : int
        Numbers of a sentence vector, and of what comes out.
    hidden : int
        Hidden width of what is added.
    """

    def __init__(self, width: int, hidden: int = 128) -> None:
        super().__init__()
        self.width = width
        self.counts = nn.Linear(width, 1)
        last = nn.Linear(hidden, width)
        self.inner = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)
        for layer in (self.counts, last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, sentences: Tensor, there: Tensor) -> Tensor:
        """Return (n, width) of sentences (n, most, width), of which some are `there` (n, most)."""
        weight = self.counts(sentences)[..., 0].masked_fill(~there, -torch.inf).softmax(dim=1)
        pooled = (weight[..., None] * sentences).sum(dim=1)
        found: Tensor = normalize(pooled + self.inner(pooled), dim=1)
        return found


class Rebuilder(nn.Module):
    """Tells the words of a sentence from the vector of its text and its place: L_re of LanHAR.

    One Transformer layer that sees the vector, the place, and the words before.

    Parameters
    ----------
    width : int
        Numbers of a text's vector.
    words : int
        Words that there are; word 0 stands for none.
    most : int
        Sentences of a text.
    """

    def __init__(self, width: int, words: int, most: int) -> None:
        super().__init__()
        self.given = nn.Linear(width, _HIDDEN)
        self.sentence = nn.Embedding(most, _HIDDEN)
        self.word = nn.Embedding(words, _HIDDEN, padding_idx=0)
        self.place = nn.Parameter(torch.randn(_WORDS, _HIDDEN) * 0.02)
        self.layer = nn.TransformerEncoderLayer(
            _HIDDEN, _HEADS, 2 * _HIDDEN, 0.0, gelu, batch_first=True, norm_first=True
        )
        self.said = nn.Linear(_HIDDEN, words)

    def forward(self, texts: Tensor, places: Tensor, words: Tensor) -> Tensor:
        """Return the mean cross-entropy of words (n, most), 0 behind a sentence's end."""
        words = words[:, :_WORDS]
        begin = self.given(texts) + self.sentence(places)
        before = torch.cat([begin[:, None], self.word(words[:, :-1])], dim=1)
        length = words.shape[1]
        ahead = torch.ones(length, length, dtype=torch.bool).triu(1)
        heard = self.layer(before + self.place[:length], src_mask=ahead)
        return cross_entropy(self.said(heard).flatten(0, 1), words.flatten(), ignore_index=0)
