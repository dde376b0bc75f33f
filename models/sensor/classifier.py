"""An encoder with a linear head that names labels, and how the two are trained.

The resnet baseline, the head beside sensor tokens, and the pretraining of an encoder are this.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from imuscribe.models.config import SensorConfig
from imuscribe.models.fit import Checkpoint, fit, seeded
from imuscribe.models.sensor.encoders import make_encoder
from imuscribe.models.vary import vary
from imuscribe.signals.motion.views import device_rows
from imuscribe.signals.recording import Array

LR, WEIGHT_DECAY, BATCH, SMOOTHING = 2e-3, 0.05, 64, 0.1


class Classifier(nn.Module):
    """Mean and maximum of an encoder's features over time, and one linear layer.

    Parameters
    ----------
    config : SensorConfig
        Which encoder, and how far sequences are varied while training.
    channels : int
        Rows of a sequence.
    n_labels : int
    """

    def __init__(self, config: SensorConfig, channels: int, n_labels: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = make_encoder(config, channels)
        self.turning = device_rows(config.view, channels)
        self.head = nn.Linear(2 * self.encoder.features, n_labels)

    def new_head(self, n_labels: int) -> None:
        """Begin anew with a head for so many labels; the encoder stays."""
        old = self.head.weight
        self.head = nn.Linear(old.shape[1], n_labels).to(old)

    def features(self, x: Tensor) -> Tensor:
        """Return features (n, features, positions) of sequences, varied first while training."""
        if self.training and self.config.vary is not None:
            x = vary(x, self.config.vary, self.turning)
        found: Tensor = self.encoder(x)
        return found

    def logits(self, features: Tensor) -> Tensor:
        """Return what the features say of every label, (n, n_labels)."""
        said: Tensor = self.head(_whole(features))
        return said

    def forward(self, x: Tensor) -> Tensor:
        """Return what sequences (n, n_channels, n_steps) say of every label, (n, n_labels)."""
        return self.logits(self.features(x))

    @torch.inference_mode()
    def read(self, x: Array, batch_size: int = 512) -> NDArray[np.float32]:
        """Return the log-probabilities of the labels, shape (n, n_labels)."""
        self.eval()
        device = self.head.weight.device
        parts = torch.split(torch.from_numpy(x), batch_size)
        logits = torch.cat([self.logits(self.features(part.to(device))) for part in parts])
        return np.asarray(logits.float().log_softmax(dim=1).cpu().numpy(), dtype=np.float32)

    @torch.inference_mode()
    def embed(self, x: Array, batch_size: int = 512) -> Array:
        """Return the whole of each sequence's features, from which the head reads labels."""
        self.eval()
        device = self.head.weight.device
        parts = torch.split(torch.from_numpy(x), batch_size)
        found = torch.cat([_whole(self.features(part.to(device))) for part in parts])
        return np.asarray(found.float().cpu().numpy(), dtype=np.float32)

    def learn(
        self,
        x: Array,
        targets: NDArray[np.int64],
        epochs: int,
        seed: int,
        doing: str = "training encoder",
        progress: bool = False,
        keep: Checkpoint | None = None,
    ) -> None:
        """Train on sequences (n, n_channels, n_steps) and their labels' columns, in place.

        The number of epochs is fixed, so that no test recording decides when to stop. What does not
        belong to encoder and head, and a frozen encoder, stays as it is.
        """
        inputs, wanted = torch.from_numpy(x), torch.from_numpy(targets)
        batches = max(1, len(x) // BATCH)
        device = self.head.weight.device

        def losses() -> Iterator[Tensor]:
            for rows in torch.randperm(len(x)).tensor_split(batches):
                said = self.logits(self.features(inputs[rows].to(device)))
                yield cross_entropy(said, wanted[rows].to(device), label_smoothing=SMOOTHING)

        with seeded(seed):
            fit(
                self,
                losses,
                batches,
                epochs=epochs,
                lr=LR,
                weight_decay=WEIGHT_DECAY,
                doing=doing,
                progress=progress,
                keep=keep,
            )


def _whole(features: Tensor) -> Tensor:
    """Return the mean and the maximum of features (n, features, positions) over the positions."""
    return torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
