"""The recipe of the alignment stage: a language model learns to answer questions about signals."""

from __future__ import annotations

from typing import Literal

from imuscribe.recipes.schema import Recipe


class QuestionsRecipe(Recipe):
    """What is asked, and who teaches whom; `evaluate.methods` means nothing."""

    kind: Literal["questions"] = "questions"  # type: ignore[assignment]

    def _mistakes(self) -> list[str]:
        mistakes = super()._mistakes()
        if self.sensor is None:
            mistakes.append("'sensor' is null: there are no tokens to ask about: set sensor={}")
        if self.questions.channels:
            mistakes.append(
                "'questions.channels' names some: the encoder sees all channels: set "
                "questions.channels=[]"
            )
        return mistakes
