"""Teach a base model with LoRA: one recipe, one or many processes, resumable to the bit.

``python -m imuscribe.finetune.sft RECIPE key=value …`` trains in one process; under
``torchrun --nproc-per-node 2 -m imuscribe.finetune.sft …`` or ``accelerate launch`` the batches are
shared and the losses are those of one process with as many times the gradient accumulation.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.finetune.adapters import check_start, weights_hash
from imuscribe.finetune.base import (
    TORCH_NAMES,
    adapter_precision,
    hush_old_names,
    load_base,
    weights_folder,
)
from imuscribe.finetune.card import model_card
from imuscribe.finetune.lineage import KEY, Lineage, lineage
from imuscribe.finetune.preflight import Preflight, adapted, check_lengths, preflight
from imuscribe.finetune.rows import (
    Row,
    load_recordings,
    select,
    tokenised,
    training_people,
    training_rows,
)
from imuscribe.finetune.tokenise import pad_id
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import write_text
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from imuscribe.finetune.trainer import Trainer
    from imuscribe.recipes.schema import LoraConfig, Recipe

log = logging.getLogger(__name__)

SECTIONS = ("seed", "labels", "text", "prompt", "model", "lora", "train")
"""What, besides the recordings, decides the trained weights."""


def train(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: Path,
    resume: bool = True,
    rows: Sequence[Row] | None = None,
) -> Path:
    """Train an adapter and save it whole, with its card, in ``out/adapter``.

    Parameters
    ----------
    recipe : Recipe
        Its `train.start_from` names an adapter to go on training, instead of a fresh one.
    recordings : sequence of Recording
        Training recordings, cleaned.
    out : Path
        Receives ``adapter``, ``train-log.jsonl`` and, until the end, ``checkpoints``.
    resume : bool
        Go on from the last whole checkpoint, to the same weights as an uninterrupted run; a
        finished run is returned as it is. False starts over.
    rows : sequence of dict, optional
        What to learn, in that order, each once, instead of what `training_rows` makes of the
        recordings: ``id`` of a recording, ``prompt``, ``completion``, ``label``.

    Returns
    -------
    Path
        The adapter's folder.

    Raises
    ------
    InputError
        If a label has no recording, a row is too long, the adapter to start from does not suit the
        recipe, `out` holds a checkpoint of another recipe, or the loss stops being a number.
    """
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}: give another 'out'") from error
    start = check_start(recipe)
    identity = _identity(recipe, recordings, rows)
    if resume and _read(out / "adapter" / "training.json") == identity:
        log.info("%s: already trained", out)
        return out / "adapter"
    checkpoint = _checkpoint(out, identity) if resume else None

    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    from imuscribe.finetune.trainer import Collate, Monitor, Trainer, settings
    from imuscribe.prompts.ask.templates import PromptBuilder
    from imuscribe.prompts.ask.tokens import load_tokenizer
    from imuscribe.prompts.serialize import build_serializer

    _quiet()
    tokenizer = load_tokenizer(recipe.model.base)
    builder = PromptBuilder(tokenizer, recipe.label_set, recipe.prompt)
    used = select(recordings, recipe) if rows is None else _told_of(recordings, rows)
    if rows is None:
        rows = training_rows(recordings, recipe, builder, build_serializer(recipe.text))
    lengths = check_lengths(rows, recipe, tokenizer)

    set_seed(recipe.seed)
    args = settings(recipe, out / "checkpoints")
    with args.main_process_first(desc="converting the base model"):
        network, _ = load_base(recipe.model, start, trainable=True)
    if start is None:
        network = _with_adapter(network, recipe.lora)
    rows_per_step = recipe.train.batch_size * recipe.train.accumulate * args.world_size
    monitor = Monitor(out / "train-log.jsonl", lengths, rows_per_step, recipe.train.lr)
    trainer = Trainer(
        model=network,
        args=args,
        train_dataset=Dataset.from_list(tokenised(rows, tokenizer)),
        data_collator=Collate(pad_id(tokenizer)),
        processing_class=tokenizer,
        callbacks=[monitor],
    )
    trainer.remove_callback(PrinterCallback)
    _cast(network, adapter_precision(recipe))
    if trainer.is_world_process_zero():
        if checkpoint is None:
            shutil.rmtree(out / "checkpoints", ignore_errors=True)
        write_text(out / "checkpoints" / "training.json", json.dumps(identity, indent=2))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    if trainer.is_world_process_zero():
        example = rows[0]["prompt"] + rows[0]["completion"]
        card = model_card(
            recipe, used, trainer.state.global_step, sum(lengths), _final_loss(trainer), example
        )
        _save(network, recipe, out / "adapter", card, identity, lineage(recipe, used, start))
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return out / "adapter"


def plan(recipe: Recipe) -> tuple[list[Recording], Preflight]:
    """Return the recordings `train` is to learn from, and what that will take.

    Raises
    ------
    InputError
        For anything wrong with the recipe or the data; no weight has been loaded by then.
    """
    from imuscribe.prompts.ask.tokens import load_tokenizer

    check_start(recipe)
    recordings = training_people(load_recordings(recipe), recipe)
    tokenizer = load_tokenizer(recipe.model.base)
    return recordings, preflight(recipe, recordings, tokenizer, _processes())


def main(arguments: Sequence[str]) -> Path:
    """Train as ``RECIPE key=value …`` says, into ``<out>/<name>``."""
    from imuscribe.recipes.load import load_recipe

    if not arguments:
        raise InputError("no recipe given: python -m imuscribe.finetune.sft RECIPE [key=value …]")
    recipe = load_recipe(arguments[0], arguments[1:])
    recordings, figures = plan(recipe)
    if os.environ.get("RANK", "0") == "0":
        sys.stderr.write(f"{figures}\n")
    return train(recipe, recordings, Path(recipe.out) / recipe.name)


def _identity(
    recipe: Recipe, recordings: Sequence[Recording], rows: Sequence[Row] | None
) -> dict[str, str]:
    """Return fingerprints of all that decides the result, by name, to tell what differs."""
    from imuscribe.recipes.schema import fingerprint

    digest = hashlib.sha256()
    for rec in recordings:
        digest.update("\0".join((rec.id, rec.label, rec.subject, *rec.channels)).encode())
        digest.update(rec.t.tobytes() + rec.data.tobytes())
    identity = {section: fingerprint(recipe, [section]) for section in SECTIONS}
    identity["recordings"] = digest.hexdigest()
    identity["processes"] = str(_processes())
    if rows is not None:
        texts = json.dumps([[row["prompt"], row["completion"]] for row in rows])
        identity["rows"] = hashlib.sha256(texts.encode()).hexdigest()
    if recipe.train.start_from is not None:
        identity["start_from"] = weights_hash(recipe.train.start_from)
    return identity


def _told_of(recordings: Sequence[Recording], rows: Sequence[Row]) -> list[Recording]:
    """Return the recordings that rows are about."""
    ids = {row["id"] for row in rows}
    return [rec for rec in recordings if rec.id in ids]


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _checkpoint(out: Path, identity: dict[str, str]) -> Path | None:
    """Return the last checkpoint that was written to its end, if it is of this very training."""
    from imuscribe.finetune.trainer import COMPLETE

    whole = [
        folder
        for folder in (out / "checkpoints").glob("checkpoint-*")
        if (folder / COMPLETE).exists()
    ]
    if not whole:
        return None
    theirs = _read(out / "checkpoints" / "training.json")
    if theirs != identity:
        names = {*theirs, *identity}
        differ = sorted(name for name in names if theirs.get(name) != identity.get(name))
        raise InputError(
            f"'{out}' holds a checkpoint of another training (different: {', '.join(differ)}): "
            "give the recipe it began with, another 'out', or start over with --restart"
        )
    return max(whole, key=lambda folder: int(folder.name.rsplit("-", 1)[1]))


def _read(path: Path) -> dict[str, str]:
    """Return the identity in a ``training.json``, empty where there is none."""
    if not path.is_file():
        return {}
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    values.pop(KEY, None)
    return values


def _with_adapter(network: PreTrainedModel, lora: LoraConfig) -> PreTrainedModel:
    import peft

    adapted(network, lora)
    config = peft.LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets if lora.targets == "all-linear" else list(lora.targets),
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        task_type="CAUSAL_LM",
    )
    # Left in the base's precision here and cast below: TRL casts quantised models' adapters too.
    return peft.get_peft_model(network, config, autocast_adapter_dtype=False)


def _cast(network: PreTrainedModel, precision: str) -> None:
    import torch

    dtype = getattr(torch, TORCH_NAMES[precision])
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            # DoRA's magnitudes are large and change little: bf16 would freeze them.
            exact = "magnitude" in name
            weight.data = weight.data.to(torch.float32 if exact else dtype)


def _quiet() -> None:
    """Keep what the libraries tell each other, not the user, off the screen."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    hush_old_names()


def _final_loss(trainer: Trainer) -> float:
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tail = losses[-max(1, len(losses) // 10) :]
    return float(sum(tail) / len(tail))


def _save(
    network: PreTrainedModel,
    recipe: Recipe,
    final: Path,
    card: str,
    identity: dict[str, str],
    learnt_from: Lineage | None,
) -> None:
    from imuscribe.recipes.load import dump

    with weights_folder(final, "adapter_config.json") as folder:
        network.save_pretrained(folder, save_embedding_layers=False)
        path = folder / "adapter_config.json"
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        # peft writes a set, in an order that differs from run to run.
        config["target_modules"] = sorted(config["target_modules"])
        config["base_model_name_or_path"] = recipe.model.base
        path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")
        (folder / "recipe.yaml").write_text(dump(recipe), encoding="utf-8")
        training = identity if learnt_from is None else identity | {KEY: learnt_from}
        (folder / "training.json").write_text(json.dumps(training, indent=2), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.stderr.write(f"imuscribe: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("imuscribe: stopped; the last checkpoint is kept, run again to go on\n")
        sys.exit(130)
