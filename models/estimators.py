"""Two classifiers for sequences in the manner of scikit-learn: nearest by warping, small CNN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from imuscribe.models.config import EncoderConfig, SensorConfig
from imuscribe.signals.motion.views import View, n_channels
from imuscribe.signals.motion.warping import warping_distances
from imuscribe.signals.recording import Array


@dataclass
class NearestByWarping:
    """One nearest neighbour under dynamic time warping with a Sakoe–Chiba band.

    Channels are warped together (Shokoohi-Yekta et al., DMKD 2017, "dependent" DTW); `band` is the
    band's half width as a share of the length. Classes larger than `most_per_class` are thinned,
    drawn with `seed`: time grows with the pool.
    """

    band: float = 0.1
    most_per_class: int = 150
    seed: int = 0

    def fit(self, x: Array, y: NDArray[Any]) -> Self:
        """Keep the sequences, shape (n, n_channels, n_steps), and their classes."""
        rng = np.random.default_rng(self.seed)
        self.classes_ = np.unique(y)
        chosen = [
            rng.permutation(np.flatnonzero(y == c))[: self.most_per_class] for c in self.classes_
        ]
        kept = np.concatenate(chosen)
        self._x, self._y = x[kept], y[kept]
        return self

    def decision_function(self, x: Array) -> NDArray[np.float64]:
        """Return minus the distance to the nearest sequence of each class, (n, n_classes)."""
        distance = warping_distances(x, self._x, self.band)
        return -np.stack([distance[:, self._y == c].min(axis=1) for c in self.classes_], axis=1)


@dataclass
class ResidualCNN:
    """A residual network on sequences varied afresh in every epoch, and one linear layer.

    The very encoder, variation and training of sensor tokens (`models.sensor.classifier`).
    """

    epochs: int = 30
    seed: int = 0
    progress: bool = False

    def fit(self, x: Array, y: NDArray[Any]) -> Self:
        """Train on sequences, shape (n, n_channels, n_steps)."""
        from imuscribe.models.fit import seeded
        from imuscribe.models.sensor.classifier import Classifier

        self.classes_, target = np.unique(y, return_inverse=True)
        n, channels, steps = x.shape
        known: tuple[View, ...] = ("movement", "upright")
        views = {n_channels(view): view for view in known}
        config = SensorConfig(view=views.get(channels, "raw"))
        self._scale = np.ones((channels, 1), np.float32)
        if config.view != "movement":  # one scale for the three axes of a sensor
            sensors = x.reshape(n, channels // 3, 3 * steps)
            self._scale = np.repeat(sensors.std(axis=(0, 2)) + 1e-9, 3)[:, None]
        with seeded(self.seed):
            self._net = Classifier(config, channels, len(self.classes_))
        self._net.learn(x / self._scale, target, self.epochs, self.seed, progress=self.progress)
        return self

    def predict_proba(self, x: Array) -> NDArray[np.float64]:
        """Return class probabilities, shape (n, n_classes)."""
        return np.exp(self._net.read(x / self._scale).astype(np.float64))


@dataclass
class SmallCNN:
    """Three convolutions, mean and maximum over time, one linear layer.

    The number of `epochs` is fixed, so that no test recording decides when to stop. `seed` is of
    weights, order and dropout.
    """

    epochs: int = 30
    batch_size: int = 64
    lr: float = 3e-3
    width: int = 96
    seed: int = 0
    progress: bool = False

    def fit(self, x: Array, y: NDArray[Any]) -> Self:
        """Train on sequences, shape (n, n_channels, n_steps)."""
        import torch
        from torch.nn.functional import cross_entropy

        from imuscribe.models.cnn import network
        from imuscribe.models.fit import fit, seeded

        self.classes_, target = np.unique(y, return_inverse=True)
        self._mean = x.mean(axis=(0, 2), keepdims=True)
        self._std = x.std(axis=(0, 2), keepdims=True) + 1e-9
        inputs, targets = self._tensor(x), torch.from_numpy(target)
        # Batch normalisation needs two rows: a leftover of one joins the batch before it.
        batches = max(1, len(x) // self.batch_size)
        config = EncoderConfig(width=self.width, parts=1, size=len(self.classes_))

        def losses() -> Iterator[Any]:
            for rows in torch.randperm(len(x)).tensor_split(batches):
                yield cross_entropy(self._net(inputs[rows]), targets[rows], label_smoothing=0.1)

        with seeded(self.seed):
            self._net = network(x.shape[1], config)
            fit(self._net, losses, batches, epochs=self.epochs, lr=self.lr, progress=self.progress)
        return self

    def predict_proba(self, x: Array) -> NDArray[np.float64]:
        """Return class probabilities, shape (n, n_classes)."""
        import torch

        with torch.inference_mode():
            logits = torch.cat([self._net(part) for part in self._tensor(x).split(512)])
            return np.asarray(logits.double().softmax(dim=1))

    def _tensor(self, x: Array) -> Any:
        import torch

        return torch.from_numpy(((x - self._mean) / self._std).astype(np.float32))
