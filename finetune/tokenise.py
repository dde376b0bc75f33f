"""Prompts and completions as token ids, made in one way for training, scoring and generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """Return the ids of prompts, with the start token where the tokenizer adds one."""
    return _ids(tokenizer, prompts, True)


def completion_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of what follows a prompt: no start token, no end token.

    Tokenised apart from the prompt, because a generating model cannot join tokens across that
    boundary either.
    """
    return _ids(tokenizer, texts, False)


def pad_left(
    rows: Sequence[Sequence[int]], pad_id: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pad rows at the front, so that all of them end together.

    Returns
    -------
    (input_ids, attention_mask, position_ids) : int64, each (n_rows, longest)
        Positions count from the first real token, so padding changes no result.
    """
    import torch

    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), pad_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, longest - len(row) :] = 1
    return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return an id to pad with; which one does not matter, padding is masked by position."""
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if isinstance(candidate, int):
            return candidate
    return 0


def _ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], special: bool
) -> list[list[int]]:
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=special, verbose=False)
    return [list(row) for row in encoded["input_ids"]]
