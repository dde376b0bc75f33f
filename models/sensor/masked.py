"""A patch encoder taught without labels: what hidden patches hold, and what is worn at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from imuscribe.models.config import PATCH, SensorConfig
from imuscribe.models.fit import Checkpoint, fit, seeded
from imuscribe.models.losses import info_nce
from imuscribe.models.sensor.encoders import make_encoder
from imuscribe.models.sensor.patch import PatchEncoder
from imuscribe.models.vary import anyhow
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.views import device_rows
from imuscribe.signals.recording import Array

HIDDEN = 0.5
"""Share of a window's patches that is hidden."""
LR, WEIGHT_DECAY, BATCH = 1e-3, 0.05, 64
_SIZE = 64
"""Numbers of what two windows worn at once are compared by."""

Pairs = tuple[Array, Array]
"""Windows (n, n_channels, n_steps) of one place of the body, and at the same time of another."""


class MaskedPatches(nn.Module):
    """An encoder, and what it is taught with and does not keep.

    Every window is turned at random first, as if the device sat in any way. Then half of its
    patches are hidden and have to be told from the rest (after PatchTST, arXiv 2211.14730). Where
    windows of two places on the body were worn at once, the two have to be found among all others
    of a batch by their features (InfoNCE, arXiv 1807.03748).

    Parameters
    ----------
    config : SensorConfig
        Whose encoder is ``patch``, which sees three patches at least.
    channels : int
        Rows of a window.
    """

    def __init__(self, config: SensorConfig, channels: int) -> None:
        super().__init__()
        encoder = make_encoder(config, channels)
        if not isinstance(encoder, PatchEncoder) or config.steps < 3 * PATCH:
            raise InputError(
                f"sensor.encoder={config.encoder}, sensor.steps={config.steps}, "
                f"sensor.groups={config.groups}: hiding patches needs one patch encoder of three "
                f"or more: set sensor.encoder=patch sensor.view=upright sensor.groups=one "
                f"sensor.steps={max(config.steps, 3 * PATCH)}"
            )
        self.encoder = encoder
        self.turning = device_rows(config.view, channels) or 0
        self.blank = nn.Parameter(torch.randn(config.width) * 0.02)
        self.told = nn.Linear(config.width, channels * PATCH)
        self.compared = nn.Linear(2 * config.width, _SIZE)

    def rebuilding(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return how far what is told of hidden patches (n, patches) is from what they hold."""
        said = self.told(self.encoder(x, hidden, self.blank).transpose(1, 2))[hidden]
        _, mean, _ = self.encoder.centred(x, hidden)
        real = (x / self.encoder.units - mean).unfold(2, PATCH, PATCH).transpose(1, 2)
        return smooth_l1_loss(said, real.flatten(2)[hidden])

    def meeting(self, one: Tensor, other: Tensor) -> Tensor:
        """Return how hard windows worn at once are to find by each other among all others."""
        both = []
        for x in (one, other):
            features = self.encoder(x)
            whole = torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
            both.append(self.compared(whole))
        return info_nce(*both)

    def hide(self, n: int, patches: int, device: torch.device) -> Tensor:
        """Draw which patches of windows are hidden, as many of each, (n, patches)."""
        order = torch.rand(n, patches, device=device).argsort(dim=1)
        return order < max(1, round(HIDDEN * patches))

    def learn(
        self,
        x: Array,
        pairs: Pairs | None,
        epochs: int,
        seed: int,
        progress: bool = False,
        keep: Checkpoint | None = None,
    ) -> None:
        """Train on windows (n, n_channels, n_steps), and on pairs where there are any, in place."""
        windows = torch.from_numpy(x)
        batches = max(1, len(x) // BATCH)
        device = self.blank.device
        together = None if pairs is None else [torch.from_numpy(part) for part in pairs]

        def losses() -> Iterator[Tensor]:
            met: Iterator[Tensor] = iter(())
            for rows in torch.randperm(len(x)).tensor_split(batches):
                shown = anyhow(windows[rows].to(device), self.turning)
                hidden = self.hide(len(rows), x.shape[2] // PATCH, device)
                loss = self.rebuilding(shown, hidden)
                if together is not None:
                    chosen = next(met, None)
                    if chosen is None:
                        parts = max(1, len(together[0]) // BATCH)
                        met = iter(torch.randperm(len(together[0])).tensor_split(parts))
                        chosen = next(met)
                    seen = [anyhow(part[chosen].to(device), self.turning) for part in together]
                    loss = loss + self.meeting(*seen)
                yield loss

        with seeded(seed):
            fit(
                self,
                losses,
                batches,
                epochs=epochs,
                lr=LR,
                weight_decay=WEIGHT_DECAY,
                doing="pretraining encoder",
                progress=progress,
                keep=keep,
            )
