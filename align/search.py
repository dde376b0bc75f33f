"""Windows found by words, words by windows: embeddings kept on disk, compared by cosine.

What is embedded once under a model is not embedded again. An index is a Parquet file: one row a
window, who and when, and its embedding; `imuscribe embed` writes the same for anyone's own models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.align.space import Shape, key_of, load, prepared
from imuscribe.signals.errors import InputError, nearest
from imuscribe.signals.files import atomic_path, cache_dir, sha256
from imuscribe.signals.recording import Array, Recording

if TYPE_CHECKING:
    from imuscribe.models.sensorlm.network import SensorLM
    from imuscribe.prompts.captions.hierarchy import CaptionConfig

PROMPTS = (
    *("{label}", "The activity is {label}.", "This shows {label}.", "Activity: {label}."),
    "A recording of {label}.",
)
"""Wordings of a label, whose middle it is."""
_META = b"imuscribe"
_COLUMNS = ("id", "recording", "start", "seconds", "subject", "label", "placement")


@dataclass(frozen=True, eq=False)
class Index:
    """Windows and their embeddings.

    Parameters
    ----------
    rows : list of dict
        ``id``, ``recording``, ``start`` and ``seconds`` of every window, and who and what it is.
    vectors : ndarray of float32, shape (n, size)
        Of length one.
    """

    rows: list[dict[str, Any]]
    vectors: Array

    def nearest(self, query: Array, top: int) -> list[tuple[dict[str, Any], float]]:
        """Return the windows nearest to a vector with their cosines, one of each recording."""
        scores = self.vectors @ query
        found, known = [], set()
        for i in np.argsort(-scores, kind="stable"):
            row = self.rows[int(i)]
            if row["recording"] not in known:
                known.add(row["recording"])
                found.append((row, float(scores[i])))
                if len(found) == top:
                    break
        return found

    def of(self, name: str) -> NDArray[np.int64]:
        """Return the places of a window, or of all windows of a recording."""
        found = [i for i, row in enumerate(self.rows) if name in (row["id"], row["recording"])]
        if not found:
            names = sorted({row["recording"] for row in self.rows})
            raise InputError(f"recording '{name}': is not in the data: {nearest(name, names[:50])}")
        return np.array(found)


class Model:
    """A trained model, loaded when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, key_of(folder)

    @cached_property
    def _loaded(self) -> tuple[SensorLM, Shape, CaptionConfig]:
        return load(self.folder)

    @property
    def network(self) -> SensorLM:
        """The network."""
        return self._loaded[0]

    @property
    def shape(self) -> Shape:
        """What it takes for a window."""
        return self._loaded[1]

    @property
    def telling(self) -> CaptionConfig:
        """How the captions that it learnt from were written."""
        return self._loaded[2]

    def texts(self, texts: Sequence[str]) -> Array:
        """Return the embeddings of texts; InputError for an empty one, or without a reader."""
        if empty := [i for i, text in enumerate(texts) if not text.strip()]:
            raise InputError(
                f"text {empty[0] + 1} of {len(texts)}: is empty: say what to look for, such as "
                "'walking slowly'"
            )
        if self.network.reader is None:
            raise InputError(
                f"model '{self.folder}': was trained with align.loss=cap, which writes captions "
                "and compares none: train one with align.loss=clip"
            )
        return self.network.embed_texts(list(texts))

    def strange(self, texts: Sequence[str]) -> list[str]:
        """Return which texts are mostly of words that this model knows from nowhere."""
        return [text for text in texts if self.network.texts.strange(text)]


def windows_of(path: Path, shape: Shape, stride: float | None = None) -> list[Recording]:
    """Return the windows of a file as a model takes them; a shorter recording is one as it is."""
    from imuscribe.signals.cleaning import CleanConfig
    from imuscribe.signals.load import clean_all, read
    from imuscribe.signals.windows import WindowConfig, cut

    config = CleanConfig(rate=shape.rate, trim=False, drop_repeats=False)
    windows = WindowConfig(seconds=shape.seconds, stride=stride or shape.seconds, short="keep")
    return cut(clean_all(read(path), config, where=path.name), windows)


def index(
    path: Path, model: Model, stride: float | None = None, cache: Path | None = None
) -> Index:
    """Return a file's windows with their embeddings: those kept, else made now and kept.

    Parameters
    ----------
    path : Path
        Recordings in the canonical layout, or an index that `write` wrote with this model.
    model : Model
    stride : float, optional
        Seconds from window to window; a window's length when not given.
    cache : Path, optional
        Where indexes are kept; the user's cache when not given.

    Raises
    ------
    InputError
        If the file cannot be read, is another model's index, or no window can be used.
    """
    if not path.is_file():
        raise InputError(f"data '{path}': no such file: give recordings, or what embed wrote")
    found = read(path, model.key)
    if found is not None:
        return found
    key = hashlib.sha256(f"{sha256(path)} {model.key} {stride}".encode()).hexdigest()
    kept = (cache or cache_dir() / "sensorlm") / f"{key[:32]}.parquet"
    if kept.is_file() and (found := read(kept, model.key)) is not None:
        return found
    made = embed(windows_of(path, model.shape, stride), model, path.name)
    write(made, kept, model.key)
    return made


def embed(windows: Sequence[Recording], model: Model, where: str = "") -> Index:
    """Return the embeddings of windows."""
    given = prepared(windows, model.shape, where)
    rows = []
    for rec in given.windows:
        whole, at, start = rec.id.rpartition("@")
        values = (rec.id, whole if at else rec.id, float(start) if at else 0.0, rec.duration)
        rows.append(
            dict(zip(_COLUMNS, (*values, rec.subject, rec.label, rec.placement), strict=True))
        )
    return Index(rows, model.network.embed(given.x, given.seen))


def write(made: Index, path: Path, key: str) -> None:
    """Write an index as Parquet, with the model that made it, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [row[name] for row in made.rows] for name in _COLUMNS}
    size = made.vectors.shape[1]
    flat = pa.array(made.vectors.ravel(), type=pa.float32())
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, size)
    table = pa.table(columns).replace_schema_metadata({_META: json.dumps({"model": key}).encode()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read(path: Path, key: str) -> Index | None:
    """Return the index that a file holds, None if it holds recordings, or is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        if not {*_COLUMNS, "embedding"} <= set(schema.names):
            return None
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        return None
    made = json.loads((schema.metadata or {}).get(_META, b"{}")).get("model")
    if made != key:
        raise InputError(
            f"{path}: was embedded by another model: give the recordings, or that model's folder"
        )
    vectors = table["embedding"].combine_chunks()
    size = vectors.type.list_size
    array = vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return Index(table.select(_COLUMNS).to_pylist(), np.asarray(array, dtype=np.float32))


def label_vectors(model: Model, labels: Sequence[str]) -> Array:
    """Return what each label is in the space: the middle of it in several wordings, (n, size)."""
    if empty := [label for label in labels if not label.strip()]:
        raise InputError(f"label '{empty[0]}': is empty: say what it is, such as 'walking slowly'")
    vectors = model.texts([text.format(label=label) for label in labels for text in PROMPTS])
    each = vectors.reshape(len(labels), -1, vectors.shape[1]).mean(axis=1)
    return np.asarray(each / np.linalg.norm(each, axis=1, keepdims=True), dtype=np.float32)


def zero_shot(made: Index, model: Model, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return log-probabilities of labels, in anybody's words, for each window, (n, n_labels).

    Raises
    ------
    InputError
        If there are not two labels, two are alike, or one is empty.
    """
    from imuscribe.models.calibrate import log_posterior

    if len(labels) < 2:
        raise InputError(
            f"labels '{', '.join(labels)}': one cannot be told from nothing: give two or more"
        )
    if twice := [name for name in labels if list(labels).count(name) > 1]:
        raise InputError(f"label '{twice[0]}': is given twice: give it once")
    scale = float(model.network.scale.detach().exp())
    return log_posterior(
        (made.vectors @ label_vectors(model, labels).T).astype(np.float64), 1 / scale
    )


def captions_of(path: Path, model: Model, without: str, stride: float | None = None) -> list[str]:
    """Return the captions, in words alone, of all recordings of a file but one; each once."""
    from imuscribe.prompts.captions.hierarchy import captions

    whole = without.rpartition("@")[0] or without
    others = [
        rec
        for rec in windows_of(path, model.shape, stride)
        if (rec.id.rpartition("@")[0] or rec.id) not in (whole, without)
    ]
    if not others:
        raise InputError(
            f"--like '{without}': the file holds no other recording to take captions from: give "
            "--texts FILE"
        )
    telling = model.telling.model_copy(update={"numbers": False})
    return list(dict.fromkeys(one.text for one in captions(others, telling)))
