"""Labelled recordings of the target condition, found again by what lies nearest to a query."""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mapping3d import container
from signals.errors import InputError, nearest
from signals.files import atomic_path
from signals.recording import Array, Recording

Provenance = Literal["same-user", "cross-user"]
Metric = Literal["cosine", "euclidean"]

FORMAT = 1
FAISS_FROM = 100_000
"""Items above which faiss searches, where it is installed; a matrix product is as fast below."""
_TIE = 1e-5
"""Distances nearer to one another than this, which rounding may be, count as equal."""


@dataclass(frozen=True)
class Item:
    """What a gallery knows of a recording beside its embedding and its signals."""

    id: str
    subject: str
    session: str
    label: str
    device: str
    case: str


@dataclass(frozen=True)
class Space:
    """Which space embeddings lie in: two galleries of one space can be merged.

    Attributes
    ----------
    encoder : str
        Version of the encoder that made them.
    channels : tuple of str
        What it sees of the target condition.
    rate : float
        Hz of the recordings it sees.
    size : int
        Numbers of an embedding.
    """

    encoder: str
    channels: tuple[str, ...]
    rate: float
    size: int

    def check(self, other: Space, what: str) -> None:
        """Refuse another space, naming the first difference.

        Raises
        ------
        InputError
        """
        for name, mine in asdict(self).items():
            theirs = getattr(other, name)
            if mine != theirs:
                raise InputError(
                    f"{what}: its {name} is {_said(theirs)}, the gallery's is {_said(mine)}: "
                    "embed both with the same encoder"
                )


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
    strangers : sequence of str
        People whose recordings a cross-user gallery must never hold, such as test people.

    Raises
    ------
    InputError
        If a same-user gallery is given strangers.
    """

    def __init__(
        self,
        space: Space,
        provenance: Provenance = "cross-user",
        metric: Metric = "cosine",
        strangers: Sequence[str] = (),
    ) -> None:
        for name, given, valid in (
            ("provenance", provenance, ("same-user", "cross-user")),
            ("metric", metric, ("cosine", "euclidean")),
        ):
            if given not in valid:
                raise InputError(f"gallery {name} '{given}': {nearest(given, valid)}")
        if strangers and provenance == "same-user":
            raise InputError("a same-user gallery has no strangers: use provenance cross-user")
        self.space = space
        self.provenance: Provenance = provenance
        self.metric: Metric = metric
        self.strangers = tuple(sorted(set(strangers)))
        self.items: list[Item] = []
        self._places: dict[str, int] = {}
        self._people: set[str] = set()
        self._x: Array = np.empty((0, space.size), dtype=np.float32)
        self._signals: dict[str, Recording] = {}
        self._stored: bytes = b""
        self._index: Any = None

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
                raise InputError(f"recording '{rec.id}': is in the gallery already: add it once")
            seen.add(rec.id)
        self._refuse({rec.subject for rec in recordings} & set(self.strangers))
        for rec in recordings:
            self._places[rec.id] = len(self.items)
            self.items.append(
                Item(rec.id, rec.subject, rec.session, rec.label, rec.device, rec.case)
            )
            self._people.add(rec.subject)
            self._signals[rec.id] = rec
        self._x = np.concatenate([self._x, embeddings.astype(np.float32)])
        self._index = None

    def merge(self, other: Gallery) -> Gallery:
        """Return the union of two galleries; an item of both is held once.

        Strangers of either are strangers of the union, and it is same-user as soon as one is.

        Raises
        ------
        InputError
            For another space or metric, a person who is the other's stranger, or two different
            embeddings under one id.
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
            () if same_user else (*self.strangers, *other.strangers),
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
        union.add([other.recording(other.items[i].id) for i in new], other._x[new], other.space)
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
        if self._stored:  # signals are read when first asked for: searching needs none
            from signals.parquet import load

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "recordings.parquet"
                path.write_bytes(self._stored)
                self._signals |= {rec.id: rec for rec in load(path)}
            self._stored = b""
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
        self._check(queries, people)
        if self.metric == "cosine":
            return np.asarray(1 - _units(queries) @ self._units().T)
        square = (
            (queries**2).sum(axis=1)[:, None] + (self._x**2).sum(axis=1) - 2 * (queries @ self._x.T)
        )
        return np.asarray(np.sqrt(np.maximum(square, 0)))

    def search(
        self, queries: Array, people: Sequence[str], k: int = 5
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return the `k` nearest items of every query, nearest first.

        Parameters as for `distances`. faiss, where installed, searches galleries of more than
        `FAISS_FROM` items; both are exact.

        Returns
        -------
        distances : ndarray of float32, shape (n, k)
        places : ndarray of int64, shape (n, k)
            Into `items`. Items equally far come in the order of their ids.
        """
        self._check(queries, people)
        k = min(k, len(self))
        if len(self) > FAISS_FROM and (found := self._faiss(queries, k)) is not None:
            return found
        distance = self.distances(queries, people)
        rows = []
        for row in distance:
            farthest = np.partition(row, k - 1)[k - 1]
            near = np.flatnonzero(row <= farthest + _TIE)
            ids = [self.items[j].id for j in near]
            rows.append(near[np.lexsort((ids, np.round(row[near] / _TIE)))][:k])
        places = np.stack(rows)
        return np.take_along_axis(distance, places, axis=1), places

    def save(self, path: str | Path) -> None:
        """Write the gallery as one file; the file it replaces is kept as ``NAME.previous``.

        What was written is read back and checked before it takes the old one's place, so a full
        disk or an interruption leaves the last good gallery.

        Raises
        ------
        InputError
            If it is empty or cannot be written.
        """
        from signals.parquet import save

        path = Path(path)
        if not self.items:
            raise InputError(f"{path}: the gallery is empty: add recordings before saving it")
        with tempfile.TemporaryDirectory() as folder:
            stored = Path(folder) / "recordings.parquet"
            save([self.recording(item.id) for item in self.items], stored)
            signals = stored.read_bytes()
        about = {
            "format": FORMAT,
            "space": asdict(self.space),
            "provenance": self.provenance,
            "metric": self.metric,
            "strangers": self.strangers,
        }
        items = json.dumps([asdict(item) for item in self.items]).encode()
        buffer = io.BytesIO()
        np.save(buffer, self._x)
        parts = {"items": items, "embeddings": buffer.getvalue(), "recordings": signals}
        with atomic_path(path) as temporary:
            container.write(temporary, about, parts)
            Gallery.load(temporary)
            if path.is_file() and _is_whole(path):
                with atomic_path(_previous(path)) as kept:
                    kept.write_bytes(path.read_bytes())

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
        try:
            about, parts = container.read(path)
            if about["format"] != FORMAT:
                raise InputError(
                    f"gallery {path}: has format {about['format']}, this version reads {FORMAT}"
                )
            space = about["space"] | {"channels": tuple(about["space"]["channels"])}
            gallery = cls(Space(**space), about["provenance"], about["metric"], about["strangers"])
            gallery.items = [Item(**item) for item in json.loads(parts["items"])]
            gallery._x = np.load(io.BytesIO(parts["embeddings"]), allow_pickle=False)
        except InputError:
            raise
        except container.DAMAGE as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            last = _previous(path)
            hint = f"the last good one is {last}" if last.is_file() else "make it again"
            raise InputError(f"gallery {path}: is damaged ({reason}): {hint}") from None
        gallery._places = {item.id: i for i, item in enumerate(gallery.items)}
        gallery._people = {item.subject for item in gallery.items}
        gallery._stored = parts["recordings"]
        return gallery

    def _check(self, queries: Array, people: Sequence[str]) -> None:
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

    def _refuse(self, found: set[str]) -> None:
        if found and self.provenance == "cross-user":
            raise InputError(
                f"person {', '.join(sorted(found)[:5])}: asks and is held by a cross-user gallery: "
                "take their recordings out, or make it with provenance same-user"
            )

    def _units(self) -> Array:
        if not isinstance(self._index, np.ndarray):
            self._index = _units(self._x)
        return self._index

    def _faiss(self, queries: Array, k: int) -> tuple[Array, NDArray[np.int64]] | None:
        """Search with faiss; None where it is not installed."""
        try:
            import faiss
        except ImportError:
            return None
        cosine = self.metric == "cosine"
        if not hasattr(self._index, "search"):
            self._index = (faiss.IndexFlatIP if cosine else faiss.IndexFlatL2)(self.space.size)
            self._index.add(_units(self._x) if cosine else self._x)
        found, places = self._index.search(_units(queries) if cosine else queries, k)
        return (1 - found if cosine else np.sqrt(np.maximum(found, 0))), places


def check_numbers(embeddings: Array, names: Sequence[str]) -> None:
    """Refuse embeddings that are not finite numbers.

    Raises
    ------
    InputError
        Naming the first.
    """
    wrong = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if wrong.size:
        raise InputError(
            f"embedding of {names[wrong[0]]} is not a number ({wrong.size} such): the encoder is "
            "damaged or was never trained; fit it again"
        )


def _units(x: Array) -> Array:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _is_whole(path: Path) -> bool:
    try:
        Gallery.load(path)
    except InputError:
        return False
    return True


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"
