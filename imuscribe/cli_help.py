"""How every command's help ends."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return the text below a command's options: lines that can be typed as they stand."""
    return "[bold]Examples[/bold]\n\n" + "\n\n".join(lines)
