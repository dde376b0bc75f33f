"""Labelled recordings of the target condition, found again by what lies nearest to a query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imuscribe.mapping3d import gallery_file
from imuscribe.mapping3d.gallery_file import Item
from imuscribe.mapping3d.space import Index, Space, check_numbers
from imuscribe.recipes.mapping import Metric, Provenance
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.recording import METADATA, Array, Recording


class Gallery:
    """Embedded recordings with exact search.

    Parameters
    ----------
    space : Space
        Where the embeddings lie.
    provenance : {"same-user", "cross-user"}
        Whether the person who asks may be among those whose recordings it holds. A cross-user
        gallery answers nobody about their own recordings.
    metric : {"cosine", "euclidean"}
    excluded : sequence of str
        People whose recordings a cross-user gallery must never hold, such as test people.

    Raises
    ------
    InputError
        If a same-user gallery excludes people.
    """

    def __init__(
        self,
        space: Space,
        provenance: Provenance = "cross-user",
        metric: Metric = "cosine",
        excluded: Sequence[str] = (),
    ) -> None:
        for name, given, valid in (
            ("provenance", provenance, ("same-user", "cross-user")),
            ("metric", metric, ("cosine", "euclidean")),
        ):
            if given not in valid:
                raise InputError(f"gallery {name} '{given}': {nearest(given, valid)}")
        if excluded and provenance == "same-user":
            raise InputError("a same-user gallery excludes nobody: use provenance cross-user")
        self.space = space
        self.provenance: Provenance = provenance
        self.metric: Metric = metric
        self.excluded = tuple(sorted(set(excluded)))
        self.items: list[Item] = []
        """Id, subject, session, label, device, case and placement of every recording held."""
        self._signals: dict[str, Recording] = {}
        self._unread: Callable[[], list[Recording]] | None = None
        self._places: dict[str, int] = {}
        self._people: set[str] = set()
        self._x: Array = np.empty((0, space.size), dtype=np.float32)
        self._index: Index | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def embeddings(self) -> Array:
        """The embeddings as they were added, shape (n_items, size)."""
        return self._x

    @property
    def labels(self) -> NDArray[np.str_]:
        """The label of every item."""
        return np.array([item.label for item in self.items])

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whose recordings are held."""
        return tuple(sorted(self._people))

    def add(self, recordings: Sequence[Recording], embeddings: Array, space: Space) -> None:
        """Enrol recordings of new or known people and classes; nothing is trained again.

        All or nothing: where one is refused, none is added.

        Parameters
        ----------
        recordings : sequence of Recording
            Labelled, of the target condition.
        embeddings : ndarray, shape (n, size)
            Made by the encoder of `space`.
        space : Space
            Must be the gallery's own.

        Raises
        ------
        InputError
            For another space, an embedding that is not a number, a recording without label or
            person, one that is there already, or a person who must not be in it.
        """
        self.space.check(space, "recordings to add")
        if embeddings.shape != (len(recordings), self.space.size):
            raise InputError(
                f"{len(recordings)} recordings and embeddings of shape {embeddings.shape}: "
                f"need ({len(recordings)}, {self.space.size})"
            )
        check_numbers(embeddings, [rec.id for rec in recordings])
        seen = set(self._places)
        for rec in recordings:
            if not rec.label or not rec.subject:
                lacking = "label" if not rec.label else "subject"
                raise InputError(f"recording '{rec.id}': has no {lacking}: a gallery needs both")
            if rec.id in seen:
                raise InputError(
                    f"recording '{rec.id}': is in the gallery already: add it once, or "
                    "give another recording another id"
                )
            seen.add(rec.id)
        self._refuse({rec.subject for rec in recordings} & set(self.excluded))
        for rec in recordings:
            self._places[rec.id] = len(self.items)
            self._people.add(rec.subject)
            self._signals[rec.id] = rec
            self.items.append(Item(*(getattr(rec, name) for name in METADATA)))
        self._x = np.concatenate([self._x, embeddings.astype(np.float32)])
        self._index = None

    def merge(self, other: Gallery) -> Gallery:
        """Return the union of two galleries; an item of both is held once.

        Whom either excludes the union excludes, and it is same-user as soon as one is.

        Raises
        ------
        InputError
            For another space or metric, a person whom the other excludes, or two different
            recordings or embeddings under one id.
        """
        self.space.check(other.space, "the gallery to merge")
        if self.metric != other.metric:
            raise InputError(
                f"the gallery to merge: its metric is {other.metric}, this one's is {self.metric}: "
                "make both with the same"
            )
        same_user = "same-user" in (self.provenance, other.provenance)
        union = Gallery(
            self.space,
            "same-user" if same_user else "cross-user",
            self.metric,
            () if same_user else (*self.excluded, *other.excluded),
        )
        union.add([self.recording(item.id) for item in self.items], self._x, self.space)
        new = []
        for i, item in enumerate(other.items):
            place = self._places.get(item.id)
            if place is None:
                new.append(i)
            elif item != self.items[place] or not np.array_equal(other._x[i], self._x[place]):
                raise InputError(
                    f"item '{item.id}': differs between the galleries: give one another id"
                )
        theirs = [other.recording(other.items[i].id) for i in new]
        union.add(theirs, other._x[new], other.space)
        return union

    def counts(self) -> dict[tuple[str, str], Counter[str]]:
        """Return how many items of each label every person and session has."""
        found: dict[tuple[str, str], Counter[str]] = {}
        for item in self.items:
            found.setdefault((item.subject, item.session), Counter())[item.label] += 1
        return dict(sorted(found.items()))

    def recording(self, id: str) -> Recording:
        """Return an item's recording: the proxy that stands for a query.

        Raises
        ------
        InputError
            If there is no such item.
        """
        if id not in self._places:
            raise InputError(f"item '{id}': not in the gallery: {nearest(id, self._places)}")
        if self._unread:  # signals are read when first asked for: searching needs none
            self._signals |= {rec.id: rec for rec in self._unread()}
            self._unread = None
        return self._signals[id]

    def distances(self, queries: Array, people: Sequence[str]) -> Array:
        """Return the distance of every query to every item, shape (n, n_items).

        One minus the cosine, or Euclidean.

        Parameters
        ----------
        queries : ndarray, shape (n, size)
            Embeddings of the source condition.
        people : sequence of str
            Who made each query.

        Raises
        ------
        InputError
            If the gallery is empty, a query is not a number, or a cross-user gallery holds the
            person who asks.
        """
        return self._asked(queries, people).distances(queries)

    def search(
        self, queries: Array, people: Sequence[str], k: int = 5
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return the `k` nearest items of every query, nearest first.

        Parameters and errors are those of `distances`.

        Returns
        -------
        distances : ndarray of float32, shape (n, k)
        places : ndarray of int64, shape (n, k)
            Into `items`. Items equally far come in the order of their ids.
        """
        index = self._asked(queries, people)
        if k < 1:
            raise InputError(f"k is {k}: ask for at least one item")
        return index.nearest(queries, min(k, len(self)))

    def save(self, path: str | Path) -> None:
        """Write the gallery as one Parquet file: recordings, and a column of embeddings.

        A whole file that it replaces is kept as ``NAME.previous``. What was written is read back
        before it takes the old one's place, so a full disk or an interruption leaves the last good
        gallery.

        Raises
        ------
        InputError
            If it is empty or cannot be written.
        """
        if not self.items:
            raise InputError(f"{path}: the gallery is empty: add recordings before saving it")
        about = {
            "space": asdict(self.space),
            "provenance": self.provenance,
            "metric": self.metric,
            "excluded": self.excluded,
        }
        recordings = [self.recording(item.id) for item in self.items]
        gallery_file.write(Path(path), about, recordings, self._x)

    @classmethod
    def load(cls, path: str | Path) -> Gallery:
        """Read a gallery.

        Raises
        ------
        InputError
            If there is none, it is damaged, or a later version wrote it.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"gallery {path}: no such file: make one with 'imuscribe map fit'")
        about, items, x, recordings = gallery_file.read(path)
        space = Space(**about["space"] | {"channels": tuple(about["space"]["channels"])})
        gallery = cls(space, about["provenance"], about["metric"], about["excluded"])
        gallery.items, gallery._x, gallery._unread = items, x, recordings
        gallery._places = {item.id: i for i, item in enumerate(items)}
        gallery._people = {item.subject for item in items}
        return gallery

    def _asked(self, queries: Array, people: Sequence[str]) -> Index:
        """Return what is searched, once it is clear that these people may ask."""
        if not self.items:
            raise InputError("the gallery is empty: add recordings of the target condition")
        if queries.ndim != 2 or queries.shape[1] != self.space.size:
            raise InputError(
                f"queries of shape {queries.shape}: the gallery holds embeddings of "
                f"{self.space.size} numbers: embed both with the same encoder"
            )
        check_numbers(queries, [f"query {i + 1}" for i in range(len(queries))])
        if self.provenance == "cross-user":
            self._refuse(set(people) & self._people)
        if self._index is None:
            self._index = Index(self._x, list(self._places), self.metric)
        return self._index

    def _refuse(self, found: set[str]) -> None:
        if found and self.provenance == "cross-user":
            raise InputError(
                f"person {', '.join(sorted(found)[:5])}: asks and is held by a cross-user gallery: "
                "take their recordings out, or make it with gallery.provenance=same-user"
            )
