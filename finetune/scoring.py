"""How likely a language model finds each label or continuation: one pass, no sampling, no parsing.

Free generation answers in text that must be parsed, one token a pass. Here the model reads the
prompt once and the log-probability of every label is looked up where the answer would begin. Many
continuations are laid out as a tree behind the prompt: what two of them begin with is read once,
and every token sees the prompt and its own ancestors alone.

Imports torch: import this module only when reading begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from imuscribe.finetune.rows import completion_ids, pad_id, padded, prompt_ids
from imuscribe.models.sensor.projector import embedded, sensor_of
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Scores:
    """What the model thinks of every label for every prompt.

    Parameters
    ----------
    log_probs : ndarray of float32, shape (n_prompts, n_labels)
        Natural logarithms; each row's probabilities sum to one over the labels.
    off_label_mass : ndarray of float32, shape (n_prompts,)
        Probability the model gives to anything that is not a label, before that renormalisation.
    """

    log_probs: NDArray[np.float32]
    off_label_mass: NDArray[np.float32]


class LabelScorer:
    """Scores a fixed set of labels.

    Labels of one token each are read off a single next-token distribution. Otherwise the labels are
    a tree behind the prompt; that is exact also for labels that share their first tokens. Where one
    label begins another ("walk", "walking"), each is scored with the end token, else the short one
    would contain the long one.

    Parameters
    ----------
    model : PreTrainedModel
        Put into evaluation mode.
    tokenizer : PreTrainedTokenizerBase
    labels : sequence of str
        Completions exactly as `PromptBuilder.completion` gives them.

    Raises
    ------
    InputError
        If two labels are the same tokens, or a label has none.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.labels = tuple(labels)
        self._ids = _label_ids(tokenizer, self.labels)

    def score(
        self,
        prompts: Sequence[str],
        batch_size: int = 32,
        progress: bool = False,
        signals: Array | None = None,
    ) -> Scores:
        """Score every label after every prompt, `batch_size` sequences a forward pass.

        Where labels are of several tokens, each place of their tree counts as one more. Prompts of
        like length go together. The result does not depend on the batch size. `signals`
        (n_prompts, n_channels, n_steps) are what the sensor tokens of a model are made of.
        """
        rows = prompt_ids(self.tokenizer, prompts, places(self.model, signals))
        full = np.zeros((len(rows), len(self.labels)), dtype=np.float64)
        single = all(len(ids) == 1 for ids in self._ids)
        _check_room(self.model, rows, max(map(len, self._ids)), "labels")
        size = max(1, batch_size // len(_nodes(self._ids)))
        with torch.inference_mode():
            for batch in _batches(rows, size, progress, "scoring"):
                given = padded([rows[i] for i in batch], pad_id(self.tokenizer), self.model.device)
                if signals is not None:
                    given["signals"] = torch.from_numpy(signals[batch]).to(self.model.device)
                scored = self._first_token(given) if single else self._sequences(given)
                full[batch] = scored.double().cpu().numpy()
        total = np.logaddexp.reduce(full, axis=1, keepdims=True)
        off = np.clip(-np.expm1(total[:, 0]), 0.0, 1.0)
        return Scores((full - total).astype(np.float32), off.astype(np.float32))

    def _first_token(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return log-probabilities (n, n_labels) over the full vocabulary."""
        logits: torch.Tensor = self.model(**given, use_cache=False, logits_to_keep=1).logits[:, -1]
        return logits.float().log_softmax(-1)[:, [ids[0] for ids in self._ids]]

    def _sequences(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the summed log-probabilities (n, n_labels) of labels of several tokens."""
        n, nodes = len(given["input_ids"]), _nodes(self._ids)
        prefill = self.model(**given, use_cache=True, logits_to_keep=1)
        device, dtype = prefill.logits.device, prefill.logits.dtype
        known = [prefill.logits[:, -1:].float().log_softmax(-1)]
        if tree := list(nodes)[1:]:
            read = given["attention_mask"].bool()
            seen = _ancestors(tree, nodes).to(device)[None].expand(n, -1, -1)
            seen = torch.cat([read[:, None].expand(-1, len(tree), -1), seen], dim=2)
            logits = self.model(
                input_ids=torch.tensor([[path[-1] for path in tree]], device=device).repeat(n, 1),
                attention_mask=_blocking(seen, dtype)[:, None],
                position_ids=read.sum(dim=1, keepdim=True)
                + torch.tensor([len(path) - 1 for path in tree], device=device),
                past_key_values=prefill.past_key_values,
            ).logits
            known.append(logits.float().log_softmax(-1))
        found = torch.cat(known, dim=1)
        scores = found.new_zeros(n, len(self._ids))
        for column, row in enumerate(self._ids):
            for i, token in enumerate(row):
                scores[:, column] += found[:, nodes[tuple(row[:i])], token]
        return scores


class ContinuationScorer:
    """Scores continuations of a prompt; the last prompt stays in the key-value cache.

    The last token of a continuation is only looked up, so most words cost one token or none, where
    generating costs a pass for each. The model is in evaluation mode.
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

        One that begins a word has its leading space. It is an InputError if the prompt or a
        continuation has no token.
        """
        rows = completion_ids(self.tokenizer, list(continuations))
        if not all(rows):
            raise InputError(f"after '{prompt}': every continuation needs at least one token")
        self._read(prompt)
        nodes = _nodes(rows)
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
        n, device, dtype = self._length, self.model.device, self.model.dtype
        before = torch.ones(len(tree), n, dtype=torch.bool)
        blocked = _blocking(torch.cat([before, _ancestors(tree, nodes)], dim=1), dtype)
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


Nodes = dict[tuple[int, ...], int]


def _nodes(rows: Sequence[Sequence[int]]) -> Nodes:
    """Give the beginnings that something comes behind a number; 0 is the prompt itself."""
    nodes: Nodes = {(): 0}
    for row in rows:
        for end in range(1, len(row)):
            nodes.setdefault(tuple(row[:end]), len(nodes))
    return nodes


def _ancestors(tree: Sequence[tuple[int, ...]], nodes: Nodes) -> torch.Tensor:
    """Return which nodes behind the prompt each of them sees: itself and what it begins with."""
    seen = torch.zeros(len(tree), len(tree), dtype=torch.bool)
    for i, path in enumerate(tree):
        seen[i, [nodes[path[:end]] - 1 for end in range(1, len(path) + 1)]] = True
    return seen


def _blocking(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to attention so that only what is `seen` counts."""
    free = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return free.masked_fill_(~seen, torch.finfo(dtype).min)


def places(model: Any, signals: Array | None) -> int:
    """Return how many positions of a prompt a signal takes; none where no signal is given."""
    sensor = sensor_of(model)
    return 0 if signals is None or sensor is None else sensor.config.length


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    batch_size: int = 8,
    progress: bool = False,
    signals: Array | None = None,
) -> list[str]:
    """Let the model answer freely (greedy, without sampling), one answer a prompt, in their order.

    End token and padding are removed. `signals` as `LabelScorer.score` takes them.
    """
    rows = prompt_ids(tokenizer, prompts, places(model, signals))
    _check_room(model, rows, max_new_tokens, "evaluate.max_new_tokens")
    answers = [""] * len(rows)
    with torch.inference_mode():
        for batch in _batches(rows, batch_size, progress, "generating"):
            given = padded([rows[i] for i in batch], pad_id(tokenizer), model.device)
            before, begin = {"input_ids": given["input_ids"]}, given["input_ids"].shape[1]
            if signals is not None:
                seen = torch.from_numpy(signals[batch]).to(model.device)
                # What was given as embeddings is not repeated in the output.
                before, begin = {"inputs_embeds": embedded(model, given["input_ids"], seen)}, 0
            output = model.generate(
                **before,
                attention_mask=given["attention_mask"],
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=pad_id(tokenizer),
            )
            texts = tokenizer.batch_decode(output[:, begin:], skip_special_tokens=True)
            for i, text in zip(batch, texts, strict=True):
                answers[i] = text
    return answers


def _check_room(model: Any, rows: Sequence[Sequence[int]], more: int, what: str) -> None:
    """Refuse prompts that with what comes after them are longer than the model reads at once."""
    most = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    longest = max(map(len, rows), default=0)
    if most is not None and longest + more > most:
        raise InputError(
            f"prompt of {longest} tokens and {more} for {what}: the model reads {most} at once: "
            f"at most {max(0, most - more)} fit: show fewer examples, or fewer steps in 'text'"
        )


def _label_ids(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> list[list[int]]:
    """Return the tokens of every label, ended by the end token where one label begins another."""
    ids = completion_ids(tokenizer, labels)
    for i, label in enumerate(labels):
        if not ids[i]:
            raise InputError(f"label {label!r} has no token in this tokenizer: rename it")
        if ids[i] in ids[:i]:
            other = labels[ids.index(ids[i])]
            raise InputError(
                f"labels {other!r} and {label!r} are the same tokens for this tokenizer: rename one"
            )
    begins = any(a is not b and len(a) < len(b) and b[: len(a)] == a for a in ids for b in ids)
    if not begins:
        return ids
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"labels {', '.join(labels[:5])}: one begins another and this tokenizer has no end "
            "token to tell them apart: rename one"
        )
    return [[*label, tokenizer.eos_token_id] for label in ids]


def _batches(
    rows: Sequence[Sequence[int]], size: int, progress: bool, what: str
) -> Iterator[list[int]]:
    """Yield indices of rows of like length, longest first so that too big a batch fails at once."""
    from tqdm.auto import tqdm

    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    with tqdm(total=len(rows), desc=what, unit="prompt", disable=not progress) as bar:
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            yield batch
            bar.update(len(batch))
