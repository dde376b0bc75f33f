"""What a kind of experiment says to the runner: its pieces of work, and what comes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from imuscribe.eval.metrics import Values as Values
from imuscribe.eval.report.page import Page
from imuscribe.eval.result import Result
from imuscribe.recipes.schema import Experiment
from imuscribe.signals.recording import Recording

R = TypeVar("R", bound=Experiment)

Answers = Mapping[tuple[str, ...], Any]
"""Names of a piece of work → what it came to."""


@dataclass(frozen=True)
class Unit:
    """A piece of work whose answer is kept.

    Parameters
    ----------
    names : tuple of str
        Such as a fold and a method; they name its file.
    key : plain values
        All that the answer depends on.
    make : callable
        Gives the answer: `Predictions` where `asked` is given, else plain values for JSON.
    asked : sequence of Recording, optional
        The recordings that predictions are about.
    keep : callable
        Whether a value is worth keeping; what is not is made again in the next run.
    """

    names: tuple[str, ...]
    key: Any
    make: Callable[[], Any]
    asked: Sequence[Recording] | None = None
    keep: Callable[[Any], bool] = lambda value: True


class Task(ABC, Generic[R]):
    """One experiment of a kind. Made, it has loaded its data and checked everything.

    Parameters
    ----------
    recipe : Experiment
    folder : Path
        The run's folder; nothing is written before `units`.
    progress : bool
        Show progress bars.
    """

    def __init__(self, recipe: R, folder: Path, progress: bool = True) -> None:
        self.recipe, self.folder, self.progress = recipe, folder, progress

    @abstractmethod
    def source(self) -> dict[str, Values]:
        """Return ``data``, the file that is tested, and other files, as `data_facts` tells them."""

    @abstractmethod
    def units(self) -> Sequence[Unit]:
        """Return the pieces of work in the order they are done; each may build on those before."""

    @abstractmethod
    def judge(self, answers: Answers) -> Values:
        """Return everything measured as plain values: the content of ``metrics.json``."""

    def announcement(self, pending: Sequence[tuple[str, ...]]) -> str:
        """Return what is said before hours of work: what these pieces take; empty for nothing."""
        return ""

    def write_tables(self, answers: Answers) -> None:
        """Write what else the folder holds, such as ``predictions.parquet``."""

    @staticmethod
    @abstractmethod
    def results(values: Values, facts: Values) -> list[Result]:
        """Return the figures a reader would quote: headline metrics of every method."""

    @staticmethod
    @abstractmethod
    def page(values: Values, facts: Values, folder: Path) -> Page:
        """Return the report of what was measured."""
