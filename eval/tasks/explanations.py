"""Whether it helps to learn explanations: equal students with other answers to learn.

Every student starts from the same weights, learns from the same recordings and reads the same
number of tokens; what it is taught to answer differs. All are asked the same of people they never
saw: for the label alone, and those who explain also to write, which is parsed, and checked claim by
claim against the recording.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.environment import environment
from imuscribe.eval.predictions import Predictions, load, save
from imuscribe.eval.report.explanations import summarise, write_study
from imuscribe.eval.run import predict
from imuscribe.eval.splits import Fold, make_folds
from imuscribe.prompts.ask.answers import parse_answer
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.serialize import build_serializer
from imuscribe.prompts.teacher.pair_files import DataCard, Row, write_pairs
from imuscribe.prompts.teacher.teach import teach
from imuscribe.signals.files import inside, sha256, write_text
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from imuscribe.prompts.teacher.chat import ChatModel
    from imuscribe.prompts.teacher.store import TokenBudget
    from imuscribe.prompts.teacher.teachers import Teacher
    from imuscribe.recipes.explanations import Arm, PairsRecipe
    from imuscribe.recipes.schema import Recipe

log = logging.getLogger(__name__)

Values = dict[str, Any]

_SECTIONS = ("seed", "data", "labels", "simulate", "clean", "split", "text", "prompt", "model")


@dataclass(frozen=True)
class Student:
    """What came of one arm on one fold.

    Parameters
    ----------
    arm : str
    taught : list of dict
        The pairs it was taught, one a recording.
    asked : dict
        Answers of the teacher and what they cost: ``requests``, ``prompt_tokens``,
        ``answer_tokens``.
    trained : dict
        ``rows``, ``passes``, ``updates``, ``tokens``, ``answer_tokens`` (those with a loss),
        ``seconds``.
    scored : Predictions
        Asked for the label alone.
    written : Predictions or None
        Parsed from what it wrote; None where it does not explain.
    texts : list of str
        What it wrote about each test recording, conclusion included.
    """

    arm: str
    taught: list[Row]
    asked: dict[str, int]
    trained: dict[str, float]
    scored: Predictions
    written: Predictions | None
    texts: list[str]


def study(recipe: PairsRecipe, command: str = "", progress: bool = True) -> Path:
    """Teach, train and judge every student, and write the folder of the study.

    Answers of the teacher, trained adapters and what students said are kept: an interrupted study
    goes on where it stopped.

    Parameters
    ----------
    recipe : PairsRecipe
        The folder is `recipe.out` / `recipe.name`.
    command : str
        How the study was asked for, written down for whoever repeats it.
    progress : bool
        Show progress bars on standard error.

    Returns
    -------
    Path
        The folder: ``study.json``, ``study.md``, ``recipe.yaml``, ``environment.json``, and in
        ``folds/`` the pairs, adapter and answers of each student.

    Raises
    ------
    InputError
        For anything wrong with the recipe, the data, the split or the teacher, and for an adapter
        to start from that has learnt from somebody who is tested.
    """
    from imuscribe.finetune.adapters import check_start
    from imuscribe.finetune.lineage import check_strangers
    from imuscribe.finetune.rows import load_recordings, select
    from imuscribe.recipes.load import dump

    recordings = load_recordings(recipe)
    data_hash = "" if recipe.data == "simulated" else sha256(recipe.data)
    folds = [
        replace(fold, train=select(fold.train, recipe))
        for fold in make_folds(recordings, recipe.split, recipe.label_set, recipe.seed)
    ]
    check_start(recipe)
    trainer = _StudentTrainer(recipe, data_hash, progress)
    if any(arm.startswith("teacher") for arm in recipe.arms):
        trainer.chat_model()  # a teacher that cannot be had is told before anything is trained
    check_strangers(recipe, recordings, [rec for fold in folds for rec in fold.test])
    folder = Path(recipe.out) / recipe.name
    facts = environment(recipe.data, data_hash, command)
    write_text(folder / "recipe.yaml", dump(recipe))
    write_text(folder / "environment.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    for stale in ("study.json", "study.md"):  # figures never stand beside other settings
        (folder / stale).unlink(missing_ok=True)

    others = predict(recipe, folds, folder, data_hash, progress)
    students: dict[str, list[Student]] = {
        arm: [trainer.student(arm, fold, inside(folder, "folds", fold.name)) for fold in folds]
        for arm in recipe.arms
    }
    write_study(folder, summarise(recipe, folds, others, students))
    return folder


def schedule(rows: Sequence[Row], lengths: Sequence[int], tokens: int, seed: int) -> list[int]:
    """Return which rows are learnt, in order: pass after pass, until they hold so many tokens.

    Parameters
    ----------
    rows : sequence of dict
    lengths : sequence of int
        Tokens of each row.
    tokens : int
        The budget. It is met as nearly as whole rows can from below, by one row at least.
    seed : int
        Each pass has an order of its own.
    """
    order: list[int] = []
    spent = number = 0
    while rows:
        for i in np.random.default_rng([seed, number]).permutation(len(rows)):
            if order and spent + lengths[i] > tokens:
                return order
            order.append(int(i))
            spent += lengths[i]
        number += 1
    return order


class _StudentTrainer:
    """Teaches, trains and examines students; the teacher is loaded once."""

    def __init__(self, recipe: PairsRecipe, data_hash: str, progress: bool) -> None:
        from imuscribe.prompts.ask.tokens import load_tokenizer

        self.recipe = recipe
        self.data_hash = data_hash
        self.progress = progress
        self.serializer = build_serializer(recipe.text)
        self.tokenizer = load_tokenizer(recipe.model.base)
        self._model: ChatModel | None = None
        self._stop = threading.Event()

    def student(self, arm: Arm, fold: Fold, folder: Path) -> Student:
        """Return a student of one arm: taught, trained and examined, or found as it was left."""
        place = folder / arm
        recipe = self.recipe.student(explains=arm != "label")
        builder = PromptBuilder(self.tokenizer, recipe.label_set, recipe.prompt)
        taught, asked = self._taught(arm, fold.train, builder, place)
        adapter, trained = self._trained(taught, fold.train, recipe, place)
        scored, written, texts = self._examined(arm, fold, adapter, builder, place)
        return Student(arm, taught, asked, trained, scored, written, texts)

    def _taught(
        self, arm: Arm, recordings: Sequence[Recording], builder: PromptBuilder, place: Path
    ) -> tuple[list[Row], dict[str, int]]:
        """Have the recordings explained; write pairs, card and what was set aside."""
        from tqdm.auto import tqdm

        from imuscribe.prompts.teacher.store import TokenBudget
        from imuscribe.prompts.teacher.teachers import LanguageTeacher

        budget = TokenBudget()
        teacher = self._teacher(arm, builder, budget)
        workers = self.recipe.teacher.workers if isinstance(teacher, LanguageTeacher) else 1
        every = teach(
            recordings, self.serializer, builder, teacher, 1, self.recipe.seed, workers, self._stop
        )
        card, rows = DataCard(len(recordings)), []
        bar = tqdm(every, f"{arm}: taught", len(recordings), disable=not self.progress)
        with closing(every), bar:
            for one in bar:
                rows += one.rows
                card.add(one.rows, one.set_aside)
        write_pairs(rows, place / "pairs.jsonl")
        card.write(place / "pairs.jsonl", {"teacher": teacher.name, "arm": arm})
        asked = {
            "requests": budget.requests,
            "prompt_tokens": budget.prompt_tokens,
            "answer_tokens": budget.answer_tokens,
        }
        return rows, asked

    def chat_model(self) -> ChatModel:
        """Return the model that teaches, loaded when it is first asked for."""
        from imuscribe.finetune.local_teacher import chat_model

        if self._model is None:
            self._model = chat_model(self.recipe.teacher, self._stop)
        return self._model

    def _teacher(self, arm: Arm, builder: PromptBuilder, budget: TokenBudget) -> Teacher:
        from imuscribe.finetune.local_teacher import load_teacher
        from imuscribe.prompts.teacher.teachers import COMPUTED

        config, model = self.recipe.teacher, None
        teach = config.teach.model_copy(update={"keep_wrong": arm == "teacher"})
        config = config.model_copy(update={"teach": teach})
        if arm.startswith("teacher"):
            model = self.chat_model()
        else:
            config = config.model_copy(update={"name": COMPUTED})
        shared = config, builder, self.recipe.seed, budget, self._stop
        return load_teacher(*shared, facts=self.recipe.facts, model=model)

    def _trained(
        self, taught: Sequence[Row], recordings: Sequence[Recording], recipe: Recipe, place: Path
    ) -> tuple[Path, dict[str, float]]:
        """Train on the budget, or find the adapter that was."""
        from imuscribe.finetune.preflight import check_lengths, n_steps
        from imuscribe.finetune.rows import tokenised
        from imuscribe.finetune.sft import train
        from imuscribe.signals.errors import InputError

        if not taught:
            raise InputError(
                f"arm '{place.name}': nothing is left to learn: its reasons are in "
                f"{place / 'pairs.set-aside.jsonl'}; leave it out of 'arms', or ask another teacher"
            )
        lengths = check_lengths(taught, recipe, self.tokenizer)
        order = schedule(taught, lengths, self.recipe.tokens, recipe.seed)
        learnt = [
            sum(x != -100 for x in row["labels"]) for row in tokenised(taught, self.tokenizer)
        ]
        adapter = train(recipe, recordings, place, rows=[taught[i] for i in order])
        tokens = sum(lengths[i] for i in order)
        last = json.loads((place / "train-log.jsonl").read_text("utf-8").splitlines()[-1])
        return adapter, {
            "rows": len(order),
            "passes": len(order) / len(taught),
            "updates": n_steps(len(order), recipe),
            "tokens": tokens,
            "answer_tokens": sum(learnt[i] for i in order),
            "seconds": tokens / last["tokens_per_second"],
        }

    def _examined(
        self, arm: Arm, fold: Fold, adapter: Path, builder: PromptBuilder, place: Path
    ) -> tuple[Predictions, Predictions | None, list[str]]:
        """Ask for the label alone, and for an explanation where it was learnt."""
        from imuscribe.finetune.adapters import weights_hash
        from imuscribe.recipes.schema import fingerprint

        settings = self.recipe.evaluate
        key = f"{weights_hash(adapter)}:{fingerprint(self.recipe, _SECTIONS)}:{self.data_hash}"
        held: list[tuple[PreTrainedModel, PreTrainedTokenizerBase]] = []

        def network() -> PreTrainedModel:
            from imuscribe.finetune.base import load_base

            if not held:
                held.append(load_base(self.recipe.model, adapter))
            return held[0][0]

        scored = load(place / "scored.parquet", key, fold.test)
        if scored is None:
            scored = self._scored(fold.test, network())
            save(scored, place / "scored.parquet", fold.name, arm, key)
        if not builder.config.reasoning:
            return scored, None, []
        key += f":{settings.max_new_tokens}"
        answers = place / "answers.json"
        found = json.loads(answers.read_text("utf-8")) if answers.is_file() else {}
        written = load(place / "written.parquet", key, fold.test)
        if written is None or found.get("key") != key:
            written, texts = self._written(fold.test, network(), builder)
            found = {"key": key, "texts": texts}
            write_text(answers, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
            save(written, place / "written.parquet", fold.name, f"{arm}, written", key)
        return scored, written, list(found["texts"])

    def _scored(self, test: Sequence[Recording], network: PreTrainedModel) -> Predictions:
        import time

        from imuscribe.finetune.scoring import LabelScorer

        labels = self.recipe.label_set
        builder = PromptBuilder(self.tokenizer, labels, self.recipe.prompt)
        prompts = self._prompts(test, builder)
        scorer = LabelScorer(network, self.tokenizer, [builder.completion(x) for x in labels])
        begin = time.perf_counter()
        found = scorer.score(prompts, self.recipe.evaluate.batch_size, progress=self.progress)
        seconds = (time.perf_counter() - begin) / len(test)
        log_probs = found.log_probs.astype(np.float64)
        return Predictions.of(test, labels, log_probs, self._tokens(prompts), seconds)

    def _written(
        self, test: Sequence[Recording], network: PreTrainedModel, builder: PromptBuilder
    ) -> tuple[Predictions, list[str]]:
        import time

        from imuscribe.finetune.scoring import generate

        labels, settings = self.recipe.label_set, self.recipe.evaluate
        prompts = self._prompts(test, builder)
        begin = time.perf_counter()
        texts = generate(
            network,
            self.tokenizer,
            prompts,
            settings.max_new_tokens,
            settings.batch_size,
            self.progress,
        )
        seconds = (time.perf_counter() - begin) / len(test)
        scores = np.full((len(test), len(labels)), -np.inf)
        for row, text in zip(scores, texts, strict=True):
            for rank, label in enumerate(parse_answer(text, labels).ranked):
                row[labels.index(label)] = -rank
        return Predictions.of(test, labels, scores, self._tokens(prompts), seconds), texts

    def _prompts(self, test: Sequence[Recording], builder: PromptBuilder) -> list[str]:
        texts = self.serializer.encode([self.serializer.features(rec) for rec in test])
        return [builder.prompt(text) for text in texts]

    def _tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self.tokenizer(text, verbose=False)["input_ids"]) for text in texts]
