"""How likely a language model finds many continuations of one text: one pass over all of them.

The continuations are laid out as a tree behind the text: what two of them begin with is read once,
and every token sees the text and its own ancestors alone. The last token of a continuation is only
looked up, so most words cost one token or none, where generating costs a pass for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.finetune.tokenise import completion_ids, prompt_ids
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class ContinuationScorer:
    """Scores continuations of a prompt; the last prompt stays in the key-value cache.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._prompt: str | None = None
        self._cache: Any = None
        self._length = 0
        self._next: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def log_probs(self, prompt: str, continuations: Sequence[str]) -> NDArray[np.float64]:
        """Return the natural-log probability of each continuation, shape (n,).

        Parameters
        ----------
        prompt : str
            At least one token.
        continuations : sequence of str
            Each with its leading space, if it begins a word.

        Raises
        ------
        InputError
            If the prompt or a continuation has no token.
        """
        rows = completion_ids(self.tokenizer, list(continuations))
        if not all(rows):
            raise InputError(f"after '{prompt}': every continuation needs at least one token")
        self._read(prompt)
        # Node 0 is the prompt; every other is a token that something comes behind.
        nodes: dict[tuple[int, ...], int] = {(): 0}
        for row in rows:
            for end in range(1, len(row)):
                nodes.setdefault(tuple(row[:end]), len(nodes))
        tree = list(nodes)[1:]
        known = [self._next] if not tree else [self._next, *self._behind(tree, nodes)]
        return np.array(
            [
                sum(float(known[nodes[tuple(row[:i])]][token]) for i, token in enumerate(row))
                for row in rows
            ]
        )

    def _read(self, prompt: str) -> None:
        """Bring the prompt into the cache, unless it is there."""
        import torch

        if prompt == self._prompt:
            return
        (ids,) = prompt_ids(self.tokenizer, [prompt])
        if not ids:
            raise InputError(f"prompt '{prompt}': needs at least one token")
        with torch.inference_mode():
            given = torch.tensor([ids], device=self.model.device)
            output = self.model(input_ids=given, use_cache=True, logits_to_keep=1)
        self._prompt, self._length, self._cache = prompt, len(ids), output.past_key_values
        self._next = output.logits[0, -1].float().log_softmax(-1).cpu().numpy()

    def _behind(
        self, tree: Sequence[tuple[int, ...]], nodes: dict[tuple[int, ...], int]
    ) -> NDArray[np.float32]:
        """Return the log-probabilities of what follows each node, (n_nodes, n_tokens)."""
        import torch

        n, device, dtype = self._length, self.model.device, self.model.dtype
        seen = torch.zeros(len(tree), n + len(tree), dtype=torch.bool)
        seen[:, :n] = True
        for i, path in enumerate(tree):
            seen[i, [n - 1 + nodes[path[:end]] for end in range(1, len(path) + 1)]] = True
        blocked = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
        with torch.inference_mode():
            logits = self.model(
                input_ids=torch.tensor([[path[-1] for path in tree]], device=device),
                attention_mask=blocked[None, None].to(device),
                position_ids=torch.tensor([[n - 1 + len(path) for path in tree]], device=device),
                past_key_values=self._cache,
            ).logits[0]
        self._cache.crop(-len(tree))  # a negative number is removed
        found: NDArray[np.float32] = logits.float().log_softmax(-1).cpu().numpy()
        return found
