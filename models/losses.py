"""What pulls gestures of one class, or a signal and its text, together and pushes others apart.

The triplet loss is the study's (arXiv 2504.02878, section 4.1):
``L = max(D(g_a, g_p) + margin − D(g_a, g_n), 0)`` with Euclidean D. pytorch-metric-learning has it
too, but adds up in another order, and so other weights come out of the same seed; the alternatives
are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imuscribe.models.config import AlignLoss, LossConfig, Mining

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From anchors (n, size), their classes (n,), references (m, size) and theirs to one number."""


def build_loss(config: LossConfig) -> Loss:
    """Return the loss that a configuration describes.

    Anchors' and references' classes must be two tensors, however equal: the library takes one
    tensor given twice to mean the same samples, and leaves each out against itself.
    """
    if config.kind == "triplet":
        return lambda anchors, classes, references, theirs: triplet_margin(
            anchors, classes, references, theirs, config.margin, config.mining
        )
    # Importing takes seconds: its evaluation tools load much.
    from pytorch_metric_learning.losses import MultiSimilarityLoss, SupConLoss

    loss: Any = (
        SupConLoss(config.temperature) if config.kind == "contrastive" else MultiSimilarityLoss()
    )
    return lambda anchors, classes, references, theirs: loss(
        anchors, classes, ref_emb=references, ref_labels=theirs
    )


def info_nce(
    one: Tensor, other: Tensor, temperature: float = 0.1, same: Tensor | None = None
) -> Tensor:
    """Return how hard each row is to find by its counterpart among all rows, both ways (InfoNCE).

    ``mean of −log softmax(cos(a_i, b_j) / temperature)[j = i]`` (van den Oord et al. 2018, arXiv
    1807.03748; both ways as in arXiv 2103.00020). `one` and `other` are (n, size). Where several
    are right, `same` (n, n) says which: each counts alike.
    """
    normalize = torch.nn.functional.normalize
    alike = normalize(one) @ normalize(other).T / temperature
    loss = torch.nn.functional.cross_entropy
    if same is None:
        own = torch.arange(len(one), device=one.device)
        return (loss(alike, own) + loss(alike.T, own)) / 2
    share = same.to(alike.dtype)
    there, back = share / share.sum(dim=1, keepdim=True), share.T / share.T.sum(dim=1, keepdim=True)
    return (loss(alike, there) + loss(alike.T, back)) / 2


def ranking(alike: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """Return how far similarities are from an order: what is near above what is far.

    ``mean of −ln σ(s_ij − s_ik)`` over all i with j near and k far (LanHAR, arXiv 2410.00003, adds
    them up; a mean weighs the same in batches of any size). `alike`, and which are `near` and
    `far`, are (n, n); zero where there is no such triplet.
    """
    margin = alike[:, :, None] - alike[:, None, :]
    counted = near[:, :, None] & far[:, None, :]
    loss = torch.nn.functional.softplus(-margin)
    return (loss * counted).sum() / counted.sum().clamp(min=1)


@dataclass(frozen=True)
class Weights:
    """How much telling pairs apart and writing captions count, and how pairs are told apart."""

    contrastive: float
    captioning: float
    pairwise: bool = False
    """Every pair by itself (SigLIP), not each row against all others (CLIP)."""


FAMILY: dict[AlignLoss, Weights] = {
    "clip": Weights(1, 0),
    "siglip": Weights(1, 0, pairwise=True),
    "cap": Weights(0, 1),
    "coca": Weights(1, 2),
}
"""SensorLM's losses (arXiv 2506.09108) as weights of one: ``contrastive`` and ``captioning``."""


def contrastive(
    sensor: Tensor,
    text: Tensor,
    scale: Tensor | float,
    bias: Tensor | float = 0.0,
    *,
    pairwise: bool = False,
    same: Tensor | None = None,
    others: Tensor | None = None,
) -> Tensor:
    """Return how hard signals and their texts are to tell from all others, both ways.

    Parameters
    ----------
    sensor, text : Tensor, shape (n, size)
        Of length one; row i of one belongs to row i of the other.
    scale, bias : Tensor or float
        A pair scores ``scale · sensor_i · text_j + bias``; a bias changes ``pairwise`` alone.
    pairwise : bool
        False: cross-entropy of each row over all texts and of each text over all rows (CLIP, arXiv
        2103.00020). True: ``−1/n Σ_ij log sigmoid(z_ij · score_ij)`` with z = 1 for pairs that
        belong together and −1 for all others (SigLIP, arXiv 2303.15343).
    same : bool Tensor, shape (n, n), optional
        Which texts are a signal's own. Signals of equal captions have each other's too: nobody
        could tell them apart. None: row i and text i alone.
    others : Tensor, shape (m, size), optional
        Further texts that are no signal's, such as a caption with its numbers exchanged.
    """
    n = len(sensor)
    own = torch.eye(n, dtype=torch.bool, device=sensor.device) if same is None else same
    texts = text if others is None else torch.cat([text, others])
    scores = scale * sensor @ texts.T + bias
    if pairwise:
        belongs = torch.nn.functional.pad(own, (0, len(texts) - n))
        return -torch.nn.functional.logsigmoid(torch.where(belongs, scores, -scores)).sum() / n
    target = own / own.sum(dim=1, keepdim=True)
    entropy = torch.nn.functional.cross_entropy
    ahead = torch.nn.functional.pad(target, (0, len(texts) - n))
    return (entropy(scores, ahead) + entropy(scores[:, :n].T, target.T)) / 2


def captioning(logits: Tensor, ids: Tensor, pad: int = 0) -> Tensor:
    """Return the mean surprise, in nats, at each token of captions that is no padding.

    `logits` (n, length, vocabulary) are said before `ids` (n, length) are seen. The mean is over
    the tokens of all processes, so that averaging gradients over them gives one process's.
    """
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids.flatten(), ignore_index=pad, reduction="sum"
    )
    count = (ids != pad).sum()
    if (world := processes()) > 1:
        torch.distributed.all_reduce(count)
    return loss * world / count.clamp(min=1)


def gathered(rows: Tensor) -> Tensor:
    """Return the rows (n, …) of all processes, as many of each, in their order, with gradients.

    Every process then computes the loss of the whole batch, and the mean of their gradients is that
    of one process that has all rows.
    """
    if processes() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    return torch.cat(tuple(all_gather(rows.contiguous())))  # type: ignore[no-untyped-call]


def processes() -> int:
    """Return how many processes train together: one, if nobody launched more."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if there else 1


def triplet_margin(
    anchors: Tensor,
    classes: Tensor,
    references: Tensor,
    theirs: Tensor,
    margin: float,
    mining: Mining = "all",
) -> Tensor:
    """Return the mean loss over the mined triplets that lose anything; zero if there is none."""
    # Not torch.cdist: its gradient at distance zero is not a number.
    square = (anchors[:, None] - references[None]).square().sum(dim=2)
    distance = square.clamp(min=1e-12).sqrt()
    anchor, positive, negative = mine(distance.detach(), classes, theirs, margin, mining)
    losses = (distance[anchor, positive] - distance[anchor, negative] + margin).relu()
    losing = losses > 0
    # The sum keeps the graph: without a triplet the gradient is zero, not missing.
    return losses.sum() / losing.sum().clamp(min=1) + 0 * anchors.sum()


def mine(
    distance: Tensor, classes: Tensor, theirs: Tensor, margin: float, mining: Mining
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose triplets from distances (n, m): rows of anchors, columns of positives and negatives.

    ``all``: every one. ``semi-hard``: the negative is farther than the positive, but by less than
    the margin (Schroff et al. 2015, arXiv 1503.03832). ``hard``: for each anchor the farthest
    positive and the nearest negative (Hermans et al. 2017, arXiv 1703.07737).
    """
    same = classes[:, None] == theirs[None]
    if mining == "hard":
        anchor = torch.nonzero(same.any(dim=1) & ~same.all(dim=1))[:, 0]
        near, far = distance.masked_fill(same, torch.inf), distance.masked_fill(~same, -torch.inf)
        return anchor, far.argmax(dim=1)[anchor], near.argmin(dim=1)[anchor]
    # Of all pairs few are of one class: triplets are made from those, not from all.
    anchor, positive = torch.nonzero(same, as_tuple=True)
    kept = ~same[anchor]
    if mining == "semi-hard":
        beyond = distance[anchor] - distance[anchor, positive][:, None]
        kept &= (beyond > 0) & (beyond <= margin)
    pair, negative = torch.nonzero(kept, as_tuple=True)
    return anchor[pair], positive[pair], negative
