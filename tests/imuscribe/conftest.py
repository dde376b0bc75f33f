"""What the tests of the front door share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.imuscribe.mistakes import Accepted


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing begin that a mistake should have prevented."""

    def begin(*_: Any, **__: Any) -> None:
        raise Accepted

    for place in (
        *("eval.run.run", "eval.run.plan", "finetune.sft.plan", "mapping3d.fit.fit_and_save"),
        "finetune.rows.load_recordings",
    ):
        monkeypatch.setattr(f"imuscribe.{place}", begin)
