"""Students of one recipe that learn the same recordings with other answers.

Every student starts from the same weights and reads the same number of tokens; what it is taught
to answer differs.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imuscribe.eval.predictions import Predictions, timed
from imuscribe.eval.splits import Fold
from imuscribe.finetune.reading import Reader
from imuscribe.prompts.ask.templates import PromptBuilder
from imuscribe.prompts.serialize import build_serializer
from imuscribe.prompts.teacher.pair_files import DataCard, Row, write_pairs
from imuscribe.prompts.teacher.teach import teach
from imuscribe.signals.files import inside, parsed_json
from imuscribe.signals.recording import Recording

if TYPE_CHECKING:
    from imuscribe.prompts.teacher.chat import ChatModel
    from imuscribe.prompts.teacher.store import TokenBudget
    from imuscribe.prompts.teacher.teachers import Teacher
    from imuscribe.recipes.explanations import Arm, PairsRecipe
    from imuscribe.recipes.schema import Recipe

Values = dict[str, Any]

COUNTS = ("claims", "supported", "contradicted", "unchecked")


class StudentTrainer:
    """Teaches, trains and examines students; the teacher is loaded once.

    Answers of the teacher and trained adapters are kept: what was interrupted goes on.
    """

    def __init__(self, recipe: PairsRecipe, folder: Path, progress: bool) -> None:
        from imuscribe.prompts.ask.tokens import load_tokenizer

        self.recipe, self.folder, self.progress = recipe, folder, progress
        self.serializer = build_serializer(recipe.text)
        self.tokenizer = load_tokenizer(recipe.model.base)
        self._model: ChatModel | None = None
        self._stop = threading.Event()
        self._students: dict[tuple[str, str], tuple[Path, Values]] = {}
        self._held: Reader | None = None

    def training(self, arm: Arm, fold: Fold) -> Values:
        """Return what a student was taught and what its training took."""
        return self._student(arm, fold)[1]

    def scored(self, arm: Arm, fold: Fold) -> Predictions:
        """Return what a student answers when asked for the label alone."""
        reader = self._reader(arm, fold)
        prompts = reader.prompts(reader.texts(fold.test))
        signals = reader.signals(fold.test)
        log_probs, seconds = timed(
            lambda: reader.score(prompts, self.progress, signals), len(prompts)
        )
        tokens = reader.tokens(prompts)
        scores = log_probs.astype(np.float64)
        return Predictions.of(fold.test, reader.labels, scores, tokens, seconds)

    def written(self, arm: Arm, fold: Fold) -> Values:
        """Return what a student writes about each test recording, with tokens and seconds."""
        reader, builder = self._reader(arm, fold), self._builder(arm)
        prompts = [builder.prompt(text) for text in reader.texts(fold.test)]
        texts, seconds = timed(lambda: reader.write(prompts, self.progress), len(prompts))
        return {"texts": texts, "tokens": reader.tokens(prompts).tolist(), "seconds": seconds}

    def _builder(self, arm: Arm) -> PromptBuilder:
        prompt = self.recipe.student(explains=arm != "label").prompt
        return PromptBuilder(self.tokenizer, self.recipe.label_set, prompt)

    def _student(self, arm: Arm, fold: Fold) -> tuple[Path, Values]:
        """Return the adapter of a student, taught and trained or found as it was left."""
        known = arm, fold.name
        if known not in self._students:
            place = inside(self.folder, fold.name, arm)
            recipe = self.recipe.student(explains=arm != "label")
            taught, asked = self._taught(arm, fold.train, self._builder(arm), place)
            adapter, trained = self._trained(taught, fold.train, recipe, place)
            self._students[known] = (
                adapter,
                {
                    "recordings": len(taught),
                    "labels": sorted({row["label"] for row in taught}),
                    "taught": {key: sum(row[key] for row in taught) for key in COUNTS},
                    "asked": asked,
                    "trained": trained,
                },
            )
        return self._students[known]

    def _reader(self, arm: Arm, fold: Fold) -> Reader:
        """Return a student that is asked for the label alone; one is loaded at a time."""
        adapter = self._student(arm, fold)[0]
        if self._held is None or self._held.adapter != adapter:
            self._held = None
            self._held = Reader(adapter, self.recipe.student(explains=False))
        return self._held

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
        last = parsed_json((place / "train-log.jsonl").read_text("utf-8").splitlines()[-1])
        return adapter, {
            "rows": len(order),
            "passes": len(order) / len(taught),
            "updates": n_steps(len(order), recipe),
            "tokens": tokens,
            "answer_tokens": sum(learnt[i] for i in order),
            "seconds": tokens / last["tokens_per_second"],
        }


def schedule(rows: Sequence[Row], lengths: Sequence[int], tokens: int, seed: int) -> list[int]:
    """Return which rows are learnt, in order: pass after pass, until they hold so many tokens."""
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
