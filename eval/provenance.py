"""How a run came about: the code, the machine, and fingerprints of what it was made from."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# What rows come from, beside models and settings. rag/train isn't among it: weights have fingerprints of their own.
CODE = ("corpus/*.py", "rag/*.py", *(f"eval/{name}.py" for name in "ablations rows run session spans text".split()))


def fingerprint(values: Iterable[object], *, in_order: bool = False) -> str:
    """12 hexadecimal digits that change whenever one of these values, as JSON, does; or their order, if that counts."""
    lines = [json.dumps(value) for value in values]
    return hashlib.sha256("\n".join(lines if in_order else sorted(lines)).encode()).hexdigest()[:12]


def code_fingerprint() -> str:
    """12 hexadecimal digits of the code that rows come from. Unlike a commit they tell what isn't committed."""
    code = hashlib.sha256()
    for file in sorted(file for pattern in CODE for file in CHECKOUT.glob(pattern)):
        code.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return code.hexdigest()[:12]


def checkout_state() -> tuple[str, bool]:
    """The commit, and whether anything but result files differs from it; ("", True) outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", ".", ":(exclude)eval/results", ":(exclude)*.unfinished.jsonl*")
    return (commit or "").strip(), commit is None or changes is None or bool(changes.strip())


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def machine() -> dict[str, str | int]:
    """What the seconds depend on; no name of the machine and no paths."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
