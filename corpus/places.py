"""Where Footnoted keeps its files: what can be made again in the cache, what is the person's own in the data folder."""

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The folder for what can be made again, FOOTNOTED_CACHE if that is set; it may not exist yet."""
    return _chosen("FOOTNOTED_CACHE") or platformdirs.user_cache_path("footnoted", appauthor=False)


def data_dir() -> Path:
    """The folder for the person's own library, FOOTNOTED_DATA if that is set; it may not exist yet."""
    return _chosen("FOOTNOTED_DATA") or platformdirs.user_data_path("footnoted", appauthor=False)


def _chosen(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser() if value else None
