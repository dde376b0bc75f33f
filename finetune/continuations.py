"""How likely a language model finds many continuations of one text: one pass over all of them.

The continuations are laid out as a tree behind the text: what two of them begin with is read once,
and every token sees the text and its own ancestors alone. The last token of a continuation is only
looked up, so most words cost one token or none, where generating costs a pass for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finetune.tokenise import completion_ids, prompt_ids
from signals.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def continuation_log_probs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    continuations: Sequence[str],
) -> NDArray[np.float64]:
    """Return the natural-log probability of each continuation of a prompt, shape (n,).

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    prompt : str
        At least one token.
    continuations : sequence of str
        Each with its leading space, if it begins a word.

    Raises
    ------
    InputError
        If the prompt or a continuation has no token.
    """
    import torch

    (before,) = prompt_ids(tokenizer, [prompt])
    rows = completion_ids(tokenizer, list(continuations))
    if not before or not all(rows):
        raise InputError(f"'{prompt}': it and every continuation need at least one token")
    # Node 0 is the prompt's last token; every other is a token that something comes behind.
    nodes: dict[tuple[int, ...], int] = {(): 0}
    for row in rows:
        for end in range(1, len(row)):
            nodes.setdefault(tuple(row[:end]), len(nodes))
    tree = list(nodes)[1:]
    n, size = len(before), len(before) + len(tree)
    seen = torch.zeros(size, size, dtype=torch.bool)
    seen[:n, :n] = torch.ones(n, n, dtype=torch.bool).tril()
    seen[n:, :n] = True
    for path in tree:
        at = n - 1 + nodes[path]
        seen[at, [n - 1 + nodes[path[:end]] for end in range(1, len(path) + 1)]] = True
    blocked = torch.zeros(size, size, dtype=model.dtype)
    blocked.masked_fill_(~seen, torch.finfo(model.dtype).min)
    with torch.inference_mode():
        logits = model(
            input_ids=torch.tensor([[*before, *(path[-1] for path in tree)]], device=model.device),
            attention_mask=blocked[None, None].to(model.device),
            position_ids=torch.tensor(
                [[*range(n), *(n - 1 + len(path) for path in tree)]], device=model.device
            ),
            use_cache=False,
            logits_to_keep=len(nodes),
        ).logits[0]
        log_probs = logits.float().log_softmax(-1).cpu().numpy()
    return np.array(
        [
            sum(float(log_probs[nodes[tuple(row[:i])], token]) for i, token in enumerate(row))
            for row in rows
        ]
    )
