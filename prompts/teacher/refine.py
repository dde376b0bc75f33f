"""LanHAR's re-generation around a teacher: explanations of one label shall lie close together.

All recordings are explained first; then outliers are explained anew (`clusters`), and the
pairs are made of what came of it. A new explanation has to be as free of errors as the old one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from imuscribe.prompts.serialize.text import Serializer
from imuscribe.prompts.teacher.chat import Stopped, Unanswered
from imuscribe.prompts.teacher.clusters import ClusterConfig, Clusters, Encoder, Tightened, tighten
from imuscribe.prompts.teacher.teach import in_order
from imuscribe.prompts.teacher.teachers import LanguageTeacher, Lesson
from imuscribe.signals.recording import Recording


class TightenedTeacher:
    """A teacher whose explanations have been drawn together.

    Parameters
    ----------
    teacher : LanguageTeacher
    recordings : sequence of Recording
        All that will be taught.
    serializer : Serializer
    encoder : Encoder
        Embeds explanations.
    workers : int
        Recordings explained at once; what is explained anew comes one by one.
    stop : threading.Event, optional
        As for `prompts.teacher.teach.teach`.
    config : ClusterConfig

    Raises
    ------
    InputError
        If the teacher cannot go on at all.
    """

    def __init__(
        self,
        teacher: LanguageTeacher,
        recordings: Sequence[Recording],
        serializer: Serializer,
        encoder: Encoder,
        workers: int = 8,
        stop: threading.Event | None = None,
        config: ClusterConfig = ClusterConfig(),
    ) -> None:
        self.teacher = teacher
        signals = serializer.encode([serializer.features(rec) for rec in recordings])

        def explained(place: int) -> Lesson | Unanswered | Stopped:
            try:
                return teacher.explain(recordings[place], signals[place])
            except (Unanswered, Stopped) as missing:
                return missing

        found = list(in_order(explained, range(len(recordings)), workers, stop))
        self._lessons = {rec.id: one for rec, one in zip(recordings, found, strict=True)}
        self.tightened = Tightened([], [], [])
        """What was done; empty where nothing was explained."""
        there = [(i, one) for i, one in enumerate(found) if isinstance(one, Lesson)]
        if not there:
            return
        asked: Counter[int] = Counter()
        offered: dict[tuple[int, str], Lesson] = {}

        def regenerate(item: int, text: str) -> str | None:
            place, _ = there[item]
            rec = recordings[place]
            present = offered.get((item, text), there[item][1])
            asked[item] += 1
            try:
                new = teacher.revise(rec, signals[place], present, asked[item])
            except (Unanswered, Stopped):
                return None
            if len(new.verdict.errors) > len(present.verdict.errors):
                return None
            offered[item, new.reasoning] = new
            return new.reasoning

        texts = [lesson.reasoning for _, lesson in there]
        clusters = Clusters(texts, [recordings[i].label for i, _ in there], encoder)
        self.tightened = tighten(clusters, regenerate, config)
        for item, (place, lesson) in enumerate(there):
            kept = offered.get((item, self.tightened.texts[item]), lesson)
            self._lessons[recordings[place].id] = kept

    @property
    def name(self) -> str:
        """That of the teacher."""
        return self.teacher.name

    @property
    def prompts_hash(self) -> str:
        """That of the teacher's prompts."""
        return self.teacher.prompts_hash

    def explain(self, rec: Recording, signal: str) -> Lesson:
        """Return the explanation as it was left; raise what stood in its way."""
        lesson = self._lessons[rec.id]
        if isinstance(lesson, Exception):
            raise lesson
        return lesson

    def instruction(self, rec: Recording, place: int, number: int) -> int | str:
        """Word the question as the teacher does."""
        return self.teacher.instruction(rec, place, number)
