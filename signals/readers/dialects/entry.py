"""A dialect: which files it is in, what they look like, and what becomes of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imuscribe.signals.errors import InputError, nearest, usable
from imuscribe.signals.files import AnyPath
from imuscribe.signals.readers.dialects.streams import Take, joined
from imuscribe.signals.readers.parquet import MAX_LEFT_OUT
from imuscribe.signals.recording import METADATA, Recording

_DATA = (".csv", ".txt", ".log", ".dat", ".json", ".mat", ".zip", ".tsv", ".xlsx", ".xls")
_SHOWN = 5
_UNREADABLE = (
    *(LookupError, ValueError, TypeError, AttributeError, OSError, RecursionError),
    OverflowError,
)
_HEAD = 8192
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dialect:
    """One way in which an app, a device or a data set writes recordings.

    Parameters
    ----------
    name : str
        As `--layout` takes it.
    what : str
        The files in one line, such as ``"Subject<n>/a<n>t<n>.mat"``.
    files : str
        Regular expression that the end of a file's path matches, with ``/`` between folders. Its
        groups named as properties (``subject``, ``label``, …) are those of the recordings.
    takes : callable
        From a file and the texts of those groups to what is in the file.
    source : str
        Where columns, units and rate were looked up, and what could not be confirmed.
    head : str
        Regular expression found in the first lines of a file, for layouts without a name of their
        own.
    device, placement, case : str
        What they are unless the file says otherwise.
    a_set : bool
        A published data set: its folders and names leave no doubt, so it goes before the loggers
        whose columns it has, and more than 1 % of unusable recordings are an error.
    a_folder : bool
        One folder is one recording: `takes` gets its first file alone.
    beside : str
        Regular expression of files that belong to the others: not read where there are others, and
        not named as left out.
    """

    name: str
    what: str
    files: str
    takes: Callable[[Path, Mapping[str, str]], Iterable[Take]]
    source: str
    head: str = ""
    device: str = ""
    placement: str = ""
    case: str = ""
    a_set: bool = False
    a_folder: bool = False
    beside: str = ""

    def find(self, root: AnyPath) -> list[tuple[Path, Mapping[str, str]]]:
        """Return the files of this dialect with the texts of their names."""
        folders: set[Path] = set()
        found: list[tuple[Path, Mapping[str, str]]] = []
        for path in data_files(root):
            match = re.search(f"(?:^|/){self.files}$", path.resolve().as_posix())
            if match is None or (self.head and not re.search(self.head, head_of(path), re.M)):
                continue
            if self.a_folder and path.parent in folders:
                continue
            folders.add(path.parent)
            found.append((path, {k: v for k, v in match.groupdict().items() if v is not None}))
        own = {path.parent for path, _ in found if not self._is_beside(path)}
        return [one for one in found if one[0].parent not in own or not self._is_beside(one[0])]

    def _is_beside(self, path: Path) -> bool:
        return bool(self.beside and re.search(f"/{self.beside}$", path.resolve().as_posix()))

    def read(
        self,
        source: AnyPath,
        label: str = "",
        subject: str = "",
        session: str = "",
        device: str = "",
        case: str = "",
        placement: str = "",
    ) -> list[Recording]:
        """Read the recordings of a file or folder.

        Texts that are given go before what files say; ``{file}``, ``{folder}`` and ``{parent}`` in
        them stand for the names of a file and its folders.

        Raises
        ------
        InputError
            If there are no such files, or what they hold cannot be used.
        """
        from tqdm import tqdm

        root = Path(source)
        found = self.find(root)
        if not found:
            raise InputError(f"{root}: holds no {self.what}: not {self.name}")
        given = {"label": label, "subject": subject, "session": session}
        given |= {"device": device, "case": case, "placement": placement}
        recordings: list[Recording] = []
        refused: list[InputError] = []
        for path, names in tqdm(found, "read", unit="file", disable=len(found) == 1):
            try:
                takes = list(self._takes(path, names))
            except InputError as error:
                refused.append(error)
                continue
            for i, take in enumerate(takes):
                about = self._about(path, root, names, take, given)
                about["id"] += f"-{i:03d}" if len(takes) > 1 else ""
                try:
                    recordings.append(joined(take, **about))
                except InputError as error:
                    refused.append(error)
        if not self.a_set:
            self._tell_skipped(root, [path for path, _ in found])
        most = MAX_LEFT_OUT if self.a_set else 1.0
        return usable(recordings, lambda rec: rec, str(root), most, refused=refused)

    def _takes(self, path: Path, names: Mapping[str, str]) -> Iterator[Take]:
        """Read a file; whatever cannot be parsed is one InputError."""
        empty = True
        try:
            for take in self.takes(path, names):
                empty = False
                yield take
        except InputError:
            raise
        except _UNREADABLE as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
            raise InputError(f"{path}: not {self.name}: {why}") from None
        if empty:
            raise InputError(f"{path}: holds no recording of {self.name}", "no recording")

    def _about(
        self, path: Path, root: Path, names: Mapping[str, str], take: Take, given: Mapping[str, str]
    ) -> dict[str, str]:
        inside = path.relative_to(root) if root.is_dir() else Path(path.name)
        inside = inside.parent if self.a_folder and root.is_dir() else inside.with_suffix("")
        name = inside.as_posix() if inside.name else path.resolve().parent.name
        default = {"device": self.device, "placement": self.placement, "case": self.case}
        said = {k: v for k, v in {**names, **take.about}.items() if k in METADATA}
        about = {"id": name} | default | said
        about |= {k: v for k, v in _filled(given, path.resolve()).items() if v}
        return {k: v.strip() for k, v in about.items()}

    def _tell_skipped(self, root: Path, used: list[Path]) -> None:
        """Name the files that look like data but are of no use here."""
        known = set(used)
        folders = {path.parent for path in used} if self.a_folder else set()
        left = [p for p in data_files(root) if p not in known and p.parent not in folders]
        left = [path for path in left if not self._is_beside(path)]
        if left:
            more = f" and {len(left) - _SHOWN:,} more" if len(left) > _SHOWN else ""
            shown = ", ".join(path.relative_to(root).as_posix() for path in left[:_SHOWN])
            _log.warning("%s: skipped, not %s: %s%s", root, self.name, shown, more)


def _filled(given: Mapping[str, str], path: Path) -> dict[str, str]:
    """Fill the names of a file and its folders in what is said of a recording."""
    names = {"{file}": path.stem, "{folder}": path.parent.name, "{parent}": path.parent.parent.name}
    made = dict(given)
    for key, text in given.items():
        for mark in re.findall(r"\{[^{}]*\}", text):
            if mark not in names:
                raise InputError(f"--{key} '{text}': {mark} is unknown: {nearest(mark, names)}")
            made[key] = made[key].replace(mark, names[mark])
    return made


def data_files(root: AnyPath) -> list[Path]:
    """Return the data files at or below a path, in order, without hidden ones."""
    base = Path(root)
    if base.is_file():
        return [base]
    if not base.is_dir():
        raise InputError(f"{root}: no such file or folder")
    found = (path for path in base.rglob("*") if path.suffix.lower() in _DATA and path.is_file())
    hidden = ("__MACOSX",)
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") or part in hidden for part in path.relative_to(base).parts)
    )


def head_of(path: Path) -> str:
    """Return the first lines of a text file, in whatever encoding."""
    try:
        with path.open("rb") as file:
            raw = file.read(_HEAD)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "ignore")
    return raw.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
