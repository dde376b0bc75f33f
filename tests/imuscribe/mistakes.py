"""What the tables of mistakes share: how a command is tried, what refuses, a sound recording."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from imuscribe.cli import app
from imuscribe.signals.errors import InputError
from imuscribe.signals.recording import ACC, GYRO, Recording

Rows = Iterable[tuple[tuple[str, ...], str]]
"""Arguments of a command, and what its refusal must say."""


class Accepted(Exception):
    """Work began."""


def refusal(arguments: Iterable[object]) -> str:
    """Return what a command says against its arguments; Accepted if it says nothing."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, InputError):
        return str(result.exception)
    if isinstance(result.exception, SystemExit) and result.exception.code == 2:
        return " ".join(result.output.replace("│", " ").split())  # typer's own, in a box
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    raise Accepted


def check(rows: Rows, folder: Path) -> None:
    """Try every row, count what went wrong, and tell of all of it at once."""
    before = tree(folder)
    wrong, n, raised, accepted = [], 0, 0, 0
    for arguments, expected in rows:
        n += 1
        try:
            said = refusal(arguments)
        except Accepted:
            accepted += 1
            wrong.append(f"accepted: {arguments}")
            continue
        except Exception as error:
            raised += 1
            wrong.append(f"{type(error).__name__} {error}: {arguments}")
            continue
        longest = max(map(len, said.splitlines()), default=0)
        if "Usage:" not in said and not 0 < longest < 300:
            wrong.append(f"{longest} characters: {arguments}: {said[:80]}")
        if not re.search(expected, said):
            wrong.append(f"does not say '{expected}': {arguments}: {said[:300]}")
    sys.stdout.write(f"{n} rows, {raised} tracebacks, {accepted} silently wrong\n")
    assert not wrong, "\n".join(wrong)
    assert tree(folder) == before, "something was written"


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file and folder, and what the files hold."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def recording() -> Recording:
    """Return two seconds of a sound recording: one letter of one person."""
    t = np.arange(100) / 50
    data = np.zeros((6, 100), np.float32)
    data[2] = 9.81
    data[0] = np.sin(9 * t)
    return Recording("r1", data, (*ACC, *GYRO), t, label="A", subject="ann")
