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
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.finetune.adapters import check_start, weights_hash
from imuscribe.finetune.base import hush_old_names, merged_base, title, weights_folder
from imuscribe.finetune.lineage import KEY, lineage, model_card
from imuscribe.finetune.preflight import Preflight, check_lengths, preflight
from imuscribe.finetune.rows import (
    Row,
    load_recordings,
    prompt_builder,
    training_people,
    training_rows,
)
from imuscribe.models.sensor.files import encoder_hash
from imuscribe.models.weights import BASE, FAMILIAR, about_base
from imuscribe.prompts.ask.tokens import load_tokenizer
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.fingerprint import fingerprint
from imuscribe.recipes.load import dump, load_recipe, name_labels
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import held, parsed_json, write_text
from imuscribe.signals.motion.familiar import ranges
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

SECTIONS = ("seed", "labels", "text", "prompt", "sensor", "model", "lora", "train")
"""What, besides the recordings, decides the trained weights."""

Identity = dict[str, str]
"""Fingerprints of all that decides the trained weights, by name."""


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
        recipe, `out` holds a checkpoint of another recipe or another command trains there, or the
        loss stops being a number.
    """
    out = Path(out)
    with held(out) if _is_first() else nullcontext():
        return _train(recipe, recordings, out, resume, rows)


def _train(
    recipe: Recipe,
    recordings: Sequence[Recording],
    out: Path,
    resume: bool,
    rows: Sequence[Row] | None,
) -> Path:
    start = check_start(recipe)
    identity = _identity(recipe, recordings, rows)
    if resume and _read(out / "adapter" / "training.json") == identity:
        log.info("%s: already trained", out)
        if _is_first():  # may have been killed before it did so
            shutil.rmtree(out / "checkpoints", ignore_errors=True)
        return out / "adapter"
    checkpoint = _checkpoint(out, identity) if resume else None

    from transformers.utils import logging as transformers_logging

    from imuscribe.finetune.trainer import make_trainer

    # What the libraries tell each other is not for the user.
    transformers_logging.set_verbosity_error()
    hush_old_names()
    tokenizer = load_tokenizer(recipe.model.base)
    if rows is None:
        builder = prompt_builder(recipe, tokenizer)
        rows = training_rows(recordings, recipe, builder, build_serializer(recipe.text))
    lengths = check_lengths(rows, recipe, tokenizer)[: recipe.train.max_rows]
    trainer = make_trainer(recipe, rows, tokenizer, start, out, checkpoint is not None)
    first_process = trainer.is_world_process_zero()
    if first_process:
        if checkpoint is None:
            shutil.rmtree(out / "checkpoints", ignore_errors=True)
        write_text(out / "checkpoints" / "training.json", json.dumps(identity, indent=2))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

    if first_process:
        ids = {row["id"] for row in rows}
        used = [rec for rec in recordings if rec.id in ids]
        learnt_from = lineage(recipe, used, start)
        training = identity if learnt_from is None else identity | {KEY: learnt_from}
        figures = trainer.state.global_step, sum(lengths), trainer.final_loss()
        texts = {
            "README.md": model_card(recipe, used, *figures, rows[0]),
            "recipe.yaml": dump(recipe),
            "training.json": json.dumps(training, indent=2),
            FAMILIAR: json.dumps(ranges(used), indent=2),
        }
        _save(trainer.model, recipe, out / "adapter", texts)
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return out / "adapter"


def plan(recipe: Recipe) -> tuple[list[Recording], Preflight]:
    """Return the recordings `train` is to learn from, and what that will take.

    Anything wrong with the recipe or the data is an InputError; no weight has been loaded by then.
    """
    check_start(recipe)
    recordings = training_people(load_recordings(recipe), recipe)
    tokenizer = load_tokenizer(recipe.model.base)
    return recordings, preflight(recipe, recordings, tokenizer, _processes())


def main(arguments: Sequence[str]) -> Path:
    """Train as ``RECIPE key=value …`` says, into ``<out>/<name>``."""
    if not arguments:
        raise InputError("no recipe given: python -m imuscribe.finetune.sft RECIPE [key=value …]")
    recipe = name_labels(load_recipe(arguments[0], arguments[1:]))
    recordings, figures = plan(recipe)
    if _is_first():
        sys.stderr.write(f"{figures}\n")
    return train(recipe, recordings, recipe.folder)


def _is_first() -> bool:
    """Whether this is the process that writes."""
    return os.environ.get("RANK", "0") == "0"


def _identity(
    recipe: Recipe, recordings: Sequence[Recording], rows: Sequence[Row] | None
) -> Identity:
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
    if recipe.sensor is not None and recipe.sensor.pretrained is not None:
        identity["encoder"] = encoder_hash(Path(recipe.sensor.pretrained))
    if (base := merged_base(recipe.model)) is not None:
        identity["base"] = weights_hash(base)
    return identity


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _checkpoint(out: Path, identity: Identity) -> Path | None:
    """Return the last checkpoint that is as it was written, if it is of this very training."""
    from imuscribe.finetune.trainer import COMPLETE, damage

    whole = [marker.parent for marker in (out / "checkpoints").glob(f"checkpoint-*/{COMPLETE}")]
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
    whole.sort(key=lambda folder: int(folder.name.rsplit("-", 1)[1]), reverse=True)
    for i, folder in enumerate(whole):
        wrong = damage(folder)
        if not wrong:
            return folder
        before = f"going on from {whole[i + 1].name}" if whole[i + 1 :] else "starting over"
        log.warning("%s: %s is damaged: %s", folder, wrong, before)
    return None


def _read(path: Path) -> Identity:
    """Return the identity in a ``training.json``, empty where there is none or it is damaged."""
    try:
        values: dict[str, Any] = dict(parsed_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
    values.pop(KEY, None)
    return values


def _save(network: PreTrainedModel, recipe: Recipe, final: Path, texts: Mapping[str, str]) -> None:
    """Write an adapter's folder: weights, configuration, and texts by their file names."""
    from imuscribe.models.sensor.files import save_tokens
    from imuscribe.models.sensor.projector import sensor_of

    with weights_folder(final, "adapter_config.json") as folder:
        network.save_pretrained(folder, save_embedding_layers=False)
        if (tokens := sensor_of(network)) is not None:
            save_tokens(tokens, recipe.label_set, folder)
        path = folder / "adapter_config.json"
        config: dict[str, Any] = parsed_json(path.read_text(encoding="utf-8"))
        # peft writes a set, in an order that differs from run to run.
        config["target_modules"] = sorted(config["target_modules"])
        config["base_model_name_or_path"] = title(recipe.model)
        path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
        about = about_base(network.named_parameters(), recipe.model.base)
        for name, text in {BASE: about, **texts}.items():
            (folder / name).write_text(text, encoding="utf-8")


def launched(main: Callable[[list[str]], object], kept: str = "checkpoint") -> None:
    """Run what `accelerate launch` starts: mistakes are one line, a stop says what is kept."""
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.stderr.write(f"imuscribe: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write(f"imuscribe: stopped; the last {kept} is kept, run again to go on\n")
        sys.exit(130)


if __name__ == "__main__":
    launched(main)
