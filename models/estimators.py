"""Two classifiers for sequences in the manner of scikit-learn: nearest by warping, small CNN."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from imuscribe.signals.motion.warping import warping_distances
from imuscribe.signals.recording import Array


class NearestByWarping:
    """One nearest neighbour under dynamic time warping with a Sakoe–Chiba band.

    Channels are warped together (Shokoohi-Yekta et al., DMKD 2017, "dependent" DTW).

    Parameters
    ----------
    band : float
        Half width of the band as a share of the length.
    most_per_class : int
        Larger classes are thinned to this many, drawn with `seed`: time grows with the pool.
    seed : int
        Of the thinning.
    """

    def __init__(self, band: float = 0.1, most_per_class: int = 150, seed: int = 0) -> None:
        self.band = band
        self.most_per_class = most_per_class
        self.seed = seed

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


class SmallCNN:
    """Three convolutions, mean and maximum over time, one linear layer.

    Parameters
    ----------
    epochs, batch_size : int
        Fixed, so that no test recording decides when to stop.
    lr : float
        Peak of the one-cycle schedule.
    width : int
        Channels of the hidden layers.
    seed : int
        Of weights, order and dropout.
    progress : bool
        Show a bar of epochs.
    """

    def __init__(
        self,
        epochs: int = 30,
        batch_size: int = 64,
        lr: float = 3e-3,
        width: int = 96,
        seed: int = 0,
        progress: bool = False,
    ) -> None:
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.width = width
        self.seed = seed
        self.progress = progress

    def fit(self, x: Array, y: NDArray[Any]) -> Self:
        """Train on sequences, shape (n, n_channels, n_steps)."""
        import torch
        from torch.nn.functional import cross_entropy
        from tqdm.auto import trange

        self.classes_, target = np.unique(y, return_inverse=True)
        self._mean = x.mean(axis=(0, 2), keepdims=True)
        self._std = x.std(axis=(0, 2), keepdims=True) + 1e-9
        inputs, targets = self._tensor(x), torch.from_numpy(target)
        # Someone else's random state is none of our business.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self._net = self._network(x.shape[1], len(self.classes_))
            optimizer = torch.optim.AdamW(self._net.parameters(), lr=self.lr, weight_decay=0.01)
            # Batch normalisation needs two rows: a leftover of one joins the batch before it.
            batches = max(1, len(x) // self.batch_size)
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.lr, total_steps=self.epochs * batches
            )
            self._net.train()
            for _ in trange(self.epochs, desc="training", disable=not self.progress):
                for rows in torch.randperm(len(x)).tensor_split(batches):
                    optimizer.zero_grad()
                    loss: Any = cross_entropy(
                        self._net(inputs[rows]), targets[rows], label_smoothing=0.1
                    )
                    loss.backward()
                    optimizer.step()
                    schedule.step()
        self._net.eval()
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

    def _network(self, channels: int, classes: int) -> Any:
        import torch
        from torch import nn

        class Pool(nn.Module):
            def forward(self, h: torch.Tensor) -> torch.Tensor:
                return torch.cat([h.mean(dim=2), h.amax(dim=2)], dim=1)

        layers: list[nn.Module] = []
        for i in range(3):
            layers += [
                nn.Conv1d(channels if i == 0 else self.width, self.width, 7, padding=3),
                nn.BatchNorm1d(self.width),
                nn.ReLU(),
                nn.Dropout(0.2),
            ]
            if i < 2:
                layers.append(nn.MaxPool1d(2))
        return nn.Sequential(*layers, Pool(), nn.Linear(2 * self.width, classes))
