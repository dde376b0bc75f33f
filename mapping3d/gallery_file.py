"""The file of a gallery: recordings in their own Parquet layout, with an embedding beside each.

What is said of them all stands in the schema's metadata, with a SHA-256 of everything, so that
damage is noticed. Format 1, a zip of parts with the SHA-256 of each, is still read.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import atomic_path, parsed_json
from imuscribe.signals.readers.parquet import save, scan
from imuscribe.signals.recording import METADATA, Array, Recording

FORMAT = 2
# Bytes that any gallery may have; of larger ones signals pack to a third, never to a hundredth.
_SMALL, _MOST_PACKED = 1 << 26, 100
_KEY, _EMBEDDING = b"imuscribe", "embedding"


@dataclass(frozen=True)
class Item:
    """What is known of a recording beside its embedding and its signals."""

    id: str
    subject: str
    session: str
    label: str
    device: str
    case: str
    placement: str = ""


class Content(NamedTuple):
    """What is said of a gallery, its items, their embeddings (n, size), a way to the signals."""

    about: dict[str, Any]
    items: list[Item]
    x: Array
    recordings: Callable[[], list[Recording]]


def write(path: Path, about: Mapping[str, Any], recordings: Sequence[Recording], x: Array) -> None:
    """Write a gallery; a whole file that it replaces is kept as ``NAME.previous``.

    What was written is read back before it takes the old one's place, so a full disk or an
    interruption leaves the last good file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with atomic_path(path) as temporary:
        save(recordings, temporary)
        column = pa.FixedSizeListArray.from_arrays(x.ravel(), x.shape[1])
        table = pq.read_table(temporary).append_column(_EMBEDDING, column)
        said = {"format": FORMAT, **about, "sha256": _sum(about, table)}
        table = table.replace_schema_metadata({_KEY: json.dumps(said)})
        pq.write_table(table, temporary, compression="zstd")
        _read(temporary)
        same = path.is_file() and temporary.read_bytes() == path.read_bytes()
        if not same and _is_whole(path):
            with atomic_path(_previous(path)) as kept:
                kept.write_bytes(path.read_bytes())


def read(path: Path) -> Content:
    """Return what `write` was given.

    Raises
    ------
    InputError
        If the file is not whole or has another format; with the last good one, if there is.
    """
    try:
        return _read(path)
    except InputError:
        raise
    except Exception as error:  # what wrong bytes raise depends on where they are
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        last = _previous(path)
        hint = f"the last good one is {last}" if last.is_file() else "make it again"
        raise InputError(f"gallery {path}: is damaged or none ({reason}): {hint}") from None


def _read(path: Path) -> Content:
    """Read either format; a damaged file raises anything."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    return _read_zip(path) if zipped else _read_parquet(path)


def _read_parquet(path: Path) -> Content:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if _KEY not in (table.schema.metadata or {}):
        raise ValueError("recordings without embeddings")
    about = parsed_json(table.schema.metadata[_KEY])
    _check_format(about.pop("format"), FORMAT, path)
    if about.pop("sha256") != _sum(about, table):
        raise ValueError("its checksum is another")
    x = table[_EMBEDDING].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    there = [name for name in METADATA if name in table.column_names]  # files before placements
    items = [Item(**row) for row in table.select(there).to_pylist()]
    return Content(about, items, x, lambda: _recordings(table.drop_columns([_EMBEDDING])))


def _read_zip(path: Path) -> Content:
    import pyarrow.parquet as pq

    with zipfile.ZipFile(path) as file:
        # No part is unpacked before it is known how large they become.
        size = sum(part.file_size for part in file.infolist())
        if size > max(_SMALL, _MOST_PACKED * path.stat().st_size):
            raise ValueError(f"its parts would unpack to {size:,} bytes")
        about = parsed_json(file.read("about.json"))
        sums = about.pop("sha256")
        parts = {name: file.read(name) for name in sums}
    for name, part in parts.items():
        if sha256(part).hexdigest() != sums[name]:
            raise ValueError(f"checksum of its {name}")
    _check_format(about.pop("format"), 1, path)
    about["excluded"] = about.pop("strangers")
    x = np.load(io.BytesIO(parts["embeddings"]), allow_pickle=False)
    plain = pq.read_table(io.BytesIO(parts["recordings"]))
    items = [Item(**item) for item in parsed_json(parts["items"])]
    return Content(about, items, x, lambda: _recordings(plain))


def _recordings(plain: Any) -> list[Recording]:
    """Return the recordings of a table in their own layout."""
    import pyarrow.parquet as pq

    with TemporaryDirectory() as folder:
        path = Path(folder) / "recordings.parquet"
        pq.write_table(plain, path, compression="none")
        return scan(path)[0]


def _check_format(found: int, expected: int, path: Path) -> None:
    if found != expected:
        raise InputError(f"gallery {path}: has format {found}, this version reads 1 and {FORMAT}")


def _sum(about: Mapping[str, Any], table: Any) -> str:
    """Return the SHA-256 of what a table holds, however it is divided or compressed."""
    from pyarrow import compute, types

    digest = sha256(json.dumps(about, sort_keys=True).encode())
    for name in table.column_names:
        column = table[name].combine_chunks()
        digest.update(name.encode())
        if types.is_nested(column.type):
            digest.update(json.dumps(compute.list_value_length(column).to_pylist()).encode())
            digest.update(column.flatten().to_numpy().tobytes())
        else:
            digest.update(json.dumps(column.to_pylist()).encode())
    return digest.hexdigest()


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except Exception:
        return False
    return True
