"""Chronos as an encoder (Ansari et al. 2024, arXiv 2403.07815): a T5 that reads values as words.

A value becomes the number of the bin it falls into, and the bins are the vocabulary of a T5 whose
encoder has seen time series of all kinds. SensorLLM (arXiv 2410.10624) reads each channel of a
sensor with it, unchanged.

Importing this loads torch; making an encoder loads transformers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from imuscribe.models.config import BORROWED, MARK, ChronosConfig
from imuscribe.signals.errors import InputError

if TYPE_CHECKING:
    from transformers import T5Config

PATIENCE = 5.0
"""Seconds that the hub has to answer."""


@dataclass(frozen=True)
class Quantiser:
    """Values of a series to ids of bins, and back.

    Both ways of Chronos' descendants put values, made comparable first, into bins of equal width.

    Parameters
    ----------
    scale : {"mean", "standard"}
        ``mean``: divided by the mean of the sizes, as Chronos does. ``standard``: the mean taken
        off, then divided by the root of the variance and 1e-8 (SensorLLM).
    n_ids : int
        Of bins, special ids and one that is never used.
    n_special : int
        Ids before the bins.
    low, high : float
        Centres of the first and the last bin; what lies farther out falls into these.
    missing : int
        Id of a value that is NaN.
    """

    scale: Literal["mean", "standard"] = "mean"
    n_ids: int = 4096
    n_special: int = 2
    low: float = -15.0
    high: float = 15.0
    missing: int = 0

    @property
    def half_bin(self) -> float:
        """How far a value within the bins is from its centre at most, in units of its scale."""
        return (self.high - self.low) / (self.n_ids - self.n_special - 2) / 2

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the ids of series (n, n_samples), and the shift and scale of each, (n, 1)."""
        shift = x.nanmean(dim=1, keepdim=True) if self.scale == "standard" else x.new_zeros(1, 1)
        centred = x - shift
        if self.scale == "standard":
            scale = (centred.square().nanmean(dim=1, keepdim=True) + 1e-8).sqrt()
        else:
            scale = centred.abs().nanmean(dim=1, keepdim=True)
            scale = torch.where(scale > 0, scale, 1.0)
        centres = self._centres(x)
        between = (centres[1:] + centres[:-1]) / 2
        ids = torch.bucketize(centred / scale, between, right=True) + self.n_special + 1
        ids = torch.where(x.isnan(), self.missing, ids)
        return ids, shift.expand_as(scale), scale

    def decode(self, ids: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the values in the middle of bins, (n, n_samples); NaN where one was missing."""
        centres = self._centres(scale)
        values = centres[(ids - self.n_special - 1).clamp(0, len(centres) - 1)] * scale + shift
        return torch.where(ids == self.missing, torch.nan, values)

    def _centres(self, like: Tensor) -> Tensor:
        n = self.n_ids - self.n_special - 1
        return torch.linspace(self.low, self.high, n, device=like.device)


class ChronosEncoder(nn.Module):
    """The encoder of a pretrained Chronos over each channel by itself; it never learns.

    Parameters
    ----------
    config : ChronosConfig
        Which one, and how values become bins.
    units : sequence of float
        How strong each channel usually is, for `SensorConfig.levels`; bins don't depend on it.
    steps : int
        Samples of a sequence.

    Raises
    ------
    InputError
        If it is neither there nor on the hub, is no Chronos, or reads fewer samples than `steps`.
    """

    units: Tensor

    def __init__(self, config: ChronosConfig, units: Sequence[float], steps: int) -> None:
        super().__init__()
        t5 = _config(config.base)
        told: dict[str, Any] = t5.chronos_config
        if steps > told["context_length"]:
            raise InputError(
                f"sensor.steps is {steps} but '{config.base}' reads {told['context_length']} "
                f"samples: set sensor.steps={told['context_length']}"
            )
        self.quantiser = Quantiser(
            config.scale,
            told["n_tokens"],
            told["n_special_tokens"],
            told["tokenizer_kwargs"]["low_limit"],
            told["tokenizer_kwargs"]["high_limit"],
            told["pad_token_id"],
        )
        self._end: int | None = told["eos_token_id"] if told["use_eos_token"] else None
        self.features: int = len(units) * t5.d_model
        self.register_buffer("units", torch.tensor(units)[:, None], persistent=False)
        borrowed = _encoder(config.base, t5)
        self.add_module(BORROWED, borrowed)
        self.register_buffer(MARK, _hash(borrowed))
        self.train(False)

    def train(self, mode: bool = True) -> ChronosEncoder:
        """Stay as it is: nothing is dropped while others train."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return features (n, features, n_steps and one more) of (n, n_channels, n_steps)."""
        n, channels, _ = x.shape
        ids, _, _ = self.quantiser.encode(x.flatten(0, 1).float())
        seen = ids != self.quantiser.missing
        if self._end is not None:
            ids = nn.functional.pad(ids, (0, 1), value=self._end)
            seen = nn.functional.pad(seen, (0, 1), value=True)
        t5 = self.get_submodule(BORROWED)
        states: Tensor = t5(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        return states.view(n, channels, *states.shape[1:]).transpose(2, 3).flatten(1, 2)


def _config(base: str) -> T5Config:
    """Return what a Chronos says of itself, asked for before any weight is."""
    from transformers import AutoConfig

    with _found(base):
        t5 = AutoConfig.from_pretrained(_folder(base, "config.json"))
    told = getattr(t5, "chronos_config", None)
    # Chronos-Bolt and later ones read patches of values, not bins.
    if t5.model_type != "t5" or "tokenizer_kwargs" not in (told or {}):
        raise InputError(
            f"sensor.chronos.base '{base}': is a {t5.model_type}, no Chronos-T5: give a folder "
            "of one, or a hub id such as amazon/chronos-t5-small"
        )
    return t5


def _encoder(base: str, t5: T5Config) -> nn.Module:
    """Return the T5 encoder; without weights where torch makes none (its ``meta`` device)."""
    from transformers import T5EncoderModel

    network: nn.Module
    if torch.get_default_device().type == "meta":
        network = T5EncoderModel(t5)
    else:
        with _found(base), _quiet():
            folder = _folder(base, "model.safetensors")
            network = T5EncoderModel.from_pretrained(folder, dtype=torch.float32)
    return network.requires_grad_(False)


def _folder(base: str, file: str) -> Path:
    """Return the folder that holds a Chronos, or one in the hub's cache that holds this file."""
    if Path(base).is_dir():
        return Path(base)
    from huggingface_hub import (
        get_hf_file_metadata,
        hf_hub_download,
        hf_hub_url,
        try_to_load_from_cache,
    )

    kept = try_to_load_from_cache(base, file)
    if not isinstance(kept, str):
        # Asked once, with little patience: a download asks for half a minute before it gives up.
        try:
            get_hf_file_metadata(hf_hub_url(base, file), timeout=PATIENCE)
        except Exception as error:  # which ones is up to the HTTP library of the hub's version
            raise OSError(str(error)) from error
        kept = hf_hub_download(base, file)
    return Path(kept).parent


@contextmanager
def _found(base: str) -> Iterator[None]:
    """Turn the many ways of not finding a Chronos into one line."""
    try:
        yield
    except (OSError, ValueError) as error:
        if Path(base).is_dir():
            why = f"the folder holds no Chronos ({_first_line(error)})"
        else:
            why = "no such folder, and the hub does not give it (or cannot be reached)"
        raise InputError(
            f"sensor.chronos.base '{base}': {why}: give the folder of a Chronos-T5 "
            "(config.json, model.safetensors)"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of the decoder, which is left out on purpose, and show no second bar."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:80]


def _hash(network: nn.Module) -> Tensor:
    """Return the SHA-256 of a network's weights as 32 numbers: what learns beside it needs it."""
    digest = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        digest.update(name.encode())
        if not weight.is_meta:
            digest.update(weight.contiguous().numpy())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)
