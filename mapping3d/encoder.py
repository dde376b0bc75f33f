"""1D-CNN encoders that put two conditions of the same gesture into one space.

The air-writing study (arXiv 2504.02878, section 4.1) speaks of two encoders and draws shared
weights; layers and embedding size it leaves open. All three readings are here.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from imuscribe.models.cnn import block, rest
from imuscribe.models.config import EncoderConfig
from imuscribe.recipes.mapping import SIDES, Side, ViewConfig
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import Array


class Encoder(nn.Module):
    """Embeds views of either condition, made from recordings at `rate` Hz."""

    def __init__(self, config: EncoderConfig, view: ViewConfig, rate: float) -> None:
        super().__init__()
        self.config, self.view, self.rate = config, view, rate
        channels = {side: len(view.channels(side)) for side in SIDES}
        if config.weights == "shared" and view.channels("source") != view.channels("target"):
            raise InputError(
                f"encoder.weights is 'shared' but the source has {channels['source']} channels and "
                f"the target {channels['target']} or others: set encoder.weights=partly-shared, or "
                "the same view.source and view.target"
            )
        if view.steps < (least := 2 ** (config.blocks - 1)):
            raise InputError(
                f"encoder.blocks is {config.blocks}, which halves {config.blocks - 1} times: too "
                f"often for view.steps={view.steps}: set view.steps={least}"
            )
        # All four are made, whatever is shared, so that one seed gives one first block.
        begins = {side: block(channels[side], config) for side in SIDES}
        ends = {side: rest(config) for side in SIDES}
        if config.weights != "dual":
            ends["target"] = ends["source"]
        if config.weights == "shared":
            begins["target"] = begins["source"]
        # A module under two names is saved, and counted, once.
        self.first = nn.ModuleDict({str(side): begins[side] for side in SIDES})
        self.rest = nn.ModuleDict({str(side): ends[side] for side in SIDES})
        for side in SIDES:
            self.register_buffer(f"mean_{side}", torch.zeros(channels[side], 1))
            self.register_buffer(f"scale_{side}", torch.ones(channels[side], 1))

    def standardise(self, source: Array, target: Array) -> None:
        """Take mean and spread of every channel from training views, (n, n_channels, steps)."""
        sides = [source, target]
        if self.config.weights == "shared":  # the same network must see the same numbers
            sides = [np.concatenate(sides)] * 2
        for side, x in zip(SIDES, sides, strict=True):
            for name, values in (("mean", x.mean((0, 2))), ("scale", x.std((0, 2)) + 1e-6)):
                self.get_buffer(f"{name}_{side}").copy_(torch.from_numpy(values[:, None]))

    def forward(self, x: Tensor, side: Side) -> Tensor:
        """Return embeddings (n, size) of views (n, n_channels, steps)."""
        return self._finished(self.first[side](self._standard(x, side)), side)

    def both(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings of both sides, as `forward` does, for training.

        What is shared sees both in one batch: its batch normalisation would otherwise learn from
        each side alone and later use the average of two.
        """
        if self.config.weights == "dual":
            return self.forward(source, "source"), self.forward(target, "target")
        a, b = self._standard(source, "source"), self._standard(target, "target")
        if self.config.weights == "shared":
            begun = self.first["source"](torch.cat([a, b]))
        else:
            begun = torch.cat([self.first["source"](a), self.first["target"](b)])
        found = self._finished(begun, "source")
        return found[: len(a)], found[len(a) :]

    def embed(self, x: Array, side: Side, batch_size: int = 1024) -> Array:
        """Return embeddings (n, size) as an array, whatever device the encoder is on."""
        expected = (len(self.view.channels(side)), self.view.steps)
        if x.ndim != 3 or x.shape[1:] != expected:
            raise InputError(
                f"views of shape {x.shape[1:]} given to an encoder of {expected[0]} {side} rows "
                f"× {expected[1]} steps: make them with the encoder's own view"
            )
        self.eval()
        device = self.get_buffer("mean_source").device
        with torch.inference_mode():
            parts = [
                self(torch.from_numpy(x[i : i + batch_size]).to(device), side).cpu().numpy()
                for i in range(0, len(x), batch_size)
            ]
        return np.concatenate(parts) if parts else np.empty((0, self.config.size), np.float32)

    def _standard(self, x: Tensor, side: Side) -> Tensor:
        return (x - self.get_buffer(f"mean_{side}")) / self.get_buffer(f"scale_{side}")

    def _finished(self, begun: Tensor, side: Side) -> Tensor:
        out = cast(Tensor, self.rest[side](begun))
        return normalize(out, dim=1) if self.config.normalise else out
