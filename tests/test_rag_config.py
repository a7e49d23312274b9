"""Settings: which source wins, what is refused and in which words, and the fingerprint."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import UsageError
from rag.config import CHOICES, Config, load_config

NAMES = [field.name for field in dataclasses.fields(Config)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own: the checkout may hold a footnoted.toml."""
    monkeypatch.chdir(tmp_path)


def test_nothing_given_means_the_defaults() -> None:
    assert load_config(None, {}) == Config()


def test_defaults_then_file_then_environment_then_flags(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("candidates = 11\nnearest = 12\nmax_evidence = 13\n")
    environment = {"FOOTNOTED_NEAREST": "22", "FOOTNOTED_MAX_EVIDENCE": "23", "FOOTNOTED_LIBRARY": "not a setting"}
    config = load_config(file, environment, max_evidence="33")
    assert (config.candidates, config.nearest, config.max_evidence) == (11, 22, 33)
    assert config.max_sentences == Config().max_sentences


def test_a_file_in_the_working_folder_is_read_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "footnoted.toml").write_text("candidates = 7\nnearest = 7\n")
    (tmp_path / "other.toml").write_text("candidates = 8\n")
    assert load_config(None, {}).candidates == 7
    assert load_config(tmp_path / "other.toml", {}) == Config(candidates=8)


def test_an_empty_variable_and_a_flag_that_was_not_given_change_nothing() -> None:
    assert load_config(None, {"FOOTNOTED_WRITER": "", "FOOTNOTED_NEAREST": " "}, caution=None) == Config()


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CAUTION", "strict")
    assert load_config().caution == "strict"


def other(name: str) -> Any:
    """A legal value that isn't the default."""
    default = getattr(Config(), name)
    if name in CHOICES:
        return next(choice for choice in CHOICES[name] if choice != default)
    return default + "x" if isinstance(default, str) else default + 1


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_can_be_set_as_text_and_changes_the_fingerprint(name: str) -> None:
    changed = load_config(None, {}, **{name: str(other(name))})
    assert changed == dataclasses.replace(Config(), **{name: other(name)})
    assert changed.fingerprint() != Config().fingerprint()


def test_the_fingerprint_depends_on_the_settings_alone() -> None:
    assert Config().fingerprint() == Config().fingerprint() == load_config(None, {}).fingerprint()
    assert len(Config().fingerprint()) == 12


def test_there_are_at_most_twenty_settings() -> None:
    assert len(NAMES) <= 20


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("colour", "red", "There is no setting 'colour'. The settings are: embedder, writer,"),
        ("file", "x", "There is no setting 'file'."),  # also the name of a parameter
        ("environment", "x", "There is no setting 'environment'."),
        ("", "x", "There is no setting ''."),
        ("candidates", "many", "candidates can't be 'many'. Give it a value of the kind int."),
        ("candidates", "1.5", "candidates can't be '1.5'."),
        ("candidates", "0", "candidates can't be 0. Give it a number from 1 up."),
        ("max_evidence", "0", "max_evidence can't be 0."),
        ("nearest", "-1", "nearest can't be -1. Give it a number from 0 up."),
        ("endpoint_timeout", "nan", "endpoint_timeout can't be nan."),
        ("endpoint_timeout", "inf", "endpoint_timeout can't be inf."),
        ("caution", "reckless", "caution can't be 'reckless'. Choose one of lenient, normal, strict."),
        ("retriever", "", "retriever can't be ''. Choose one of dense, lexical, fused."),
        ("writer", " ", "writer can't be empty. Leave it out for the default, footnoted-writer."),
    ],
)
def test_what_cannot_be_set_is_refused_in_a_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(None, {}, **{name: value})
    assert str(caught.value).startswith(sentence)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "footnoted.toml").write_text("candidate = 7\n")
    with pytest.raises(UsageError, match="There is no setting 'candidate'"):
        load_config(None, {})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"candidates = [", "settings.toml is not valid TOML"),
        (b"writer = '\xff'", "settings.toml is not valid TOML"),
        (b"candidates = [1]", "candidates can't be \\[1\\]"),
        (None, "settings.toml can't be read: No such file or directory"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=sentence):
        load_config(file, {})
