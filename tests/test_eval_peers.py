"""Other systems: how their replies are read, what becomes of them, and each adapter on a fake of its system."""

import ast
import json
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UsageError
from corpus.insight import Insight, make_insight
from eval.compare import load_run
from eval.peers import run as peers_run
from eval.peers.common import MAX_NEW_TOKENS, TOP_K, Parts, Peer, peer_session
from eval.peers.haystack_rag import MARKERS, REFUSAL, open_haystack
from eval.peers.haystack_rag import TEMPLATE as HAYSTACK_TEMPLATE
from eval.peers.llamaindex import open_llamaindex
from eval.peers.reading import Reply, Sentence, numbered_reply, refuses, whole_reply
from eval.peers.run import SYSTEMS, ask_peer, main
from eval.peers.txtai_rag import open_txtai
from eval.questions import Question
from eval.rows import Row
from eval.run import run
from rag.datatypes import Turn

ROOT = Path(__file__).resolve().parents[1]
PARTS = Parts("embedder-folder", "writer-folder", "bf16", "cpu")
FREIGHT = make_insight("Freight cars stand idle for two thirds of their life.", insight_id="s6")
TRAINS = make_insight("Night trains fill with tourists. Ottavia Brandt counted 310 suitcases.", insight_id="s2")
OVENS = make_insight("Ovens lose a third of their heat through the door.", insight_id="s3")
LIBRARY = [FREIGHT, TRAINS, OVENS]


# --------------------------------------------------------------------------------------------------------- reading


def read(text: str) -> list[tuple[str, str]]:
    """The sentences and what they cite, of the sources a, b and c."""
    return [(each.text, "".join(each.cited)) for each in numbered_reply(text, ["a", "b", "c"]).sentences]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Water is wet [2]. The sky is red [1].", [("Water is wet.", "b"), ("The sky is red.", "a")]),
        ("Water is wet [1, 3], and red [2].", [("Water is wet, and red.", "acb")]),
        ("Water is wet [1][3].", [("Water is wet.", "ac")]),
        ("Water is wet [1-3].", [("Water is wet.", "abc")]),
        ("Water is wet [1 and 2].", [("Water is wet.", "ab")]),
        ("Water is wet [2] [2].", [("Water is wet.", "b")]),
        ("Water is wet.[2] The sky is red. [1]", [("Water is wet.", "b"), ("The sky is red.", "a")]),
        ("Water is wet.\n[3]", [("Water is wet.", "c")]),
        ("[1] Water is wet. [2] The sky is red.", [("Water is wet.", "a"), ("The sky is red.", "b")]),
        (
            "So it is:\n[1] Water is wet. [2] It is red. [3]",
            [("So it is:", ""), ("Water is wet.", "a"), ("It is red.", "bc")],
        ),
        ("As stated in Document[2], water is wet.", [("As stated in, water is wet.", "b")]),
        ("Water is wet [Source 3].", [("Water is wet.", "c")]),
        ("Source 1: Water is wet.", [("Water is wet.", "a")]),
        ("Water is wet (sources 1 and 2).", [("Water is wet.", "ab")]),
        ("1. Water is wet [2].\n2. The sky is red [1].", [("Water is wet.", "b"), ("The sky is red.", "a")]),
        ("Water is wet. Water is wet [1]. Water is wet [2].", [("Water is wet.", "ab")]),
        ("Water is wet.", [("Water is wet.", "")]),
        ("In [2019] Document 451 was wet.", [("In [2019] Document 451 was wet.", "")]),
        ("It is wet. 2. It is red. Source 9:", [("It is wet.", ""), ("It is red.", "")]),
        ("1", [("1", "")]),
        ("[1]", []),
        ("", []),
    ],
)
def test_markers_go_with_their_sentence(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


def test_a_number_without_a_source_is_dropped_and_told() -> None:
    reply = numbered_reply("Water is wet [2][7]. The sky is red [0].", ["a", "b"])
    assert [each.cited for each in reply.sentences] == [("b",), ()]
    assert reply.dropped == ("[7] (there is no such source)", "[0] (there is no such source)")
    assert not reply.refused


@given(
    st.text(st.sampled_from("abc [](),.-–&0123456789\nSource "), max_size=60) | st.text(max_size=60),
    st.lists(st.text(min_size=1, max_size=3), max_size=5, unique=True),
)
def test_whatever_was_written_only_sources_are_cited(text: str, sources: list[str]) -> None:
    reply = numbered_reply(text, sources)
    texts = [each.text for each in reply.sentences]
    assert all(any(map(str.isalnum, text)) for text in texts)
    assert len(set(texts)) == len(texts)
    for each in reply.sentences:
        assert set(each.cited) <= set(sources)
        assert len(set(each.cited)) == len(each.cited)


@given(st.permutations(["a", "b", "c"]), st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_numbers_count_from_one_in_the_order_of_the_sources(sources: list[str], numbers: list[int]) -> None:
    text = " ".join(f"Fact {word} [{number}]." for word, number in zip("wxyz", numbers, strict=False))
    cited = [each.cited for each in numbered_reply(text, sources).sentences]
    assert cited == [(sources[number - 1],) for number in numbers]


def test_a_reference_of_the_whole_reply_is_cited_by_each_sentence() -> None:
    assert whole_reply("- Water is wet.\n- The sky\nis red. Water is wet.", ["a"]).sentences == (
        Sentence("Water is wet.", ("a",)),
        Sentence("The sky", ("a",)),
        Sentence("is red.", ("a",)),
    )
    assert whole_reply("Water is wet.", []).sentences == (Sentence("Water is wet.", ()),)


@pytest.mark.parametrize(
    "text",
    [
        REFUSAL,
        "None of the sources are helpful.",
        "No document mentions his name.",
        "The provided sources do not mention the price of rails.",
        "The document does not directly answer the question. It speaks of trains [1].",
        "Her age isn’t stated in the provided context.",
        "There is no information about this in the sources.",
        "The documents tell of trains, but the answer is not provided.",
        "I don't know.",
        "The question cannot be answered.",
        "Empty Response",
    ],
)
def test_a_refusal_is_seen(text: str) -> None:
    assert refuses(text)
    for reply in (numbered_reply(text, ["a"]), whole_reply(text, ["a"])):
        assert reply.refused
        assert reply.sentences == ()
        assert reply.dropped == (f"{' '.join(text.split())} (taken as a refusal)",)


@pytest.mark.parametrize(
    "text",
    [
        "Freight cars do not move for two thirds of their life [1].",
        "The answer is no.",
        "Trains carry tourists [1]. The sources do not mention lorries.",
        "No train answers to that name.",
        "He does not have a licence.",
        "It was found in the cellar.",
        "",
    ],
)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not refuses(text)


# ------------------------------------------------------------------------------------------------ from reply to row


class FakeModel:
    """Reads four tokens and writes two, as transformers' `generate` returns them: in one tensor."""

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        return SimpleNamespace(shape=(1, 6))


def read_and_write(model: Any) -> None:
    model.generate(input_ids=SimpleNamespace(shape=(1, 4)), attention_mask=None)


def scripted_peer(reply: Callable[[str], Reply], asked: list[str] | None = None) -> Peer:
    model = FakeModel()

    def ask(question: str) -> Reply:
        if asked is not None:
            asked.append(question)
        read_and_write(model)
        return reply(question)

    def search(question: str, k: int) -> list[tuple[str, float]]:
        if "unsearchable" in question:
            raise OSError("the index is gone")
        return [("s2", 0.75), ("s6", 0.5), ("s2", 0.25)][:k]

    return Peer({"fakepeer": "1.0"}, {"prompt": "Say it."}, search, ask, model)


def question(text: str, history: tuple[Turn, ...] = (), type_: str = "direct") -> Question:
    gold = () if type_ == "unanswerable" else ("s6",)
    return Question(text, type_, text, history, gold, "Idle.", "idle", type_ != "unanswerable", "rail")


def rows_of(peer: Peer, *questions: Question) -> list[Row]:
    session = peer_session(peer, LIBRARY, {})
    return run(questions, session.ask, prepare=session.prepare)


def test_a_reply_becomes_a_row() -> None:
    said = Reply(
        (
            Sentence("Freight cars stand idle.", ("s6",)),
            Sentence("Brandt counted 999 suitcases.", ("s2",)),
            Sentence("Ovens lose heat.", ("s3", "s6")),
            Sentence("Freight cars stand idle for years.", ()),
        ),
        dropped=("[9] (there is no such source)",),
    )
    (row,) = rows_of(scripted_peer(lambda text: said), question("How idle?"))
    assert (row.status, row.error) == ("answered", "")
    assert [claim.cited for claim in row.claims] == [("s6",), ("s2",), ("s3", "s6"), ()]
    assert {claim.verdict for claim in row.claims} == {"unchecked"}
    assert {claim.support for claim in row.claims} == {0.0}
    assert [claim.verbatim for claim in row.claims] == [True, False, False, False]
    assert [claim.grounded for claim in row.claims] == [True, False, True, False]
    assert row.claims[0].spans == (("s6", 0, len(FREIGHT.text)),), "a marker points to an insight, not to a part of it"
    assert row.cited == ("s6", "s2", "s3")
    assert row.retrieved == ("s2", "s6", "s3"), "what its own search found, and whatever else it cites after that"
    assert row.probability == 0.75
    assert row.dropped == ("[9] (there is no such source)",)
    assert row.tokens == {"prompt": 4, "completion": 2}
    assert row.stages.keys() == {"write", "total"}
    assert 0 <= row.stages["write"] <= row.stages["total"] <= row.seconds


def test_a_refusal_becomes_a_row_without_sentences() -> None:
    (row,) = rows_of(scripted_peer(lambda text: numbered_reply(REFUSAL, ["s6"])), question("How idle?"))
    assert row.refused
    assert (row.claims, row.cited, row.answer) == ((), (), "")
    assert row.retrieved == ("s2", "s6")
    assert row.dropped == (f"{REFUSAL} (taken as a refusal)",)


def test_a_failure_is_a_row_and_its_tokens_are_not_the_next_one_s() -> None:
    def fails(text: str) -> Reply:
        if "broken" in text:
            raise ValueError("the prompt is too long")
        return Reply((Sentence("Idle.", ("s6",)),))

    broken, unsearchable, fine = rows_of(
        scripted_peer(fails), question("Is it broken?"), question("Is it unsearchable?"), question("How idle?")
    )
    assert (broken.status, broken.error) == ("error", "ValueError: the prompt is too long")
    assert (unsearchable.status, unsearchable.error) == ("error", "OSError: the index is gone")
    assert fine.tokens == {"prompt": 4, "completion": 2}


def test_what_one_question_found_is_not_the_next_one_s() -> None:
    peer = scripted_peer(lambda text: Reply())
    found = {"first": [("s6", 0.5)], "second": [("s2", -0.5)], "third": []}
    peer = Peer(peer.versions, peer.settings, lambda text, k: found[text], peer.ask, peer.model)
    rows = rows_of(peer, question("first"), question("second"), question("third"))
    assert [row.retrieved for row in rows] == [("s6",), ("s2",), ()]
    assert [row.probability for row in rows] == [0.5, 0.0, 0.0]


def test_a_follow_up_is_asked_with_the_question_before_it() -> None:
    asked: list[str] = []
    peer = scripted_peer(lambda text: Reply(), asked)
    rows_of(peer, question("And at night?", (Turn("How idle are freight cars?", "Very."),)))
    assert asked == ["How idle are freight cars? And at night?"]


# ------------------------------------------------------------------------------------------------------ the adapters


def install(monkeypatch: pytest.MonkeyPatch, **modules: dict[str, Any]) -> None:
    """Modules with these names (a__b for a.b) and contents, importable for one test."""
    for name, contents in modules.items():
        parts = name.split("__")
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            if path not in sys.modules:
                monkeypatch.setitem(sys.modules, path, types.ModuleType(path))
        for key, value in contents.items():
            setattr(sys.modules[".".join(parts)], key, value)


def noting(seen: dict[str, Any], name: str, made: Any = None) -> Callable[..., Any]:
    """A constructor that notes what it is given under its name."""

    def construct(*args: Any, **kwargs: Any) -> Any:
        seen[name] = SimpleNamespace(args=args, **kwargs)
        return made if made is not None else seen[name]

    return construct


def test_llamaindex_cites_by_the_order_of_its_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def node(id_: str, score: float) -> Any:
        return SimpleNamespace(metadata={"insight_id": id_}, score=score)

    class Response:
        source_nodes = (node("s2", 0.9), node("s6", 0.8))

        def __str__(self) -> str:
            return "Freight cars stand idle [2]. Brandt counted 310 suitcases [1]."

    class Index:
        def as_retriever(self, similarity_top_k: int) -> Any:
            return SimpleNamespace(retrieve=lambda text: [node("s6", 0.8), node("s2", 0.4)][:similarity_top_k])

    writer = SimpleNamespace(_model="the model")
    engine = SimpleNamespace(query=lambda text: Response())
    install(
        monkeypatch,
        llama_index__core={"VectorStoreIndex": noting(seen, "index", Index())},
        llama_index__core__query_engine={
            "CitationQueryEngine": SimpleNamespace(from_args=noting(seen, "engine", engine))
        },
        llama_index__core__schema={"TextNode": lambda **fields: SimpleNamespace(**fields)},
        llama_index__embeddings__huggingface={"HuggingFaceEmbedding": noting(seen, "embedder")},
        llama_index__llms__huggingface={"HuggingFaceLLM": noting(seen, "writer", writer)},
    )
    monkeypatch.setattr("eval.peers.llamaindex.version", lambda package: "0")
    peer = open_llamaindex(LIBRARY, PARTS)

    assert peer.ask("?").sentences == (
        Sentence("Freight cars stand idle.", ("s6",)),
        Sentence("Brandt counted 310 suitcases.", ("s2",)),
    )
    assert peer.search("?", 1) == [("s6", 0.8)]
    assert peer.model == "the model"
    nodes = seen["index"].args[0]
    assert [each.text for each in nodes] == [insight.text for insight in LIBRARY]
    for each in nodes:  # the id is for us: neither model reads it
        assert each.excluded_embed_metadata_keys == each.excluded_llm_metadata_keys == list(each.metadata)
    assert seen["engine"].similarity_top_k == TOP_K
    assert seen["embedder"].model_name == "embedder-folder"
    assert (seen["writer"].model_name, seen["writer"].max_new_tokens) == ("writer-folder", MAX_NEW_TOKENS)
    assert seen["writer"].generate_kwargs == {"do_sample": False}


@pytest.mark.parametrize(("reference", "cited"), [("s6", ("s6",)), (None, ())])
def test_txtai_cites_the_reference_that_it_finds(
    monkeypatch: pytest.MonkeyPatch, reference: str | None, cited: tuple[str, ...]
) -> None:
    seen: dict[str, Any] = {}
    indexed: list[tuple[str, str, None]] = []
    database = SimpleNamespace(
        index=indexed.extend, search=lambda text, k: [{"id": "s6", "score": 0.8}, {"id": "s2", "score": 0.4}][:k]
    )
    pipeline = SimpleNamespace(model="the model")
    writer = SimpleNamespace(generator=SimpleNamespace(llm=SimpleNamespace(pipeline=pipeline)))

    def rag(question: str, **limits: Any) -> dict[str, str | None]:
        seen["limits"] = limits
        return {"answer": "Freight cars stand idle. [2] means nothing here.", "reference": reference}

    contents = {
        "Embeddings": noting(seen, "embeddings", database),
        "LLM": noting(seen, "writer", writer),
        "RAG": noting(seen, "rag", rag),
    }
    install(monkeypatch, txtai=contents)
    monkeypatch.setattr("eval.peers.txtai_rag.version", lambda package: "0")
    peer = open_txtai(LIBRARY, PARTS)

    assert [each.cited for each in peer.ask("?").sentences] == [cited, cited]
    assert peer.search("?", 1) == [("s6", 0.8)]
    assert peer.model == "the model"
    assert indexed == [(insight.insight_id, insight.text, None) for insight in LIBRARY]
    assert (seen["rag"].args, seen["rag"].context, seen["rag"].output) == ((database, writer), TOP_K, "reference")
    assert {"{question}", "{context}"} <= set(seen["rag"].template.split())
    assert seen["limits"] == {"max_length": None, "max_new_tokens": MAX_NEW_TOKENS, "do_sample": False}


def test_haystack_cites_by_the_order_of_its_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    document = SimpleNamespace
    answer = SimpleNamespace(
        data="Freight cars stand idle [2].", documents=[document(id="s2", score=0.4), document(id="s6", score=0.8)]
    )

    class Component:
        pipeline = SimpleNamespace(model="the model")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            seen.setdefault("made", []).append((args, kwargs))

        def warm_up(self) -> None:
            pass

    class Indexer(Component):
        def run(self, documents: list[Any]) -> dict[str, list[Any]]:
            return {"documents": documents}

    class Embedder(Component):
        def run(self, text: str) -> dict[str, list[float]]:
            return {"embedding": [1.0]}

    class Retriever(Component):
        def run(self, vector: list[float], top_k: int) -> dict[str, list[Any]]:
            seen["retriever"] = self
            return {"documents": answer.documents[::-1][:top_k]}

    class Pipeline(Component):
        def add_component(self, name: str, part: Any) -> None:
            seen.setdefault("parts", []).append(name)

        def connect(self, sender: str, receiver: str) -> None:
            seen.setdefault("joined", set()).add((sender, receiver))

        def run(self, given: dict[str, Any]) -> dict[str, Any]:
            seen["given"] = given
            return {"answer": {"answers": [answer]}}

    store = SimpleNamespace(write_documents=lambda documents: seen.update(stored=documents))
    embedders = "haystack_integrations__components__embedders__sentence_transformers"
    install(
        monkeypatch,
        haystack={"Document": document, "Pipeline": Pipeline},
        haystack__components__builders={
            "AnswerBuilder": noting(seen, "builder"),
            "ChatPromptBuilder": noting(seen, "prompt"),
        },
        haystack__components__retrievers__in_memory={"InMemoryEmbeddingRetriever": Retriever},
        haystack__dataclasses={"ChatMessage": SimpleNamespace(from_user=lambda text: ("user", text))},
        haystack__document_stores__in_memory={"InMemoryDocumentStore": lambda **settings: store},
        haystack__utils={"ComponentDevice": SimpleNamespace(from_str=str)},
        **{
            embedders: {
                "SentenceTransformersDocumentEmbedder": Indexer,
                "SentenceTransformersTextEmbedder": Embedder,
            }
        },
        haystack_integrations__components__generators__transformers={"TransformersChatGenerator": Component},
    )
    monkeypatch.setattr("eval.peers.haystack_rag.version", lambda package: "0")
    peer = open_haystack(LIBRARY, PARTS)

    assert peer.ask("Who?").sentences == (Sentence("Freight cars stand idle.", ("s6",)),)
    assert seen["given"] == {"embedder": {"text": "Who?"}, "prompt": {"question": "Who?"}, "answer": {"query": "Who?"}}
    assert peer.search("?", 1) == [("s6", 0.8)]
    assert peer.model == "the model"
    assert [(each.id, each.content) for each in seen["stored"]] == [(i.insight_id, i.text) for i in LIBRARY]
    assert ("retriever.documents", "answer.documents") in seen["joined"], "numbers mean what the prompt showed"
    assert seen["builder"].reference_pattern == MARKERS
    limits = [kwargs["generation_kwargs"] for _, kwargs in seen["made"] if "generation_kwargs" in kwargs]
    assert limits == [{"max_new_tokens": MAX_NEW_TOKENS, "do_sample": False}]
    assert [kwargs["top_k"] for _, kwargs in seen["made"] if "top_k" in kwargs] == [TOP_K]


def test_haystack_numbers_its_documents_from_one() -> None:
    import jinja2

    prompt = jinja2.Template(HAYSTACK_TEMPLATE).render(
        documents=[SimpleNamespace(content="Idle cars."), SimpleNamespace(content="Night trains.")], question="Who?"
    )
    assert "[1] Idle cars." in prompt
    assert "[2] Night trains." in prompt
    assert prompt.endswith("Question: Who?\nAnswer:")
    assert REFUSAL in prompt


# ------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Questions in rail/dev, distractors in more; no weights are looked for."""
    questions = [
        {"id": "q1", "type": "direct", "question": "How idle?", "answer": [{"text": "Idle.", "cites": ["s6"]}]},
        {"id": "q2", "type": "unanswerable", "question": "Who paid?", "answer": []},
    ]
    rail = {"collection": "rail", "insights": [{"id": "s6", "text": FREIGHT.text}], "questions": questions}
    more = {"insights": [{"id": "s2", "text": TRAINS.text}, {"id": "s3", "text": OVENS.text}]}
    for path, data in (("rail/dev/rail.json", rail), ("more/more.json", more)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(json.dumps(data))
    monkeypatch.setattr(peers_run, "_parts", lambda report: (PARTS, {"embedder": "e@1", "writer": "w@1"}))
    return tmp_path


def opened(insights: Sequence[Insight], parts: Parts) -> Peer:
    assert {insight.insight_id for insight in insights} == {"s2", "s3", "s6"}
    assert parts == PARTS
    text = "Freight cars stand idle [2]. Brandt counted 310 suitcases [1]."
    return scripted_peer(lambda asked: numbered_reply(REFUSAL if "paid" in asked else text, ["s2", "s6"]))


def test_the_results_are_those_of_a_run_of_ours(folders: Path) -> None:
    data = ask_peer(
        "txtai", folders / "rail", [folders / "more"], "dev", json_file=folders, command="cmd", open_peer=opened
    )
    (file,) = folders.glob("*.json")
    assert json.loads(file.read_text()) == json.loads(json.dumps(data))
    assert data["config_fingerprint"].startswith("txtai-")
    assert file.stem.endswith(data["config_fingerprint"])
    assert data["config"]["system"] == "txtai"
    assert data["config"]["prompt"] == "Say it."
    assert data["config"]["temperature"] == 0
    assert "max_evidence" not in data["config"], "our settings were not in force"
    assert data["models"] == {"embedder": "e@1", "writer": "w@1", "fakepeer": "1.0"}
    assert data["library"]["insights"] == 3
    loaded = load_run(file)
    assert [(row.question_id, row.status) for row in loaded.rows] == [("q1", "answered"), ("q2", "not_in_library")]
    assert loaded.rows[0].cited == ("s6", "s2")


def test_other_settings_have_another_fingerprint(folders: Path) -> None:
    def other(insights: Sequence[Insight], parts: Parts) -> Peer:
        peer = opened(insights, parts)
        return Peer(peer.versions, {"prompt": "Say it well."}, peer.search, peer.ask, peer.model)

    prints = {
        ask_peer(system, folders / "rail", [folders / "more"], "dev", open_peer=how)["config_fingerprint"]
        for system in ("txtai", "haystack")
        for how in (opened, other, opened)
    }
    assert len(prints) == 4


def test_the_command_reports(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers_run, "_opener", lambda system: opened)
    monkeypatch.setattr(peers_run, "QUIET", {})  # they would stay set for the tests after this one
    monkeypatch.chdir(folders)
    words = ["haystack", "rail", "--split", "dev", "--with", str(folders / "more"), "--limit", "2", "--json", "o.json"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("haystack\n  embedder e@1\n  writer w@1\n  fakepeer 1.0\n2 questions to 3 insights")
    assert "asking 2 of 2\n" in shown.err
    command = json.loads(Path("o.json").read_text())["command"]
    assert command == "python -m eval.peers.run haystack rail --split dev --limit 2 --with more"


def test_without_the_systems_a_sentence_says_what_to_do(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers_run, "QUIET", {})
    for name in ("txtai", "llama_index", "haystack"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it weren't installed
    for system in SYSTEMS:
        assert main([system, str(folders / "rail" / "dev"), "--with", str(folders / "more")]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"peers: {system} can't be used with this Python")
        assert said.endswith("Run make peers once, then .venv-peers/bin/python -m eval.peers.run.")


def test_questions_to_a_part_of_the_library_are_refused(folders: Path) -> None:
    file = folders / "own.jsonl"
    passage = {"id": "p1", "title": "", "text": "Freight cars stand idle."}
    file.write_text(
        json.dumps({"question": "How idle?", "passages": [passage], "gold": ["p1"], "answers": [], "answerable": True})
    )
    with pytest.raises(UsageError, match="only some of the insights"):
        ask_peer("txtai", file, open_peer=opened)


# --------------------------------------------------------------------------------------------------- kept apart


def test_nothing_of_ours_needs_the_peers() -> None:
    pinned = (ROOT / "eval" / "peers" / "requirements.txt").read_text()
    theirs = [name for name in ("llama-index", "txtai", "haystack") if name in pinned]
    assert len(theirs) == 3
    lines = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[0]
    assert not [name for name in theirs if name in lines]


def test_nothing_of_ours_imports_the_peers() -> None:
    ours = [file for folder in ("corpus", "rag", "eval", "ui") for file in (ROOT / folder).rglob("*.py")]
    outside = [file for file in ours if file.parent != ROOT / "eval" / "peers"]
    assert len(ours) > len(outside) > 50
    for file in outside:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            assert not any("peers" in f"{module}.{name}".split(".") for name in named), file


def test_the_peers_systems_are_imported_only_when_they_are_set_up() -> None:
    for file in (ROOT / "eval" / "peers").glob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert (name or "").partition(".")[0] not in ("llama_index", "txtai", "haystack"), file
