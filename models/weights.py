"""Weights on disk, read in one way: whole, finite, of the names and shapes that are needed.

Importing this loads no torch; what reads weights does.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import parsed_json

if TYPE_CHECKING:
    from torch import Tensor

ADAPTER, BASE, FAMILIAR = "adapter_model.safetensors", "base.json", "familiar.json"
"""Files of an adapter's folder: its weights, what tells its base from others of that name, and how
the recordings moved that it learnt from (`signals.motion.familiar`)."""

Shape = tuple[int, ...]

_SAMPLED = 257
"""Values of a tensor that its print looks at."""
_VOCABULARY = re.compile(r"embed|wte|wpe|lm_head")
"""Names of matrices that stay as they are where linear layers are held in 4 bits."""
_HEAD = 8
"""Bytes that say how long the header of a safetensors file is."""


def read_weights(path: Path, what: str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    `what` opens every error, such as ``"adapter 'mine'"``. It is an InputError if the file is
    missing, empty, cut or damaged, or holds a value that is no number.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"{what}: has no {path.name}: copy it again, or train it again")
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        reason = "it is empty" if not path.stat().st_size else str(error).partition("\n")[0]
        raise InputError(
            f"{what}: {path.name} is damaged ({reason[:100]}): copy it again, or train it again"
        ) from None
    if odd := next((name for name, value in weights.items() if not _finite(value)), None):
        raise InputError(
            f"{what}: '{_end(odd)}' in {path.name} holds values that are no numbers: the training "
            "went wrong there: train again with a smaller learning rate"
        )
    return weights


def check_shapes(there: Mapping[str, Shape], needed: Mapping[str, Shape], what: str) -> None:
    """Refuse tensors that lack a name, have one too many, or are of another shape."""
    missing, foreign = sorted(needed.keys() - there.keys()), sorted(there.keys() - needed.keys())
    if missing:
        raise InputError(
            f"{what}: {len(missing)} of {len(needed)} tensors are missing, such as "
            f"'{_end(missing[0])}': half an adapter answers anything: copy it again, or train again"
        )
    if foreign:
        raise InputError(
            f"{what}: {len(foreign)} tensors belong to no layer of this model, such as "
            f"'{_end(foreign[0])}': another library or base wrote it: give its own base, or train "
            "again"
        )
    for name, shape in needed.items():
        if there[name] != shape:
            raise InputError(
                f"{what}: '{_end(name)}' is {_by(there[name])} but this model needs {_by(shape)}: "
                "it belongs to another base or recipe"
            )


def lora_shapes(layers: Mapping[str, Shape], targets: Iterable[str], rank: int) -> dict[str, Shape]:
    """Return the shapes a LoRA adapter's tensors must have.

    `layers` are a model's linear layers, (outputs, inputs) by name; `targets` are ends of names.
    """
    ends = tuple(f".{name}" for name in targets)
    needed: dict[str, Shape] = {}
    for name, (outputs, inputs) in layers.items():
        if f".{name}".endswith(ends):
            needed[f"base_model.model.{name}.lora_A.weight"] = (rank, inputs)
            needed[f"base_model.model.{name}.lora_B.weight"] = (outputs, rank)
    return needed


def shapes(weights: Mapping[str, Tensor]) -> dict[str, Shape]:
    """Return the shape of every tensor."""
    return {name: tuple(value.shape) for name, value in weights.items()}


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its own header says; nothing else is read."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = int.from_bytes(file.read(_HEAD), "little")
            if not 0 < head <= size - _HEAD:
                return False
            about: dict[str, Any] = parsed_json(file.read(head))
        ends = [entry["data_offsets"][1] for name, entry in about.items() if name[:2] != "__"]
        return size == _HEAD + head + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def adapter_settings(adapter: Path) -> dict[str, Any]:
    """Return what an adapter's ``adapter_config.json`` says; InputError where there is none."""
    path = adapter / "adapter_config.json"
    if not path.is_file():
        raise InputError(f"adapter '{adapter}': no adapter_config.json there: train one first")
    values = read_object(path, f"adapter '{adapter}'")
    modules, rank = values.get("target_modules"), values.get("r")
    if not isinstance(rank, int) or not isinstance(modules, str | list):
        raise InputError(
            f"adapter '{adapter}': adapter_config.json says no 'r' or 'target_modules': it is no "
            "LoRA adapter, or damaged: copy it again, or train it again"
        )
    return values


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object in a file; InputError if it holds anything else."""
    try:
        values = parsed_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{what}: {path.name} is damaged: copy it again, or train it again")
    return values


def check_base(adapter: Path, named: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse a base whose weights are not those the adapter was trained on, whatever its name.

    Adapters of earlier versions do not say.
    """
    if not (adapter / BASE).is_file():
        return
    theirs, here = read_object(adapter / BASE, f"adapter '{adapter}'"), base_print(named)
    if any(theirs.get(kind, here[kind]) != here[kind] for kind in here):
        raise InputError(
            f"adapter '{adapter}': was trained on a '{theirs.get('base')}' with other weights than "
            "this one: name the base it was trained on (--base, or model.base), or train it again"
        )


def about_base(named: Iterable[tuple[str, Tensor]], base: str) -> str:
    """Return the content of an adapter's file `BASE`."""
    return json.dumps({"base": base, **base_print(named)}, indent=2)


def base_print(named: Iterable[tuple[str, Tensor]]) -> dict[str, str]:
    """Return what tells one base model from another of the same name and shape.

    Samples of every tensor, rounded to bf16, so that it is the same in whatever precision the model
    is loaded; linear layers are apart, as 4-bit weights are not looked at. Layers of an adapter on
    top are left out. InputError if a sample is no number.
    """
    import torch

    digests = {"layers": hashlib.sha256(), "rest": hashlib.sha256()}
    seen = set()
    for raw, value in sorted((_base_name(name), value) for name, value in named):
        if any(part in raw for part in (".lora_", "sensor.")) or not value.is_floating_point():
            continue
        flat = value.detach().reshape(-1)
        sample = flat[:: max(1, math.ceil(flat.numel() / _SAMPLED))].to(torch.bfloat16).cpu()
        if not torch.isfinite(sample).all():
            raise InputError(f"the base model's '{raw}' holds values that are no numbers")
        kind = "layers" if value.ndim == 2 and not _VOCABULARY.search(raw) else "rest"
        seen.add(kind)
        digests[kind].update(f"{raw} {tuple(value.shape)}".encode())
        digests[kind].update(sample.view(torch.int16).numpy().tobytes())
    return {kind: digests[kind].hexdigest()[:16] for kind in sorted(seen)}


def _base_name(name: str) -> str:
    """Return what a tensor is called in the base without an adapter."""
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


def _finite(value: Tensor) -> bool:
    import torch

    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _end(name: str) -> str:
    """Return a tensor's name without what all have in common."""
    return _base_name(name)


def _by(shape: Shape) -> str:
    return " × ".join(map(str, shape)) or "one number"
