"""Where the sensor's tokens stand in a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLACE = "<|signal|>"
"""Stands in a prompt for the tokens of its signal; no tokenizer ever sees it."""

SENSOR_ID = -1
"""Stands in a row of token ids for one embedding that comes from the sensor: no token's id."""


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str, length: int = 0) -> list[int]:
    """Return the ids of a prompt, with the start token where the tokenizer adds one.

    Each `PLACE` becomes `length` times `SENSOR_ID`; what stands before and after it is tokenised
    apart.
    """
    first, *others = prompt.split(PLACE)
    ids = list(tokenizer(first, verbose=False)["input_ids"])
    for part in others:
        after = tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]
        ids += [SENSOR_ID] * length + list(after)
    return ids
