"""Where and with what a run was made, so that a figure can be traced and repeated."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "accelerate",
    "aeon",
    "datasets",
    "dtaidistance",
    "numpy",
    "pandas",
    "peft",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
)


def environment(data: str, data_hash: str, command: str) -> dict[str, Any]:
    """Return the facts of this run as plain values.

    Parameters
    ----------
    data, data_hash : str
        The data file as the recipe names it, and its SHA-256; empty for simulated data.
    command : str
        How the run was asked for.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": command,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "machine": {
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "gpu": _gpu(),
            "system": platform.platform(terse=True),
        },
        "data": {"path": data, "sha256": data_hash},
    }


def as_json(values: Any) -> str:
    """Return plain values as the files of a run folder hold them."""
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def dataset_name(path: str, sha256: str) -> str:
    """Name the data so that a reader can tell whether theirs is the same."""
    return "simulated" if path == "simulated" else f"{Path(path).name}, SHA-256 {sha256[:12]}"


def origin(found: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a ledger's row comes from: a result's recipe and seed, a run's environment."""
    machine = facts["machine"]
    return {
        "recipe": found["name"],
        "command": facts["command"],
        "commit": facts["commit"],
        "seed": found.get("seed", 0),
        "date": facts["date"],
        "machine": machine["gpu"] or f"{machine['cpus']} × {machine['processor']}",
    }


def _commit() -> str:
    """Return the commit of this source tree, marked when it was changed; empty outside git."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return ""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--short=12", "HEAD")
    return f"{head}+changes" if head and git("status", "--porcelain", "-uno") else head


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
