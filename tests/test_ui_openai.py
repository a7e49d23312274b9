"""The OpenAI-compatible API: requests as data, replies as text, and the real client against a real server."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.filters import Filter
from rag.datatypes import Answer, Citation, Claim, Evidence, Status, Trace, Turn, Verdict
from tests.conftest import ScriptedEngine, sample_insights
from tests.serving import served
from tests.waiting import wait_for
from ui import reply
from ui.handlers import MAX_QUESTION, Desk, Limits
from ui.openai_api import Asked, Refusal, read, routes

if TYPE_CHECKING:
    import openai

QUICK = Limits(heartbeat=0.05, between_updates=0.0, waiting=3)
TEXT = (
    "Parcels do: Quill Logistics moved 40% of its own that way [1]. So do tourists, with 310 suitcases on one sleeper "
    "[2]! On the last mile rail still loses to lorries [1][2]\n\n"
    "Sources:\n"
    "[1] “Rail freight loses to lorries on the last mile. … Quill Logistics moved 40% of its parcels by night train.” "
    "— Tracks, 2024-05-01\n"
    "[2] “Ottavia Brandt counted 310 suitcases on one sleeper.” — Tracks, 2024-05-01"
)


def user(text: object) -> dict[str, object]:
    return {"role": "user", "content": text}


def given_body(*messages: object, **more: object) -> Asked | Refusal:
    body = {"model": "footnoted", "messages": list(messages), **more}
    return read(json.dumps(body).encode(), "application/json; charset=utf-8")


# ---------------------------------------------------------------------------------------------- what is asked for


def test_the_last_message_is_the_question_and_the_others_the_history() -> None:
    asked = given_body(
        {"role": "system", "content": "Answer like a pirate."},
        user("Who rides?"),
        user("I mean: at night?"),
        {"role": "assistant", "content": "Tourists [1]."},
        {"role": "assistant", "content": None, "tool_calls": []},
        user([{"type": "text", "text": "And"}, {"type": "text", "text": "parcels?"}]),
        stream=True,
        stream_options={"include_usage": True},
    )
    history = (Turn("Who rides?", ""), Turn("I mean: at night?", "Tourists [1]."))
    assert asked == Asked("And\nparcels?", history, stream=True, usage=True)


@pytest.mark.parametrize(
    ("change", "status", "param", "says"),
    [
        ({"model": "gpt-5"}, 404, "model", "There is no model 'gpt-5' here; there is 'footnoted'."),
        ({"model": None}, 400, "model", "Name the model"),
        ({"messages": []}, 400, "messages", "Give `messages`"),
        ({"messages": "hello"}, 400, "messages", "Give `messages`"),
        ({"messages": [{"role": "user"}]}, 400, "messages", "There is no question yet."),
        ({"messages": [{"content": "q"}]}, 400, "messages[0]", "A message has a role"),
        ({"messages": [{"role": "pirate", "content": "q"}]}, 400, "messages[0]", "A message has a role"),
        ({"messages": [user("q"), {"role": "assistant", "content": "a"}]}, 400, "messages", "must be the user's"),
        ({"messages": [user([{"type": "image_url", "image_url": {}}])]}, 400, "messages[0].content", "text only"),
        ({"messages": [user(7)]}, 400, "messages[0].content", "text only"),
        ({"messages": [user("x" * (MAX_QUESTION + 1))]}, 400, "messages", "2,001 characters"),
        ({"messages": [user("a\x00b")]}, 400, "messages", "control characters"),
        ({"n": 2}, 400, "n", "one answer"),
        ({"stream": "yes"}, 400, "stream", "true or false"),
        ({"tools": [{"type": "function"}]}, 400, "tools", "calls no tools"),
        ({"functions": [{}]}, 400, "functions", "calls no tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", "is text"),
        ({"logprobs": True}, 400, "logprobs", "no log probabilities"),
        ({"modalities": ["text", "audio"]}, 400, "modalities", "text only"),
        ({"footnoted": {"filters": "Tracks"}}, 400, "footnoted.filters", "wrong form"),
        ({"footnoted": {"filters": {"since": "soon"}}}, 400, "footnoted.filters", "Give a year"),
        ({"footnoted": "x"}, 400, "footnoted.filters", "wrong form"),
    ],
)
def test_what_can_not_be_done_is_refused_by_name(change: dict[str, object], status: int, param: str, says: str) -> None:
    body = {"model": "footnoted", "messages": [user("q")], **change}
    refused = read(json.dumps(body).encode(), "application/json")
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.param) == (status, param)
    assert says in refused.message


def test_what_only_tunes_a_model_is_passed_over() -> None:
    tuned = {"temperature": 0.2, "max_tokens": 5, "seed": 1, "stop": ["x"], "tools": [], "n": 1, "unheard_of": {}}
    assert given_body(user("q"), **tuned, response_format={"type": "text"}, stream=None) == Asked("q", ())


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_site_is_no_request(kind: str) -> None:
    refused = read(b'{"model": "footnoted", "messages": [{"role": "user", "content": "q"}]}', kind)
    assert isinstance(refused, Refusal)
    assert "Content-Type" in refused.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["model", "messages", "stream", "n", "tools", "response_format", "stream_options", "modalities", "logprobs"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON)
    | st.fixed_dictionaries(
        {
            "model": st.just("footnoted"),
            "messages": st.lists(
                st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": JSON})
            ),
        }
    )
)
def test_whatever_is_sent_is_a_question_or_refused(data: dict[str, object]) -> None:
    asked = read(json.dumps(data).encode(), "application/json")
    assert isinstance(asked, Asked | Refusal)
    if isinstance(asked, Asked):
        assert asked.question.strip()


@given(st.binary(max_size=200))
def test_whatever_bytes_are_sent_get_an_answer(body: bytes) -> None:
    assert isinstance(read(body, "application/json"), Refusal)


# ----------------------------------------------------------------------------------------------- what is replied


@pytest.fixture
def done(scripted: ScriptedEngine) -> Answer:
    return list(scripted.stream("night trains?"))[-1].answer


def test_the_text_has_its_sources_below(done: Answer) -> None:
    assert reply.text(done) == TEXT
    partly = reply.text(replace(done, status=Status.PARTLY))
    assert "[1][2]\n\nThe insights answer this only in part.\n\nSources:" in partly


def test_the_numbers_are_those_of_the_data(done: Answer) -> None:
    data = reply.extension(done)
    assert data["status"] == "answered"
    assert [row["n"] for row in data["citations"]] == [1, 2]
    assert data["citations"][1]["insight_id"] == "s2"
    assert data["citations"][0]["quotes"] == [
        "Rail freight loses to lorries on the last mile.",
        "Quill Logistics moved 40% of its parcels by night train.",
    ]
    assert [[c["n"] for c in claim["citations"]] for claim in data["claims"]] == [[1], [2], [1, 2]]


def test_a_refusal_names_the_nearest(scripted: ScriptedEngine) -> None:
    answer = list(scripted.stream("tungsten?"))[-1].answer
    lines = reply.text(answer).splitlines()
    assert lines[0] == "Not in your insights. The nearest ones:"
    assert lines[2].startswith("- Night trains fill with tourists")
    assert lines[2].endswith(" — Tracks, 2024-05-01")
    assert reply.text(replace(answer, nearest=())) == "Not in your insights."


def test_a_filter_that_was_read_from_the_question_is_told(scripted: ScriptedEngine, done: Answer) -> None:
    trace = Trace(filters=("source=Tracks", "since=2024"), among=3)
    answer = replace(done, trace=trace)
    assert "[1][2]\n\nAsked of 3 only: source Tracks, since 2024.\n\nSources:" in reply.text(answer)
    assert reply.extension(answer)["filters"] == ["source=Tracks", "since=2024"]
    assert reply.extension(done)["filters"] == []
    refused = Answer("Why?", Status.NOT_IN_LIBRARY, trace=replace(trace, among=0))
    assert reply.text(refused) == "Not in your insights. No insight meets the filter: source Tracks, since 2024."


def test_a_sentence_is_ready_once_its_passage_is_done_with(scripted: ScriptedEngine) -> None:
    """A quote between two sentences of a passage is put in at the end: nothing of it may be sent before."""
    hit, other = scripted.hit("s1"), scripted.hit("s2")
    first, second = "Rail freight loses to lorries on the last mile.", "Quill Logistics moved 40% of its parcels"

    def claim(insight_id: str, text: str, verdict: Verdict = Verdict.SUPPORTED) -> Claim:
        return Claim(text, (scripted.cite(insight_id, text),), 0.9, verdict)

    whole = Citation("s1#0", 0, len(hit.insight.text))
    evidence = (Evidence(hit, whole, 0.9), Evidence(other, scripted.cite("s2", "Night trains"), 0.9))
    draft = Answer("q", Status.ANSWERED, (claim("s1", second),), evidence, (hit, other))
    assert reply.ready(draft, finished=False) == ()
    draft = replace(draft, claims=(*draft.claims, claim("s2", "Night trains")))
    ready = reply.ready(draft, finished=False)
    assert [c.text for c in ready] == [first, second]
    assert reply.marked(draft, ready) == [f"{first[:-1]} [1].", f"{second} [1]"]
    draft = replace(draft, claims=(*draft.claims, claim("s1", "40%", Verdict.UNCHECKED)))
    assert [c.text for c in reply.ready(draft, finished=True)] == [second, "Night trains"]


# -------------------------------------------------------------------------------------- the client and the server


class Api:
    """The API alone, on a port of its own, with the engine behind it."""

    def __init__(self, engine: ScriptedEngine, url: str) -> None:
        self.engine = engine
        self.url = url

    def client(self) -> "openai.OpenAI":
        import openai

        return openai.OpenAI(base_url=f"{self.url}v1", api_key="none", max_retries=0, timeout=20)


@pytest.fixture
def api() -> Iterator[Api]:
    from starlette.applications import Starlette

    engine = ScriptedEngine(sample_insights())
    with served(lambda: Starlette(routes=routes(Desk(engine, QUICK)))) as url:
        yield Api(engine, url)


def test_the_client_gets_the_reply_with_its_citations(api: Api) -> None:
    with api.client() as client:
        messages: Any = [user("Who?"), {"role": "assistant", "content": "Brandt."}, user("night trains?")]
        done = client.chat.completions.create(model="footnoted", messages=messages, temperature=0)
    (choice,) = done.choices
    assert (choice.message.content, choice.finish_reason, done.object) == (TEXT, "stop", "chat.completion")
    assert done.usage is not None
    assert (done.usage.prompt_tokens, done.usage.total_tokens) == (9, 9)
    data = (choice.message.model_extra or {})["footnoted"]
    assert data["claims"][0]["citations"][0]["quote"] == "Quill Logistics moved 40% of its parcels by night train."
    assert api.engine.history == (Turn("Who?", "Brandt."),)


def test_a_filter_goes_in_a_field_of_ours(api: Api) -> None:
    with api.client() as client:
        messages: Any = [user("night trains?")]
        ours = {"footnoted": {"filters": {"sources": ["Tracks"], "since": "2024"}}}
        client.chat.completions.create(model="footnoted", messages=messages, extra_body=ours)
    assert api.engine.filters == Filter(sources=("Tracks",), since="2024")


def test_a_stream_is_the_same_reply_in_verified_sentences(api: Api) -> None:
    api.engine.pause = 0.02
    with api.client() as client:
        messages: Any = [user("night trains?")]
        chunks = list(
            client.chat.completions.create(
                model="footnoted", messages=messages, stream=True, stream_options={"include_usage": True}
            )
        )
    *told, counted = chunks
    pieces = [chunk.choices[0].delta.content or "" for chunk in told]
    assert "".join(pieces) == TEXT
    assert pieces[0] == ""
    assert pieces[1] == "Parcels do: Quill Logistics moved 40% of its own that way [1]."
    assert not any("not checked" in piece for piece in pieces)
    assert [chunk.choices[0].finish_reason for chunk in told[-2:]] == [None, "stop"]
    assert (told[-1].choices[0].delta.model_extra or {})["footnoted"]["status"] == "answered"
    assert not counted.choices
    assert counted.usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_sentence_that_is_still_being_checked_is_not_sent(api: Api) -> None:
    import httpx

    body = {"model": "footnoted", "messages": [user("slowly")], "stream": True}
    with httpx.stream("POST", f"{api.url}v1/chat/completions", json=body, timeout=10) as response:
        beats, said = 0, []
        for line in response.iter_lines():
            beats += line.startswith(":")  # nothing is ready
            said += [json.loads(line[6:])["choices"][0]["delta"]["content"]] if line.startswith("data: ") else []
            if beats == 3:
                break
        assert said == [""]
        assert api.engine.running == 1
    wait_for(lambda: api.engine.running == 0, 3)


def test_the_models_are_listed(api: Api) -> None:
    import openai

    with api.client() as client:
        assert [model.id for model in client.models.list()] == ["footnoted"]
        assert client.models.retrieve("footnoted").owned_by == "footnoted"
        with pytest.raises(openai.NotFoundError, match="no model"):
            client.models.retrieve("gpt-5")


def test_faults_have_their_status_and_a_sentence(api: Api) -> None:
    import openai

    def ask(question: str, **more: Any) -> Any:
        with api.client() as client:
            messages: Any = [user(question)]
            return client.chat.completions.create(model="footnoted", messages=messages, **more)

    with pytest.raises(openai.BadRequestError, match="There is no question yet") as refused:
        ask(" ")
    assert refused.value.param == "messages"
    with pytest.raises(openai.InternalServerError, match="The writer doesn't answer") as failed:
        ask("broken")
    assert (failed.value.status_code, failed.value.response.headers["retry-after"]) == (503, "10")
    with pytest.raises(openai.InternalServerError) as crashed:
        ask("crash")
    assert "secret internals" not in str(crashed.value)
    with pytest.raises(openai.APIError, match="The writer doesn't answer"):
        list(ask("broken", stream=True))


def test_what_is_not_there_is_said_in_the_same_form(api: Api) -> None:
    for method, path in (("GET", "v1/chat/completions"), ("POST", "v1/embeddings"), ("GET", "v1/x/y")):
        request = urllib.request.Request(api.url + path, b"{}" if method == "POST" else None, method=method)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        with refused.value as error:
            assert error.code == 404
            assert f"{method} /{path}" in json.loads(error.read())["error"]["message"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_the_model(api: Api, stream: bool) -> None:
    """Also in the middle of a prefill, when nothing comes: the next one in the queue gets the model."""
    import httpx

    body = {"model": "footnoted", "messages": [user("hold")], "stream": stream}

    def leave() -> None:
        with httpx.Client(timeout=0.3) as client, pytest.raises(httpx.ReadTimeout):
            client.post(f"{api.url}v1/chat/completions", json=body)

    def leave_stream() -> None:
        with (
            httpx.Client(timeout=5) as client,
            client.stream("POST", f"{api.url}v1/chat/completions", json=body) as response,
        ):
            assert next(response.iter_text()).startswith("data: ")

    (leave_stream if stream else leave)()
    assert wait_for(lambda: api.engine.running == 0, 3) < 0.5 + 0.5  # half a second, and some for a busy machine
    with api.client() as client:
        messages: Any = [user("night trains?")]
        assert client.chat.completions.create(model="footnoted", messages=messages).choices


def test_one_at_a_time_in_a_queue_that_ends_somewhere(api: Api) -> None:
    import openai

    codes: list[int] = []

    def ask() -> None:
        try:
            with api.client() as client:
                messages: Any = [user("night trains?")]
                client.chat.completions.create(model="footnoted", messages=messages)
                codes.append(200)
        except openai.APIStatusError as error:
            codes.append(error.status_code)

    api.engine.pause = 0.2
    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(codes) == [200, 200, 200, 503, 503]
    assert api.engine.most == 1


def test_while_one_waits_the_line_stays_open_and_says_how_many_come_first(api: Api) -> None:
    import httpx

    def lines(question: str) -> Generator[str, None, None]:
        body = {"model": "footnoted", "messages": [user(question)], "stream": True}
        with (
            httpx.Client(timeout=5) as client,
            client.stream("POST", f"{api.url}v1/chat/completions", json=body) as response,
        ):
            yield from response.iter_lines()

    first = lines("hold")
    assert next(first).startswith("data: ")
    second = lines("night trains?")
    assert any(line == ": 1 before this one" for line, _ in zip(second, range(20), strict=False))
    first.close()
    assert any("Sources:" in line for line in second)


def test_turns_come_in_their_order(scripted: ScriptedEngine) -> None:
    from corpus.errors import ModelError
    from ui.turns import Turns

    turns = Turns()
    one, two, three = (turns.join(3) for _ in range(3))
    with pytest.raises(ModelError, match="full: 3 in it"):
        turns.join(3)
    assert [turns.ahead(ticket) for ticket in (one, two, three)] == [0, 1, 2]
    assert turns.wait(one, lambda: False)
    assert not turns.wait(three, lambda: True)
    turns.leave(three)
    order: list[str] = []
    waiting = threading.Thread(target=lambda: order.append("two" if turns.wait(two, lambda: False) else "?"))
    waiting.start()
    order.append("one")
    turns.leave(one)
    waiting.join(5)
    assert order == ["one", "two"]
    turns.leave(two)
    turns.leave(two)
    assert turns.wait(turns.join(), lambda: False)
