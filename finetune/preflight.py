"""What a training run will do and need, told before any weight is loaded."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from imuscribe.finetune.base import (
    adapted,
    adapter_precision,
    context,
    precision,
    skeleton,
    torch_dtype,
)
from imuscribe.finetune.rows import Row, prompt_builder, tokenised, training_rows
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.schema import LoraConfig, Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

GIB = 2**30
_TRIALS = 5
_START = 10.0
"""Seconds until weights are loaded and training begins."""
PROCESS = 1.2 * GIB
"""Bytes that Python, torch and the other libraries take whatever the model."""


@dataclass(frozen=True)
class Preflight:
    """The figures of a run that has not begun; `str` of it is a readable page."""

    recipe: Recipe
    people: list[str]
    lengths: dict[str, list[int]]
    """Tokens of every row of each label in one epoch, completion and end token included."""
    rows: int
    steps: int
    tokens: int
    parameters: int
    trainable: int
    sensor: tuple[int, int]
    """Parameters of sensor encoder and projector, and how many of them learn."""
    memory: dict[str, float]
    """Estimated bytes of one process at its peak, by what takes them; right within a third."""
    seconds: float
    """Estimated time of training here; right within a factor of two on an idle machine."""
    example: str

    def __str__(self) -> str:
        train = self.recipe.train
        parts = ", ".join(f"{part} {n / GIB:.2f}" for part, n in self.memory.items())
        start = f"from {train.start_from}" if train.start_from else "fresh"
        start += ", frozen" * self.recipe.lora.frozen
        sensor = self.recipe.sensor
        lines = [
            f"recipe      {self.recipe.name}, seed {self.recipe.seed}",
            f"data        {self.recipe.data}: {self.rows} recordings of {len(self.people)} people "
            f"({', '.join(self.people)})",
            "",
            "label         rows   tokens min / median / max",
            *(
                f"{label:12} {len(found):5}   {min(found)} / {median(found):g} / {max(found)}"
                for label, found in self.lengths.items()
            ),
            "",
            f"longest     {max(map(max, self.lengths.values()))} of {train.max_length} "
            "tokens allowed; no row is dropped or cut",
            f"steps       {self.steps} updates ({train.epochs} epochs, {train.batch_size} rows × "
            f"{train.accumulate} accumulated), {self.tokens:,} tokens",
            f"model       {self.recipe.model.base}: {self.parameters:,} parameters, "
            f"{self.trainable:,} trainable ({100 * self.trainable / self.parameters:.2f} %)",
            f"adapter     {start}: r {self.recipe.lora.r}, alpha {self.recipe.lora.alpha:g}",
            *(
                [
                    f"sensor      {sensor.encoder}: {self.sensor[0]:,} parameters, "
                    f"{self.sensor[1]:,} trainable; {sensor.length} tokens a signal"
                ]
                if sensor is not None
                else []
            ),
            f"memory      about {sum(self.memory.values()) / GIB:.1f} GiB: {parts}",
            f"time        about {spoken(self.seconds)} here; a stopped one goes on where it was",
            "",
            "first row",
            *(f"    {line}" for line in self.example.splitlines()),
        ]
        return "\n".join(lines)


def preflight(
    recipe: Recipe,
    train_recordings: Sequence[Recording],
    tokenizer: PreTrainedTokenizerBase,
    processes: int = 1,
) -> Preflight:
    """Write the rows of one epoch and work out what training on them takes, in so many processes.

    It is an InputError if a label has no recording, a row is too long, an adapter target does not
    exist, or the base model cannot be found.
    """
    builder = prompt_builder(recipe, tokenizer)
    rows = training_rows(train_recordings, recipe, builder, build_serializer(recipe.text), epochs=1)
    lengths = check_lengths(rows, recipe, tokenizer)
    network = skeleton(recipe.model)
    lora = recipe.lora
    trainable = (not lora.frozen) * sum(  # with DoRA, a magnitude for each output more
        lora.r * (layer.in_features + layer.out_features) + lora.dora * layer.out_features
        for layer in adapted(network, lora).values()
    )
    sensor = _sensor(recipe, network)
    by_label: dict[str, list[int]] = {label: [] for label in recipe.label_set}
    for row, length in zip(rows, lengths, strict=True):
        by_label[row["label"]].append(length)
    seen = (lengths * recipe.train.epochs)[: recipe.train.max_rows]
    return Preflight(
        recipe=recipe,
        people=sorted({row["subject"] for row in rows}),
        lengths=by_label,
        rows=len(rows),
        tokens=sum(seen),
        steps=n_steps(len(seen), recipe, processes),
        parameters=sum(p.numel() for p in network.parameters()),
        trainable=trainable,
        sensor=sensor,
        memory=_memory(recipe, network, trainable, max(lengths), sensor),
        seconds=seconds(recipe, sum(seen), network) / processes,
        example=rows[0]["prompt"] + rows[0]["completion"],
    )


def check_lengths(
    rows: Sequence[Row], recipe: Recipe, tokenizer: PreTrainedTokenizerBase
) -> list[int]:
    """Return the tokens of every row, completion and end token included.

    Rows longer than `train.max_length`, or than what the model reads at once, are an InputError
    that says of which labels, how many, and what would fit. (A trainer left to itself drops them
    without a word, whole classes of them.)
    """
    length = 0 if recipe.sensor is None else recipe.sensor.length
    lengths = [len(row["input_ids"]) for row in tokenised(rows, tokenizer, length)]
    allowed, most = recipe.train.max_length, context(recipe.model)
    if most is not None and max(lengths, default=0) > most:
        over = sum(n > most for n in lengths)
        raise InputError(
            f"model.base '{Path(recipe.model.base).name}' reads {most} tokens at once but {over} "
            f"of {len(rows)} rows are longer, the longest {max(lengths)}: set "
            f"train.max_length={most} and fewer steps in 'text' or fewer sensor.tokens"
        )
    long = Counter(row["label"] for row, n in zip(rows, lengths, strict=True) if n > allowed)
    if long:
        per_label = ", ".join(f"{label} {count}" for label, count in long.items())
        raise InputError(
            f"train.max_length is {allowed} but {long.total()} of {len(rows)} rows are "
            f"longer ({per_label}): set train.max_length={max(lengths)} or fewer steps in 'text'"
        )
    return lengths


def n_steps(rows: int, recipe: Recipe, processes: int = 1) -> int:
    """Return how many updates `rows` rows make; the last may be smaller."""
    return math.ceil(rows / (recipe.train.batch_size * recipe.train.accumulate * processes))


def _sensor(recipe: Recipe, network: PreTrainedModel) -> tuple[int, int]:
    """Return the parameters of encoder and projector, and how many learn; no weight is made."""
    if recipe.sensor is None:
        return 0, 0
    import torch

    from imuscribe.models.sensor.projector import SensorTokens

    with torch.device("meta"):
        table = network.get_input_embeddings().weight
        tokens = SensorTokens(recipe.sensor, len(recipe.label_set), table)
    sizes = [(weight.numel(), weight.requires_grad) for weight in tokens.parameters()]
    return sum(n for n, _ in sizes), sum(n for n, learns in sizes if learns)


def seconds(recipe: Recipe, tokens: int, network: PreTrainedModel | None = None) -> float:
    """Estimate how long training on so many tokens takes on this machine.

    A layer's product is measured for a moment. A token costs about four floating-point operations
    a weight: two forward and, the weights being frozen, two back; half as much again for the rest.
    """
    import torch

    network = skeleton(recipe.model) if network is None else network
    config: PretrainedConfig = network.config.get_text_config()
    width = config.hidden_size
    inner = getattr(config, "intermediate_size", 4 * width)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch_dtype(precision(recipe.model))
    x = torch.ones(min(recipe.train.batch_size * 32, 1024), width, dtype=dtype, device=device)
    weight = torch.ones(width, inner, dtype=dtype, device=device)
    x @ weight  # the first one also sets up
    times = []
    for _ in range(_TRIALS):
        begin = time.perf_counter()
        float((x @ weight)[0, 0])  # waits for a GPU
        times.append(time.perf_counter() - begin)
    rate = 2 * x.shape[0] * width * inner / max(median(times), 1e-9)
    vocabulary = config.vocab_size * width
    layers = sum(p.numel() for p in network.parameters()) - vocabulary
    return float(_START + 1.5 * 4 * layers * tokens / rate)


def spoken(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def _memory(
    recipe: Recipe,
    network: PreTrainedModel,
    trainable: int,
    longest: int,
    sensor: tuple[int, int],
) -> dict[str, float]:
    config: PretrainedConfig = network.config.get_text_config()
    width = 2 if precision(recipe.model) == "bf16" else 4
    weights = float(width * sum(p.numel() for p in network.parameters()))
    if recipe.model.load_in_4bit:
        linear = sum(layer.weight.numel() for layer in adapted(network, LoraConfig()).values())
        # Half a byte a weight, and 0.127 bits of doubly quantised scale (Dettmers et al. 2023).
        weights -= linear * (width - (4 + 0.127) / 8)
    # Weight, gradient and the optimiser's two moments.
    adapter = 4.0 * trainable * (2 if adapter_precision(recipe) == "bf16" else 4)
    tokens = recipe.train.batch_size * longest
    hidden, inner = config.hidden_size, getattr(config, "intermediate_size", 4 * config.hidden_size)
    # Tensors a Llama layer keeps for the backward pass: two norms in fp32, the attention's
    # projections and output, the gated MLP's four.
    layer = 16 * hidden + width * (8 * hidden + 4 * inner)
    layers = config.num_hidden_layers
    if recipe.train.gradient_checkpointing:
        activations = tokens * (layers * width * hidden + layer)
    else:
        activations = tokens * layers * layer
    kept = 3 if recipe.train.loss == "label" else recipe.prompt.max_tokens
    # Logits, their softmax and its gradient in fp32.
    logits = recipe.train.batch_size * min(kept, longest) * config.vocab_size * 12
    # Encoder and projector are always fp32.
    reading = {"sensor tokens": 4.0 * (sensor[0] + 3 * sensor[1])} if sensor[0] else {}
    return {
        "weights": weights,
        "adapter and optimiser": adapter,
        **reading,
        "activations": float(activations + logits),
        "process": PROCESS,
    }
