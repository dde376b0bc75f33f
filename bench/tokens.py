"""How much faster a language model learns letters from sensor tokens than from text.

Two trainings of the packaged model in one process, with the same simulated letters in the same
batches, the same adapter and as many updates: one prompt holds the packaged reader's tokens of the
signal, encoder and projector trained along, the other the text of the reader before it. The two
take turns, and the medians of their updates are compared, in processor time on one core, so that
other work on the machine does not count.

python -m bench.tokens [n_updates]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from transformers.utils import logging as transformers_logging

from imuscribe.finetune.adapters import adapter_path
from imuscribe.finetune.base import hush_old_names
from imuscribe.finetune.rows import load_recordings, prompt_builder, tokenised, training_rows
from imuscribe.finetune.trainer import Trainer, make_trainer
from imuscribe.models.config import SensorConfig
from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.load import load_recipe
from imuscribe.recipes.schema import Recipe

TARGET = 3.0


def recipes() -> tuple[Recipe, Recipe]:
    """Return the recipes of the packaged readers, of tokens and of text, with the same training."""
    changes = ["data=simulated", "labels=A-Z", "simulate.people=2", "simulate.repetitions=2"]
    changes += ["simulate.labels=A-Z", "simulate.strokes=null", "simulate.cases=[3d]"]
    text = load_recipe(str(adapter_path("air-letters-text") / "recipe.yaml"), changes)
    text = text.model_copy(update={"train": text.train.model_copy(update=_SAME)})
    tokens = load_recipe(str(adapter_path("air-letters") / "recipe.yaml")).sensor or SensorConfig()
    # No warm-up: what is compared is the updates of the language model.
    sensor = tokens.model_copy(update={"warm_up": 0, "pretrained": None, "text": False})
    return text.model_copy(update={"sensor": sensor}), text


_SAME = {
    **{"batch_size": 16, "accumulate": 1, "epochs": 1, "max_rows": None, "max_per_label": None},
    **{"start_from": None, "augment": None, "gradient_checkpointing": False},
}


def updates(trainer: Trainer) -> Iterator[float]:
    """Take update after update, over the rows again and again, and yield the seconds each takes."""
    trainer.create_optimizer()
    assert trainer.optimizer is not None
    trainer.model.train()
    for batch in cycle(trainer.get_train_dataloader()):
        if len(batch["input_ids"]) < trainer.args.per_device_train_batch_size:
            continue  # what was left over at the end
        begin = time.process_time()
        trainer.optimizer.zero_grad()
        trainer.compute_loss(trainer.model, batch).backward()
        trainer.optimizer.step()
        yield time.process_time() - begin


def main(n: int) -> float:
    """Take `n` timed updates each way, print what they come to, return the ratio."""
    transformers_logging.set_verbosity_error()
    hush_old_names()
    torch.set_num_threads(1)
    names, length, steps = ("tokens", "text"), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, recipe in zip(names, recipes(), strict=True):
            tokenizer = load_tokenizer(recipe.model.base)
            builder = prompt_builder(recipe, tokenizer)
            found = load_recordings(recipe)
            rows = training_rows(found, recipe, builder, build_serializer(recipe.text))
            places = 0 if recipe.sensor is None else recipe.sensor.length
            length[name] = median(len(r["input_ids"]) for r in tokenised(rows, tokenizer, places))
            steps[name] = updates(make_trainer(recipe, rows, tokenizer, None, Path(folder) / name))
        for name in names:
            next(steps[name])  # the first update also allocates memory
        taken: dict[str, list[float]] = {name: [] for name in names}
        while len(taken["text"]) < n:
            for name in names:
                taken[name].append(next(steps[name]))
    each = {name: _SAME["batch_size"] / median(taken[name]) for name in names}
    for name in names:
        print(f"{name:7} {each[name]:8.1f} recordings/s, {length[name]:.0f} tokens a row")
    ratio = each["tokens"] / each["text"]
    print(f"ratio   {ratio:8.1f} of medians over {n} updates of 16 (at least {TARGET:g})")
    return ratio


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8) < TARGET)
