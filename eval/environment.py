"""Where and with what a run was made, so that a figure can be traced and repeated."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from imuscribe.signals.errors import InputError
from imuscribe.signals.files import sha256

PACKAGES = (
    *("accelerate", "aeon", "datasets", "dtaidistance", "numpy", "pandas", "peft"),
    *("scikit-learn", "scipy", "tokenizers", "torch", "transformers", "trl"),
)


def environment(command: str) -> dict[str, Any]:
    """Return when, where and with what a run is made; `command` is how it was asked for."""
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
    }


def data_facts(path: str) -> dict[str, str]:
    """Return a data file as the recipe names it and its SHA-256, empty for simulated data."""
    try:
        return {"path": path, "sha256": "" if path == "simulated" else sha256(path)}
    except OSError as error:
        raise InputError(
            f"data '{path}': {error.strerror}: set data= to a Parquet file of recordings"
        ) from None


def as_json(values: Any) -> str:
    """Return plain values as the files of a run folder hold them."""
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _commit() -> str:
    """Return the commit of this source tree, marked when it was changed; empty outside git."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return ""
    asked = ("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes")
    git = ["git", "-C", str(here), *asked]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.is_file() else ""
    named = (line for line in text.splitlines() if line.startswith("model name"))
    told = next(named, "").partition(":")[2].strip()
    return told or platform.processor() or platform.machine()


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
