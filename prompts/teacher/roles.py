"""What the teacher's three roles, and the critique, are asked: text files one can replace.

A file has a ``[system]`` and a ``[user]`` part. ``$name`` stands for a value, ``$$`` for a dollar
sign.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from imuscribe.signals.errors import InputError, nearest

_ABOUT = ("noun", "label", "labels", "facts", "signal", "samples", "conclusion")
VALUES: dict[str, tuple[str, ...]] = {
    "explain": _ABOUT,
    "restructure": (*_ABOUT, "explanation"),
    "critique": (*_ABOUT, "explanation", "errors"),
    "paraphrase": ("noun", "labels", "instruction"),
}
"""The roles, and the values that the text of each may use."""


@dataclass(frozen=True)
class RolePrompt:
    """The text of one role: two messages, the first of which may be empty."""

    system: Template
    user: Template

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Return the system and the user message."""
        return self.system.substitute(values), self.user.substitute(values)

    @property
    def names(self) -> set[str]:
        """The values it uses."""
        return {*self.system.get_identifiers(), *self.user.get_identifiers()}


class RolePrompts(dict[str, RolePrompt]):
    """The texts of all roles: those given by role, else in a folder, else as packaged.

    A folder holds ``explain.txt``, ``restructure.txt``, ``critique.txt`` or ``paraphrase.txt``.
    InputError if it holds none of them, or a text is not in the form above.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, texts: Mapping[str, str] = {}
    ) -> None:
        super().__init__()
        packaged = resources.files("imuscribe.prompts") / "teacher"
        chosen = {role: (packaged / f"{role}.txt").read_text(encoding="utf-8") for role in VALUES}
        if folder is not None:
            chosen |= _texts_in(Path(folder))
        chosen |= texts
        for role, text in chosen.items():
            self[role] = _parse(text, role, VALUES[role])
        digest = hashlib.sha256("\0".join(chosen[role] for role in sorted(chosen)).encode())
        self.hash = digest.hexdigest()[:12]
        """Stands for all the texts together."""


def packaged(role: str, values: Sequence[str]) -> RolePrompt:
    """Return the packaged text of a role beside `VALUES`, which may use these values."""
    text = (resources.files("imuscribe.prompts") / "teacher" / f"{role}.txt").read_text("utf-8")
    return _parse(text, role, values)


def _texts_in(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise InputError(f"--prompts '{folder}': no such folder")
    found = {}
    for path in sorted(folder.glob("*.txt")):
        if path.stem not in VALUES:
            raise InputError(f"{path}: is no role: {nearest(path.stem, VALUES)}")
        try:
            found[path.stem] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from error
    if not found:
        roles = ", ".join(f"{role}.txt" for role in VALUES)
        raise InputError(f"--prompts '{folder}': holds none of {roles}")
    return found


def _parse(text: str, role: str, known: Sequence[str]) -> RolePrompt:
    parts = re.split(r"^\[(system|user)\][ \t]*$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    if not sections.get("user"):
        raise InputError(f"{role}.txt: has no [user] part: write [user] on a line of its own first")
    prompt = RolePrompt(Template(sections.get("system", "")), Template(sections["user"]))
    if not (prompt.system.is_valid() and prompt.user.is_valid()):
        raise InputError(f"{role}.txt: has a lone '$': write '$$' for a dollar sign")
    for name in sorted(prompt.names - set(known)):
        hint = nearest(name, [f"${value}" for value in known])
        raise InputError(f"{role}.txt: uses ${name}, which is not known here: {hint}")
    return prompt
