"""TRL's trainer with a model to train, the loss where the answer is, and checkpoints to trust.

Imports torch, transformers and TRL: import this module only when training begins.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from datasets import Dataset
from safetensors import SafetensorError
from tqdm.auto import tqdm
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    set_seed,
)
from trl import SFTConfig, SFTTrainer

from imuscribe.finetune.base import (
    adapted,
    adapter_precision,
    load_base,
    precision,
    tokens_folder,
    torch_dtype,
)
from imuscribe.finetune.rows import Row, pad_id, padded, tokenised
from imuscribe.models.sensor.classifier import SMOOTHING, WEIGHT_DECAY
from imuscribe.models.sensor.files import (
    about_tokens,
    find_tokens,
    fresh_tokens,
    restore_tokens,
    save_tokens,
)
from imuscribe.models.sensor.projector import attach, sensor_of
from imuscribe.recipes.schema import LoraConfig, Recipe
from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json, sha256, write_text
from imuscribe.signals.recording import Array

COMPLETE = "complete"
"""Marker in a checkpoint folder: everything in it was written, and the hash of every file."""

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def make_trainer(
    recipe: Recipe,
    rows: Sequence[Row],
    tokenizer: PreTrainedTokenizerBase,
    start: Path | None,
    out: Path,
    resumes: bool = False,
) -> Trainer:
    """Load the base with the adapter to start from, or a fresh one, and make all ready to train.

    The trainer writes ``checkpoints`` and ``train-log.jsonl`` in `out`. One that `resumes` gets its
    weights from a checkpoint.
    """
    set_seed(recipe.seed)
    args = settings(recipe, out / "checkpoints")
    with args.main_process_first(desc="converting the base model"):
        network, _ = load_base(recipe.model, start, trainable=True)
    if start is None:
        network = _with_adapter(network, recipe.lora)
    tokens = sensor_of(network)
    if recipe.sensor is not None:
        place = tokens_folder(recipe.model, start)
        if tokens is None:
            if place is None:
                tokens = fresh_tokens(recipe.sensor, recipe.label_set, network)
            else:
                tokens = find_tokens(place, network)
            attach(network, tokens)
        if place is not None and about_tokens(place)[1] != list(recipe.label_set):
            tokens.new_head(len(recipe.label_set))  # the old one told other labels apart
        tokens.config = recipe.sensor  # how it trains is this recipe's
        tokens.encoder.requires_grad_(recipe.sensor.learns)
    data = tokenised(
        rows[: recipe.train.max_rows], tokenizer, 0 if tokens is None else tokens.config.length
    )
    signals = None
    if tokens is not None:
        signals = np.stack([row["signal"] for row in rows])
        places = {label: i for i, label in enumerate(recipe.label_set)}
        targets = [places.get(row["label"], -100) for row in rows]
        for i, row in enumerate(data):
            row |= {"row": i, "target": targets[i]}
        if tokens.config.warm_up and not resumes:
            once = [i for i, row in enumerate(rows) if row["epoch"] == 0 and targets[i] >= 0]
            wanted = np.array(targets)[once]
            if once:
                tokens.learn(
                    signals[once], wanted, tokens.config.warm_up, recipe.seed, progress=True
                )
    if recipe.train.class_weights:
        counts = Counter(row["label"] for row in rows[: len(data)])
        for row, given in zip(data, rows, strict=False):
            row["weight"] = len(data) / (len(counts) * counts[given["label"]])
    lengths = [len(row["input_ids"]) for row in data]
    rows_per_step = recipe.train.batch_size * recipe.train.accumulate * args.world_size
    trainer = Trainer(
        model=network,
        args=args,
        train_dataset=Dataset.from_list(data),
        data_collator=partial(collate, pad_id=pad_id(tokenizer), signals=signals),
        processing_class=tokenizer,
        callbacks=[Monitor(out / "train-log.jsonl", lengths, rows_per_step, recipe.train.lr)],
    )
    trainer.recipe = recipe
    trainer.remove_callback(PrinterCallback)
    dtype = torch_dtype(adapter_precision(recipe))
    for name, weight in network.named_parameters():
        if weight.requires_grad and not name.startswith("sensor."):
            weight.requires_grad_(not recipe.lora.frozen)
            # DoRA's magnitudes are large and change little: bf16 would freeze them.
            weight.data = weight.data.to(torch.float32 if "magnitude" in name else dtype)
    return trainer


def settings(recipe: Recipe, folder: Path) -> SFTConfig:
    """Return what TRL is told: one pass over rows already in order, nothing dropped or cut."""
    train = recipe.train
    gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        max_length=None,
        per_device_train_batch_size=train.batch_size,
        gradient_accumulation_steps=train.accumulate,
        learning_rate=train.lr,
        lr_scheduler_type=_SCHEDULES[train.schedule],
        warmup_steps=train.warmup,
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        activation_checkpointing=train.gradient_checkpointing,
        seed=recipe.seed,
        use_cpu=not gpu,
        bf16=gpu and precision(recipe.model) == "bf16",
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=gpu,
        save_steps=train.checkpoint_every,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
    )


def damage(folder: Path) -> str:
    """Return the first file of a checkpoint that is not as it was written; empty if all are.

    Checkpoints of earlier versions do not say, and are trusted.
    """
    try:
        text = (folder / COMPLETE).read_text(encoding="utf-8")
        hashes = dict(parsed_json(text)) if text else {}
    except (OSError, ValueError, TypeError):
        return COMPLETE
    for name, known in hashes.items():
        if not (folder / name).is_file() or sha256(folder / name) != known:
            return str(name)
    return ""


def collate(
    rows: Sequence[Row], pad_id: int, signals: Array | None = None
) -> dict[str, torch.Tensor]:
    """Return rows as one batch: ids, mask, positions and labels, each (n_rows, longest).

    Padding stands at the front, so that completions end together, and is never learnt. With
    sensor tokens also the rows' signals, and their labels as the head numbers them.
    """
    labels = padded([row["labels"] for row in rows], -100)["input_ids"]
    batch = {**padded([row["input_ids"] for row in rows], pad_id), "labels": labels}
    if signals is not None:
        batch["signals"] = torch.from_numpy(signals[[row["row"] for row in rows]])
        batch["targets"] = torch.tensor([row["target"] for row in rows])
    if "weight" in rows[0]:
        batch["weights"] = torch.tensor([row["weight"] for row in rows])
    return batch


class Trainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer that computes logits for the completion only, and knows sensor tokens."""

    recipe: Recipe | None = None

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        """Return the cross-entropy of the completions, per completion token of the whole update.

        The output head is a fifth of SmolLM2's work and prompts have no loss, so only the columns
        from the first completion token on go through it. With sensor tokens the loss of the head
        on their features comes on top, weighted, per row.
        """
        labels = inputs["labels"]
        seen = {"signals": inputs["signals"]} if "signals" in inputs else {}
        first = int((labels != -100).any(0).int().argmax())
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            position_ids=inputs["position_ids"],
            logits_to_keep=labels.shape[1] - first + 1,
            use_cache=False,
            **seen,
        )
        loss = torch.nn.functional.cross_entropy(
            outputs.logits[:, :-1].float().flatten(0, 1),
            labels[:, first:].flatten(),
            ignore_index=-100,
            reduction="none",
        )
        weights = inputs.get("weights")
        if weights is not None:
            loss = loss.view(len(labels), -1) * weights[:, None]
        loss = loss.sum()
        if num_items_in_batch is None:
            loss = loss / (labels != -100).sum()
        else:
            # The count is over all processes, whose gradients are then averaged.
            loss = loss * self.accelerator.num_processes / num_items_in_batch
        if seen:
            loss = loss + self._auxiliary(inputs["targets"], weights)
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, *given: Any, **options: Any) -> Any:
        """Give encoder and projector a learning rate of their own, where there are any."""
        if sensor_of(self.model) is None:
            return super().create_optimizer(*given, **options)
        assert self.recipe is not None and self.recipe.sensor is not None
        named = [(n, w) for n, w in self.model.named_parameters() if w.requires_grad]
        sensor = [w for n, w in named if n.startswith("sensor.")]
        adapter = [w for n, w in named if not n.startswith("sensor.")]
        # Beside a frozen encoder there is only the projector, which decays as the recipe says.
        decay = WEIGHT_DECAY if self.recipe.sensor.learns else self.args.weight_decay
        self.optimizer = torch.optim.AdamW(
            [
                {"params": adapter, "weight_decay": self.args.weight_decay},
                {"params": sensor, "lr": self.recipe.sensor.lr, "weight_decay": decay},
            ],
            lr=self.args.learning_rate,
        )
        return self.optimizer

    def _auxiliary(self, targets: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the weighted loss of the sensor's linear head, per row of the whole update."""
        tokens = sensor_of(self.accelerator.unwrap_model(self.model))
        assert tokens is not None
        loss: torch.Tensor = torch.nn.functional.cross_entropy(
            tokens.said, targets, label_smoothing=SMOOTHING, ignore_index=-100, reduction="none"
        )
        if weights is not None:
            loss = loss * weights
        weight: float = tokens.config.auxiliary / self.args.gradient_accumulation_steps
        return (weight / len(targets)) * loss.sum()

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing: the card is written once, beside the finished adapter."""

    def _send_telemetry(self) -> None:
        pass

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        # A full disk reaches us as any of these, by who was writing: Python, torch or safetensors.
        except (OSError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"cannot write {folder}: {error}: make room and run again to go on from the "
                "checkpoint before"
            ) from error
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            tokens = sensor_of(self.accelerator.unwrap_model(model))
            if tokens is not None and self.recipe is not None:
                save_tokens(tokens, self.recipe.label_set, folder)
            (folder / COMPLETE).unlink(missing_ok=True)
            written = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
            hashes = {path.name: sha256(path) for path in written}
            write_text(folder / COMPLETE, json.dumps(hashes, indent=1))

    def _load_from_checkpoint(self, folder: str, model: torch.nn.Module | None = None) -> None:
        # Not peft's load_adapter, which turns a bf16 adapter into fp32.
        weights = peft.load_peft_weights(folder, device="cpu")
        peft.set_peft_model_state_dict(model or self.model, weights)
        if (tokens := sensor_of(model or self.model)) is not None:
            restore_tokens(tokens, Path(folder))

    def final_loss(self) -> float:
        """Return the mean loss of the last tenth of the updates."""
        losses = [entry["loss"] for entry in self.state.log_history if "loss" in entry]
        tail = losses[-max(1, len(losses) // 10) :]
        return float(sum(tail) / len(tail))


class Monitor(TrainerCallback):  # type: ignore[misc]
    """Shows progress, logs every update as a JSON line, and stops at a loss that is no number.

    A line holds ``step``, ``loss``, ``lr`` and ``tokens_per_second``. After a resume the lines past
    the checkpoint are dropped, so the log reads as one uninterrupted run.
    """

    def __init__(self, path: Path, lengths: Sequence[int], rows_per_step: int, lr: float) -> None:
        self._path = path
        self._seen = [0, *accumulate(lengths)]
        self._rows_per_step = rows_per_step
        self._lr = lr

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the bar and bring the log back to where training starts."""
        if state.is_world_process_zero:
            lines: list[str] = []
            if state.global_step and self._path.exists():
                lines = self._path.read_text(encoding="utf-8").splitlines()
            kept = []
            for line in lines:
                with suppress(ValueError, LookupError, TypeError):  # one that was cut
                    if parsed_json(line)["step"] <= state.global_step:
                        kept.append(f"{line}\n")
            write_text(self._path, "".join(kept))
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc="training",
            unit="step",
            disable=not state.is_world_process_zero,
        )
        self._start, self._first = time.perf_counter(), self._tokens(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Write one line."""
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise InputError(
                f"train.lr is {self._lr:g}: the loss became {logs['loss']} at step "
                f"{state.global_step}: try train.lr={self._lr / 10:g}, or model.dtype=fp32"
            )
        seconds = time.perf_counter() - self._start
        read = self._tokens(state.global_step) - self._first
        line = {
            "step": state.global_step,
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "tokens_per_second": round(read / seconds, 1),
        }
        if state.is_world_process_zero:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self._bar.set_postfix(loss=f"{logs['loss']:.3f}")
        self._bar.update(state.global_step - self._bar.n)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the bar."""
        self._bar.close()

    def _tokens(self, step: int) -> int:
        return self._seen[min(step * self._rows_per_step, len(self._seen) - 1)]


def _with_adapter(network: PreTrainedModel, lora: LoraConfig) -> PreTrainedModel:
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
    # Left in the base's precision here and cast later: TRL casts quantised models' adapters too.
    return peft.get_peft_model(network, config, autocast_adapter_dtype=False)
