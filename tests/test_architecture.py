"""The layering as a test: corpus ← rag ← eval ← ui; importing us never loads a model library; our names are ours."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "corpus": set(),
    "rag": {"corpus"},
    "eval": {"corpus", "rag"},
    "ui": {"corpus", "rag", "eval"},
}
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "gradio", "openai", "ray"}
MAY_NAME = {  # the only files that know a heavy library
    "torch": {
        *(f"rag/{module}.py" for module in ("chat", "crossencoder", "decode", "judge", "lora", "models", "tree")),
        *(f"rag/train/{part}.py" for part in ("crossencoder", "embedder", "held", "loop", "writer")),
    },
    "transformers": {
        *("rag/chat.py", "rag/crossencoder.py", "rag/models.py"),
    },
    "sentence_transformers": {"rag/embed.py"},
    "faiss": {"rag/nearest.py"},
    "openai": {"rag/endpoint.py"},
    "ray": {"rag/workers.py"},
    "psycopg": {
        *(
            "corpus/postgres.py",
            "corpus/transfer_postgres.py",
            "corpus/postgres_schema.py",
            "corpus/postgres_servers.py",
            "corpus/postgres_write.py",
        ),
        *(f"corpus/postgres_{part}.py" for part in ("health", "links", "origins", "vectors")),
    },
    "gradio": {
        *("ui/page.py", "ui/server.py", "ui/library_tab.py", "ui/evaluation_tab.py"),
        *("ui/asking_panel.py", "ui/conversation_panel.py", "ui/map_panel.py", "ui/parts.py", "ui/endpoints.py"),
    },
}
# Bottom up: a module imports only from those before it in its own folder. All of a package within it have one place.
ORDER = {
    "corpus": (
        "errors stopwords unspaced language insight filters places passages plaintext prose rows markdown edit bibtex "
        "anki export items formats readers pasted duplicates vectors database passing browse stored imports "
        "reading sqlite_links sqlite_origins sqlite terms postgres_address postgres_schema postgres_search "
        "postgres_servers postgres_vectors postgres_links postgres_origins postgres_write postgres_health "
        "postgres library transfer transfer_sqlite transfer_postgres migrate upkeep copies salvage"
    ).split(),
    "rag": (
        "datatypes config models stop breaker retry lora tree prompt chat crossencoder judge words edits "
        "growing rules embed workers nearest pgvector index_file index retrieve spread map followup dates "
        "asked read decode endpoint write verify stances pipeline changeover train"
    ).split(),
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> list[str]:
    """Every module that the file imports, at whatever depth."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.append(node.module)
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_folders_import_in_one_direction(package: str) -> None:
    assert modules(package)
    for path in modules(package):
        ours = {name.split(".")[0] for name in imports(path)} & MAY_IMPORT.keys() - {package}
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} may not import {ours - MAY_IMPORT[package]}"


@pytest.mark.parametrize("package", ORDER)
def test_modules_import_only_those_before_them(package: str) -> None:
    order = ORDER[package]
    places = {path: path.relative_to(ROOT / package).with_suffix("").parts[0] for path in modules(package)}
    names = {*places.values()} - {"__init__"}
    assert names <= set(order), f"give {names - set(order)} a place in ORDER"
    for path, place in places.items():
        for name in imports(path):
            folder, module = [*name.split("."), ""][:2]
            inside = module == place and path.parent != ROOT / package
            if folder == package and module and place != "__init__" and not inside:
                assert order.index(module) < order.index(place), f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("library", MAY_NAME)
def test_heavy_libraries_are_named_in_few_files(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in MAY_IMPORT
        for path in modules(package)
        if library in {name.split(".")[0] for name in imports(path)}
    }
    assert users == MAY_NAME[library]


def test_importing_us_is_light() -> None:
    parts = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in MAY_IMPORT
        for path in modules(package)
        if path.relative_to(ROOT).as_posix() not in MAY_NAME["gradio"]  # these are the page
    ]
    load = f"import sys, importlib; [importlib.import_module(m) for m in {parts}]"
    code = f"{load}; print(sorted({HEAVY} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_other_distribution_claims_our_name(package: str) -> None:
    owners = set(importlib.metadata.packages_distributions().get(package, []))
    assert owners <= {"footnoted"}, f"{package!r} is also installed by {owners - {'footnoted'}}"


def test_nobody_imports_eval_by_its_bare_name() -> None:
    """`import eval` would hide the built-in function in that module."""
    for package in MAY_IMPORT:
        for path in modules(package):
            assert not re.search(r"^\s*import eval\b(?!\.)", path.read_text(encoding="utf-8"), re.M), path
