"""Adapters that come with the installation, and what may be done with any adapter's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imuscribe.finetune.base import adapted, check_adapter, skeleton, weights_folder
from imuscribe.models.sensor.files import ABOUT_TOKENS, SHAPE, TOKENS
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import safe_name, sha256

DEFAULT = "air-letters"
"""The adapter that reads a letter when none is named: capitals written in the air."""

FOLDER = Path(__file__).parent / "adapters"
"""Holds one folder an adapter, as `finetune.sft.train` writes it."""


def names() -> list[str]:
    """Return the names of the packaged adapters."""
    return sorted(path.parent.name for path in FOLDER.glob("*/adapter_config.json"))


def adapter_path(name_or_path: str | Path | None = None) -> Path:
    """Return the folder of an adapter.

    Parameters
    ----------
    name_or_path : str or Path, optional
        A packaged adapter's name, which means the same wherever one stands, or a folder; a folder
        of such a name is ``./name``. `DEFAULT` when not given.

    Raises
    ------
    InputError
        If there is neither; it names the nearest packaged adapter.
    """
    known = names()
    if name_or_path is None:
        if DEFAULT not in known:
            raise InputError("no adapter comes with this installation: name one with --adapter")
        name_or_path = DEFAULT
    if str(name_or_path) in known:
        return FOLDER / name_or_path
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    hint = nearest(str(name_or_path), known) if known else "none is packaged here: give a folder"
    raise InputError(f"adapter '{name_or_path}': no such folder or packaged adapter: {hint}")


def weights_hash(name_or_path: str | Path) -> str:
    """Return the SHA-256 of an adapter's weights; InputError if it has none."""
    path = adapter_path(name_or_path) / "adapter_model.safetensors"
    if not path.is_file():
        raise InputError(f"adapter '{name_or_path}': no {path.name} there: train one first")
    sensor = path.with_name(TOKENS)
    return sha256(path) if not sensor.is_file() else f"{sha256(path)}+{sha256(sensor)}"


def pack(adapter: Path, name: str, shelf: Path | None = None) -> Path:
    """Put a trained adapter among those that come with the installation, in half the bytes.

    Return the new folder in `shelf`, else in `FOLDER`: the same files, the weights rounded to
    bf16. An adapter of that name is replaced.
    """
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    place = (shelf or FOLDER) / safe_name(name)
    with weights_folder(place, "adapter_config.json") as folder:
        for path in adapter.iterdir():
            if path.suffix != ".safetensors":
                shutil.copy(path, folder / path.name)
                continue
            small = {k: v.to(torch.bfloat16).contiguous() for k, v in load_file(path).items()}
            save_file(small, folder / path.name, metadata={"format": "pt"})
    return place


def check_start(recipe: Recipe) -> Path | None:
    """Return the folder of the adapter that training goes on from, None for a fresh one.

    It is an InputError if it is not there, belongs to another base model, or is not of the shape
    that the recipe's ``lora`` section says: the adapter's own would be trained, and the recipe
    would lie.
    """
    start = recipe.train.start_from
    if start is None:
        return None
    folder = adapter_path(start)
    check_adapter(folder, recipe.model.base)
    weights_hash(folder)
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    lora = recipe.lora
    ours, theirs = _layers(recipe, config.get("target_modules"))
    shape = {
        "r": (lora.r, config.get("r", 0)),
        "alpha": (lora.alpha, config.get("lora_alpha", 0)),
        "dropout": (lora.dropout, config.get("lora_dropout", 0)),
        "rslora": (lora.rslora, config.get("use_rslora", False)),
        "dora": (lora.dora, config.get("use_dora", False)),
        "targets": (ours, theirs),
    }
    differ = {key: pair for key, pair in shape.items() if pair[0] != pair[1]}
    _check_sensor(recipe, folder)
    if differ:
        here = ", ".join(f"lora.{key}={_said(mine)}" for key, (mine, _) in differ.items())
        there = " ".join(f"lora.{key}={_said(its)}" for key, (_, its) in differ.items())
        raise InputError(f"{here}, but adapter '{start}' has another shape: set {there}")
    return folder


def _check_sensor(recipe: Recipe, folder: Path) -> None:
    """Refuse sensor tokens of another shape than the recipe's; an adapter may have none yet."""
    path = folder / ABOUT_TOKENS
    if not path.is_file():
        return
    theirs: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["sensor"]
    theirs = {"levels": False} | theirs  # those of before are told none
    ours = {} if recipe.sensor is None else recipe.sensor.model_dump(mode="json")
    shape = (*SHAPE, "tokens", "hidden", "levels")
    differ = [key for key in shape if ours.get(key) != theirs.get(key)]
    if differ:
        here = "null" if not ours else ", ".join(f"sensor.{k}={ours.get(k)}" for k in differ)
        there = " ".join(f"sensor.{key}={_said(theirs.get(key))}" for key in differ)
        raise InputError(
            f"'sensor' is {here} but adapter '{recipe.train.start_from}' has sensor tokens of "
            f"another shape: set {there}"
        )


def _said(value: Any) -> str:
    """Write a value as an override has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _layers(recipe: Recipe, modules: Any) -> tuple[str, str]:
    """Return which layers the recipe and the adapter adapt, as an override says it.

    An adapter's configuration names layers by their ends or, where they are few, in full.
    """
    network = skeleton(recipe.model)
    everything = set(adapted(network, recipe.lora.model_copy(update={"targets": "all-linear"})))
    ends = tuple(f".{name}" for name in modules) if isinstance(modules, list) else ()
    theirs = {name for name in everything if f".{name}".endswith(ends)}

    def said(layers: set[str]) -> str:
        if layers == everything:
            return "all-linear"
        short = {name.rsplit(".", 1)[-1] for name in layers}
        whole = {name for name in everything if name.rsplit(".", 1)[-1] in short}
        return f"[{','.join(sorted(short if whole == layers else layers))}]"

    return said(set(adapted(network, recipe.lora))), said(theirs)


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 3:
        sys.exit("python -m imuscribe.finetune.adapters ADAPTER_FOLDER NAME")
    sys.stdout.write(f"{pack(Path(sys.argv[1]), sys.argv[2])}\n")
