"""Adapters that come with the installation, and what may be done with any adapter's folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.finetune.base import (
    MERGED,
    adapted,
    check_adapter,
    is_merged,
    load_base,
    merged_base,
    skeleton,
    title,
    torch_dtype,
    weights_folder,
)
from imuscribe.models.config import SensorConfig
from imuscribe.models.sensor.files import (
    ABOUT_TOKENS,
    TOKENS,
    TOKENS_SHAPE,
    about_tokens,
    has_tokens,
)
from imuscribe.models.weights import ADAPTER, adapter_settings, read_weights
from imuscribe.prompts.ask.sensor import SENSOR_ID
from imuscribe.recipes.load import dump, load_recipe
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import safe_name, sha256

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT = "air-letters"
"""The adapter that reads a letter when none is named: capitals written in the air."""

FOLDER = Path(__file__).parent / "adapters"
"""Holds one folder an adapter, as `finetune.sft.train` writes it."""


_KEPT = {name: name for name in (TOKENS, ABOUT_TOKENS, "training.json")} | {
    "README.md": "adapter.md"
}
"""What a merged model keeps of its adapter, and under which names."""

_CARD = """---
base_model: {base}
library_name: transformers
tags: [imu, motion-sensor, imuscribe]
---

# {name}, merged

`{base}` with an adapter merged into its weights, and what reads a signal's tokens beside it, if the
adapter had any. What it has learnt from, how, and its limits: `adapter.md`.

    imuscribe predict FILE --adapter this/folder
    imuscribe train RECIPE model.base=this/folder

Prompts of text alone can be asked with transformers: `AutoModelForCausalLM.from_pretrained`.
"""


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
    """Return the SHA-256 of an adapter's or a merged model's weights; InputError if it has none."""
    folder = adapter_path(name_or_path)
    name = "model*.safetensors" if is_merged(folder) else ADAPTER
    files = [*sorted(folder.glob(name)), *folder.glob(TOKENS)]
    if not files or files[0].name == TOKENS:
        raise InputError(f"adapter '{name_or_path}': no {name} there: train one first")
    return "+".join(map(sha256, files))


def pack(adapter: Path, name: str, shelf: Path | None = None) -> Path:
    """Put a trained adapter among those that come with the installation, in half the bytes.

    Return the new folder in `shelf`, else in `FOLDER`: the same files, the weights rounded to
    bf16. An adapter of that name is replaced.
    """
    import torch
    from safetensors.torch import save_file

    place = (shelf or FOLDER) / safe_name(name)
    with weights_folder(place, "adapter_config.json") as folder:
        for path in adapter.iterdir():
            if path.suffix != ".safetensors":
                shutil.copy(path, folder / path.name)
                continue
            weights = read_weights(path, f"adapter '{adapter}'")
            small = {k: v.to(torch.bfloat16).contiguous() for k, v in weights.items()}
            save_file(small, folder / path.name, metadata={"format": "pt"})
    return place


def export(adapter: str | Path, out: Path, precision: str = "fp32") -> float:
    """Merge an adapter into its base and save the whole model, for any program that reads models.

    Parameters
    ----------
    adapter : str or Path
        A packaged name, or a folder as `finetune.sft.train` writes it.
    out : Path
        Receives weights and tokenizer as transformers writes them, the sensor tokens, recipe, card
        and lineage of the adapter as they are, and `base.MERGED`. Read it like an adapter
        (`finetune.reading.Reader`), or train on from it as ``model.base``.
    precision : str
        ``fp32`` loses nothing; ``bf16`` takes half the room and rounds what the adapter adds.

    Returns
    -------
    float
        The largest difference of a next token's log-probability between the model as it is saved
        and base and adapter as they are, over a random prompt with a random signal.

    Raises
    ------
    InputError
        If there is no such adapter, it is merged already, or `out` cannot be written.
    """
    import gc

    folder = adapter_path(adapter)
    if is_merged(folder):
        raise InputError(f"adapter '{adapter}': is merged already: copy the folder")
    recipe_path = folder / "recipe.yaml"
    if not recipe_path.is_file():
        raise InputError(f"adapter '{adapter}': holds no recipe.yaml: give one that was trained")
    # Weights of 4 bits cannot take what an adapter adds: the base is loaded whole.
    recipe = load_recipe(str(recipe_path), ["model.load_in_4bit=false"])
    model = recipe.model.model_copy(update={"dtype": "fp32"})
    network, tokenizer = load_base(model, folder)
    before = _probed(network)
    about = {"base_model_name_or_path": title(model), "adapter": weights_hash(folder)}
    with weights_folder(out, MERGED) as place:
        merged = network.merge_and_unload(safe_merge=True)
        merged.to(torch_dtype(precision)).save_pretrained(place)
        tokenizer.save_pretrained(place)
        for name, kept in _KEPT.items():
            if (folder / name).is_file():
                shutil.copy(folder / name, place / kept)
        texts = {
            "README.md": _CARD.format(name=recipe.name, base=model.base),
            "recipe.yaml": dump(recipe),
            MERGED: json.dumps(about | {"precision": precision}, indent=2),
        }
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
        del network, merged
        gc.collect()
        saved = model.model_copy(update={"base": str(place), "random": False})
        after = _probed(load_base(saved)[0])
    return float((after - before).abs().max())


def _probed(network: Any) -> Tensor:
    """Return log-probabilities of what follows a random prompt, with a signal where one goes."""
    import torch

    from imuscribe.models.sensor.projector import sensor_of

    drawn = torch.Generator().manual_seed(0)
    ids = torch.randint(network.config.vocab_size, (1, 16), generator=drawn)
    given: dict[str, Tensor] = {}
    if (sensor := sensor_of(network)) is not None:
        places = torch.full((1, sensor.config.length), SENSOR_ID)
        ids = torch.cat([ids[:, :4], places, ids[:, 4:]], dim=1)
        shape = (1, sensor.config.channels, sensor.config.steps)
        given["signals"] = torch.randn(shape, generator=drawn).to(network.device)
    with torch.inference_mode():
        logits: Tensor = network(input_ids=ids.to(network.device), **given).logits[0, -1]
    return logits.float().log_softmax(-1).cpu()


def check_start(recipe: Recipe) -> Path | None:
    """Return the folder of the adapter that training goes on from, None for a fresh one.

    It is an InputError if it is not there, belongs to another base model, or is not of the shape
    that the recipe's ``lora`` section says: the adapter's own would be trained, and the recipe
    would lie.
    """
    start, base = recipe.train.start_from, merged_base(recipe.model)
    if base is not None and recipe.model.random:
        raise InputError(
            f"model.base '{base}': is merged with an adapter, which model.random would throw away: "
            "set model.random=false"
        )
    if start is None:
        if base is not None and has_tokens(base):
            check_tokens(recipe.sensor, base, f"model.base '{base}'")
        return None
    folder = adapter_path(start)
    if is_merged(folder):
        raise InputError(
            f"train.start_from '{start}': is merged with its base and no adapter to go on with: "
            f"set train.start_from=null model.base={folder}"
        )
    check_adapter(folder, title(recipe.model))
    weights_hash(folder)
    config = adapter_settings(folder)
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
    if has_tokens(folder):
        check_tokens(recipe.sensor, folder, f"adapter '{start}'")
    if differ:
        here = ", ".join(f"lora.{key}={_said(mine)}" for key, (mine, _) in differ.items())
        there = " ".join(f"lora.{key}={_said(its)}" for key, (_, its) in differ.items())
        raise InputError(f"{here}, but adapter '{start}' has another shape: set {there}")
    return folder


def check_tokens(config: SensorConfig | None, folder: Path, name: str) -> None:
    """Refuse a ``sensor`` section of another shape than the tokens in the folder that has a name.

    InputError names each setting that differs, and what it is there.
    """
    theirs = about_tokens(folder)[0].model_dump(mode="json")
    ours = {} if config is None else config.model_dump(mode="json")
    shape = [*TOKENS_SHAPE, "chronos"] if ours.get("encoder") == "chronos" else TOKENS_SHAPE
    differ = [key for key in shape if ours.get(key) != theirs.get(key)]
    if differ:
        here = "null" if not ours else ", ".join(f"sensor.{k}={_said(ours[k])}" for k in differ)
        there = " ".join(f"sensor.{key}={_said(theirs[key])}" for key in differ)
        raise InputError(
            f"'sensor' is {here} but {name} has sensor tokens of another shape: set {there}"
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
