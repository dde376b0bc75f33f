"""Reading recordings with a language model: what they show, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imuscribe.finetune.adapters import adapter_path, check_tokens
from imuscribe.finetune.base import check_adapter, load_base, title, tokens_folder
from imuscribe.finetune.rows import prompt_builder, signals_of
from imuscribe.models.sensor.files import has_tokens
from imuscribe.models.weights import FAMILIAR, read_object
from imuscribe.prompts.ask.sensor import PLACE
from imuscribe.prompts.ask.templates import PromptBuilder, Shot
from imuscribe.prompts.serialize import build_serializer
from imuscribe.recipes.load import load_recipe
from imuscribe.recipes.methods import Shows
from imuscribe.recipes.schema import Recipe
from imuscribe.signals.cleaning import clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.familiar import Ranges, doubt
from imuscribe.signals.recording import Array, Recording
from imuscribe.signals.windows import cut

if TYPE_CHECKING:
    from imuscribe.finetune.scoring import LabelScorer


class Reader:
    """A language model that reads recordings; it is loaded when first asked.

    Parameters
    ----------
    adapter : str or Path, optional
        A packaged name, or a folder written by `finetune.sft.train` or `finetune.adapters.export`.
        The packaged one for letters when not given.
    recipe : Recipe, optional
        Which model reads, and how signals are cleaned, written and asked about, instead of what the
        adapter's own recipe says. Without an adapter it is the base model as it comes.
    base : str, optional
        Where the adapter's base model is now, if it has moved.

    Raises
    ------
    InputError
        If there is no such adapter, it belongs to another base model, or the recipe's sensor tokens
        are of another shape than the adapter's.
    """

    def __init__(
        self,
        adapter: str | Path | None = None,
        recipe: Recipe | None = None,
        base: str | None = None,
    ) -> None:
        bare = recipe is not None and adapter is None
        self.adapter = None if bare else adapter_path(adapter)
        # Figures of experiments are those of the real libraries, whoever reads.
        self._may_be_quick = recipe is None
        self.recipe = _recipe_of(adapter_path(adapter), base) if recipe is None else recipe
        self.labels = self.recipe.label_set
        if self.adapter is not None:
            check_adapter(self.adapter, title(self.recipe.model))
        self.sensor = None  # the base as it comes, and an adapter of before, read text
        place = tokens_folder(self.recipe.model, self.adapter)
        if place is not None:
            check_tokens(self.recipe.sensor, place, f"adapter '{place}'")
            self.sensor = self.recipe.sensor
        self._serializer = build_serializer(self.recipe.text)

    def log_probs(
        self, recordings: Sequence[Recording], progress: bool = False
    ) -> NDArray[np.float32]:
        """Return the natural-log probability of every label, shape (n_recordings, n_labels).

        Recordings come as recorded and are cleaned, and cut into windows, as the training data was;
        of several windows the probabilities are averaged. It is an InputError if one cannot be
        used.
        """
        parts = [self.parts(rec) for rec in recordings]
        cleaned = [part for several in parts for part in several]
        each = self.score(self.prompts(self.texts(cleaned)), progress, self.signals(cleaned))
        if self.recipe.windows is None:
            return each
        ends = np.cumsum([len(several) for several in parts])[:-1]
        return np.stack([np.logaddexp.reduce(x) - np.log(len(x)) for x in np.split(each, ends)])

    def parts(self, rec: Recording) -> list[Recording]:
        """Return what is read of a recording as it came: it, cleaned, or windows of that."""
        cleaned = clean(rec, self.recipe.clean)
        windows = self.recipe.windows
        if windows is None:
            return [cleaned]
        return cut([cleaned], windows.model_copy(update={"short": "keep"}))

    def doubt(self, rec: Recording) -> str:
        """Say in what most of a recording is unlike everything learnt from; empty if it is like it.

        Adapters of earlier versions do not know what they learnt from.
        """
        found = [doubt(part, self._known) for part in self.parts(rec)] if self._known else []
        said = [text for text in found if text]
        return said[0] if 2 * len(said) > len(found) else ""

    @cached_property
    def _known(self) -> Ranges:
        path = None if self.adapter is None else self.adapter / FAMILIAR
        if path is None or not path.is_file():
            return {}
        try:
            found = read_object(path, f"adapter '{self.adapter}'")
            return {name: (float(low), float(high)) for name, (low, high) in found.items()}
        except (TypeError, ValueError):
            raise InputError(
                f"adapter '{self.adapter}': {FAMILIAR} is damaged: copy it again"
            ) from None

    def texts(self, recordings: Sequence[Recording], shows: Shows = "all") -> list[str]:
        """Return what stands in the prompts for cleaned recordings.

        Text, the place of the sensor's tokens, or both, as the model has learnt; or one alone.
        """
        if self.sensor is not None and (shows == "tokens" or not self.sensor.text):
            return [PLACE] * len(recordings)
        written = self._serializer.encode([self._serializer.features(rec) for rec in recordings])
        if self.sensor is None or shows == "text":
            return written
        return [f"{PLACE}\n{text}" for text in written]

    def signals(self, recordings: Sequence[Recording]) -> Array | None:
        """Return what the sensor encoder sees of cleaned recordings; None where there is none."""
        return None if self.sensor is None else signals_of(recordings, self.recipe)

    def prompts(self, texts: Sequence[str], shots: Sequence[Shot] = ()) -> list[str]:
        """Return the question about each text, after labelled examples."""
        return [self._builder.prompt(text, shots) for text in texts]

    def tokens(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        """Return the tokens of each prompt, shape (n,)."""
        return np.array([self._builder.n_tokens(prompt) for prompt in prompts], dtype=np.int64)

    def score(
        self, prompts: Sequence[str], progress: bool = False, signals: Array | None = None
    ) -> NDArray[np.float32]:
        """Return the log-probabilities of the labels after each prompt, shape (n, n_labels).

        `signals` are those of the prompts' recordings.
        """
        size = self.recipe.evaluate.batch_size
        return self._scorer.score(prompts, size, progress, signals).log_probs

    def said(self, signals: Array) -> NDArray[np.float32]:
        """Return what the sensor encoder's own head says without the language model, as `score`."""
        found: NDArray[np.float32] = self._loaded[0].sensor.read(signals)
        return found

    def embed(self, signals: Array) -> Array:
        """Return the sensor encoder's features of whole sequences, shape (n, n_features)."""
        found: Array = self._loaded[0].sensor.embed(signals)
        return found

    def write(
        self, prompts: Sequence[str], progress: bool = False, signals: Array | None = None
    ) -> list[str]:
        """Let the model answer each prompt freely."""
        from imuscribe.finetune.scoring import generate

        settings = self.recipe.evaluate
        model, tokenizer = self._loaded
        return generate(
            model,
            tokenizer,
            prompts,
            settings.max_new_tokens,
            settings.batch_size,
            progress,
            signals,
        )

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        recipe, quick = self.recipe, None
        just_labels = not (recipe.prompt.chat or recipe.prompt.reasoning)
        if self._may_be_quick and self.adapter is not None and just_labels:
            from imuscribe.finetune.quick import load_quick

            answers = [f" {label}" for label in self.labels]
            quick = load_quick(recipe.model, self.adapter, answers)
        return quick or load_base(recipe.model, self.adapter)

    @cached_property
    def _builder(self) -> PromptBuilder:
        return prompt_builder(self.recipe, self._loaded[1], self.sensor is not None)

    @cached_property
    def _scorer(self) -> LabelScorer:
        from imuscribe.finetune.scoring import LabelScorer

        completions = [self._builder.completion(label) for label in self.labels]
        return LabelScorer(*self._loaded, completions)


def most_likely(
    recordings: Sequence[Recording],
    adapter: str | Path | Reader | None = None,
    n: int = 5,
) -> list[list[tuple[str, float]]]:
    """Read recordings with a trained adapter.

    Parameters
    ----------
    recordings : sequence of Recording
        As recorded.
    adapter : str, Path or Reader, optional
        As `Reader` takes it, or one.
    n : int
        Labels to name.

    Returns
    -------
    list of list of (str, float)
        The most likely labels of each recording with their probabilities, best first.

    Raises
    ------
    InputError
        If there is no such adapter, or a recording cannot be used.
    """
    reader = adapter if isinstance(adapter, Reader) else Reader(adapter)
    return [
        [(reader.labels[i], float(np.exp(row[i]))) for i in np.argsort(-row)[:n]]
        for row in reader.log_probs(recordings)
    ]


def _recipe_of(folder: Path, base: str | None) -> Recipe:
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise InputError(f"{folder}: holds no recipe.yaml: give the folder of a trained adapter")
    recipe = load_recipe(str(path))
    if recipe.sensor is not None and not has_tokens(folder):
        raise InputError(f"adapter '{folder}': has no sensor tokens left: copy it again")
    if base is None:
        return recipe
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"base": base})})
