"""One frozen record of settings: defaults < TOML file < environment < flags."""

import dataclasses
import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import UsageError


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting there is. `Config()` are the defaults, chosen on parts of InsightQA `train`."""

    embedder: str = "footnoted-embedder"  # a bare name, a folder or a hub id
    writer: str = "footnoted-writer"  # the same, or quote, or openai:MODEL@URL
    retriever: str = "fused"  # dense, lexical or fused
    candidates: int = 20  # passages that retrieval hands to the reader
    lexical_weight: float = 0.08  # what each rare word in common after the first is worth, in units of cosine
    max_evidence: int = 3  # quotes in an answer
    nearest: int = 3  # insights shown when the library doesn't hold the answer
    caution: str = "normal"  # lenient, normal or strict: how readily a question is refused
    max_sentences: int = 3  # of the writer's; the quotes it leaves out come on top
    max_new_tokens: int = 96
    prompt_tokens: int = 1500  # budget for the evidence in the prompt
    max_question: int = 2000  # characters
    endpoint_timeout: float = 60.0  # seconds that an OpenAI-compatible endpoint has for one text, retries included

    def fingerprint(self) -> str:
        """12 hexadecimal digits that change whenever a setting does."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:12]


CHOICES = {"retriever": ("dense", "lexical", "fused"), "caution": ("lenient", "normal", "strict")}
AT_LEAST_ONE = ("candidates", "max_evidence", "max_question")  # without, nothing is ever found
DEFAULT_FILE = Path("footnoted.toml")


def load_config(
    file: Path | None = None, environment: Mapping[str, str] = os.environ, /, **flags: str | int | float | None
) -> Config:
    """Settings from a TOML file (`footnoted.toml` if it is there), FOOTNOTED_<NAME> variables and flags, the last wins.

    Raises UsageError for a missing file, broken TOML, an unknown setting or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    source = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if source:
        values |= _read_toml(source)
    for field in dataclasses.fields(Config):
        if text := environment.get(f"FOOTNOTED_{field.name.upper()}", "").strip():  # empty means unset, as elsewhere
            values[field.name] = text
    values |= {name: value for name, value in flags.items() if value is not None}
    return Config(**{name: _checked(name, value) for name, value in values.items()})


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", "Mend that line.") from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.", "Check the path given with --config.") from error


def _checked(name: str, value: Any) -> Any:
    """The value in the type of the default, or a UsageError that names the setting."""
    fields = {field.name: field for field in dataclasses.fields(Config)}
    if name not in fields:
        raise UsageError(f"There is no setting {name!r}.", f"The settings are: {', '.join(fields)}.")
    kind: type[str | int | float] = type(getattr(Config(), name))
    try:
        value = kind(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} can't be {value!r}.", f"Give it a value of the kind {kind.__name__}.") from error
    if value not in CHOICES.get(name, (value,)):
        raise UsageError(f"{name} can't be {value!r}.", f"Choose one of {', '.join(CHOICES[name])}.")
    if isinstance(value, str) and not value.strip():
        raise UsageError(f"{name} can't be empty.", f"Leave it out for the default, {getattr(Config(), name)}.")
    least = 1 if name in AT_LEAST_ONE else 0
    if not isinstance(value, str) and not least <= value < math.inf:
        raise UsageError(f"{name} can't be {value}.", f"Give it a number from {least} up.")
    return value
