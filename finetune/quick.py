"""The packaged base model with an adapter, ready in a third of the time.

To read one letter, importing transformers and peft takes longer than all the rest. What scoring
labels of one token needs of a Llama fits on a page; a test holds it against transformers'. Only for
the packaged base on a CPU: `finetune.base.load_base` loads everything.

Imports torch: import this module only when reading begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import Embedding
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from imuscribe.finetune.base import PACKAGED, converted, is_merged
from imuscribe.models.sensor.files import find_tokens, has_tokens
from imuscribe.models.sensor.projector import SensorTokens, embedded
from imuscribe.models.weights import (
    ADAPTER,
    adapter_settings,
    check_base,
    check_shapes,
    is_whole,
    lora_shapes,
    read_weights,
    shapes,
)
from imuscribe.recipes.schema import ModelConfig
from imuscribe.signals.files import cache_dir, parsed_json

_UNUSUAL = (
    *("use_dora", "rank_pattern", "alpha_pattern", "layers_to_transform", "exclude_modules"),
    *("modules_to_save", "fan_in_fan_out", "lora_bias", "trainable_token_indices"),
)
"""Settings of an adapter that are left to peft."""


def load_quick(
    model: ModelConfig, adapter: Path, labels: Sequence[str]
) -> tuple[QuickLlama, QuickTokenizer] | None:
    """Load the packaged base with an adapter merged into its weights, here or before, in fp32.

    Return what `LabelScorer` and `PromptBuilder` need of model and tokenizer, or None where only
    the real ones will do: for another base, random or 4-bit weights, DoRA, a GPU, a base that has
    not been converted yet, or labels (as `PromptBuilder.completion` gives them) of several tokens.
    """
    merged = is_merged(adapter)
    folder = adapter if merged else converted()
    words = cache_dir() / "tokenizers" / PACKAGED / "tokenizer.json"
    config = {} if merged else adapter_settings(adapter)
    if (
        model.base != PACKAGED
        or model.random
        or model.load_in_4bit
        or any(config.get(key) for key in _UNUSUAL)
        or isinstance(config.get("target_modules"), str)
        or torch.cuda.is_available()
        or not is_whole(folder / "model.safetensors")
    ):
        return None
    try:
        settings = parsed_json((folder / "config.json").read_text(encoding="utf-8"))
        tokenizer = QuickTokenizer(words)
    except Exception:  # some are a library's own: `load_base` makes a damaged file again
        return None
    if any(len(ids) != 1 for ids in tokenizer(labels, add_special_tokens=False)["input_ids"]):
        return None
    # bf16 would round what the adapter adds.
    weights = {k: w.float() for k, w in load_file(folder / "model.safetensors").items()}
    root = math.sqrt(config.get("r", 1)) if config.get("use_rslora") else config.get("r", 1)
    lora = {} if merged else _lora(adapter, config, weights)
    for name in [key for key in lora if key.endswith(".lora_A.weight")]:
        change = lora[name.replace("lora_A", "lora_B")].float() @ lora[name].float()
        target = name.removeprefix("base_model.model.").replace(".lora_A", "")
        weights[target] += config["lora_alpha"] / root * change
    network = QuickLlama(weights, settings)
    if has_tokens(adapter):
        network.sensor = find_tokens(adapter, network)
    return network, tokenizer


class QuickLlama:
    """A Llama that tells the logits of the last position.

    `weights` go by their names in the checkpoint, `config` is the content of ``config.json``.
    """

    def __init__(self, weights: dict[str, Tensor], config: dict[str, Any]) -> None:
        self._weights = weights
        self._layers: int = config["num_hidden_layers"]
        heads: int = config["num_attention_heads"]
        self._shared: int = heads // config["num_key_value_heads"]
        self._width = weights["model.layers.0.self_attn.q_proj.weight"].shape[0] // heads
        self._eps: float = config["rms_norm_eps"]
        self._theta: float = config["rope_parameters"]["rope_theta"]
        self.device: torch.device = weights["model.norm.weight"].device
        self.sensor: SensorTokens | None = None
        self._table = weights["model.embed_tokens.weight"]

    def eval(self) -> QuickLlama:
        """Return itself: it never trains."""
        return self

    def get_input_embeddings(self) -> Embedding:
        """Return the table of embeddings, as transformers has it."""
        rows, size = self._table.shape
        return Embedding(rows, size, _weight=self._table)

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        position_ids: Tensor,
        signals: Tensor | None = None,
        **_: Any,
    ) -> SimpleNamespace:
        """Return ``logits`` of the last position, shape (n, 1, n_tokens in the vocabulary)."""
        w = self._weights
        x = self._table[input_ids] if signals is None else embedded(self, input_ids, signals)
        turn = self._rotation(position_ids)
        length = input_ids.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool).tril() & attention_mask[:, None].bool()
        # A padded position sees itself, so that its softmax is a number; nobody looks at it.
        seen = (seen | torch.eye(length, dtype=torch.bool))[:, None]
        for i in range(self._layers):
            layer = f"model.layers.{i}."
            h = self._norm(x, f"{layer}input_layernorm")
            x = x + self._attention(h, f"{layer}self_attn.", turn, seen)
            h = self._norm(x, f"{layer}post_attention_layernorm")
            gate = silu(linear(h, w[f"{layer}mlp.gate_proj.weight"]))
            up = linear(h, w[f"{layer}mlp.up_proj.weight"])
            x = x + linear(gate * up, w[f"{layer}mlp.down_proj.weight"])
        last = self._norm(x[:, -1:], "model.norm").contiguous()
        head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
        return SimpleNamespace(logits=linear(last, head))

    def _attention(self, h: Tensor, name: str, turn: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        n, length, _ = h.shape

        def heads(part: str) -> Tensor:
            projected = linear(h, self._weights[f"{name}{part}_proj.weight"])
            return projected.view(n, length, -1, self._width).transpose(1, 2)

        q, k, v = map(heads, "qkv")
        q, k = _rotate(q, turn), _rotate(k, turn)
        k, v = (kv.repeat_interleave(self._shared, dim=1) for kv in (k, v))
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        joined = mixed.transpose(1, 2).reshape(n, length, -1)
        return linear(joined, self._weights[f"{name}o_proj.weight"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        scaled = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self._eps)
        return self._weights[f"{name}.weight"] * scaled

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of every position's angles, each (n, 1, length, head_dim)."""
        frequency = self._theta ** -(torch.arange(0, self._width, 2) / self._width)
        angle = (positions[:, None, :, None] * frequency).repeat(1, 1, 1, 2)
        return angle.cos(), angle.sin()


class QuickTokenizer:
    """The packaged tokenizer, as far as prompts and label scores need it."""

    chat_template = None
    pad_token_id = eos_token_id = None

    def __init__(self, path: Path) -> None:
        self.name_or_path = PACKAGED
        self._tokenizer = Tokenizer.from_file(str(path))

    def __call__(
        self, text: str | Sequence[str], add_special_tokens: bool = True, verbose: bool = True
    ) -> dict[str, Any]:
        """Return ``input_ids`` of one text or of several."""
        encode = self._tokenizer.encode
        if isinstance(text, str):
            return {"input_ids": encode(text, add_special_tokens=add_special_tokens).ids}
        return {"input_ids": [encode(t, add_special_tokens=add_special_tokens).ids for t in text]}


def _lora(adapter: Path, config: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what an adapter adds to the weights of its base: all of it, to that very base."""
    what = f"adapter '{adapter}'"
    check_base(adapter, weights.items())
    lora = read_weights(adapter / ADAPTER, what)
    layers = {k.removesuffix(".weight"): size for k, size in shapes(weights).items() if size[1:]}
    check_shapes(shapes(lora), lora_shapes(layers, config["target_modules"], config["r"]), what)
    return lora


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * turn[0] + torch.cat([-second, first], dim=-1) * turn[1]
