"""A writer elsewhere, on a real port: what passes is tried again, what doesn't is told, and nobody waits too long."""

import json
import math
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ModelError, UsageError
from rag.breaker import Breaker
from rag.config import Config
from rag.endpoint import EndpointWriter
from rag.prompt import Message
from rag.retry import Patience, passes, pause, retry_after
from tests.scripted_server import (
    Act,
    breaks_off,
    drips,
    drops,
    hangs,
    nothing_listens,
    says,
    scripted,
    sends,
    status,
)
from tests.waiting import wait_for

ASK = [Message("user", "What moves on night trains?")]
SOON = Patience(first=0.01)
LONG = 20.0  # seconds, for what mustn't depend on how busy the machine is


def writer(
    url: str, seconds: float = LONG, patience: Patience = SOON, breaker: Breaker | None = None
) -> EndpointWriter:
    config = Config(endpoint_timeout=seconds)
    return EndpointWriter(f"m@{url}", config, patience=patience, breaker=breaker)


def text(by: EndpointWriter) -> str:
    return [draft.text for draft in by.write(ASK)][-1]


# ------------------------------------------------------------------------------------------------- when to try again


@pytest.mark.parametrize(
    "first",
    [status(408), status(409), status(429), status(500), status(503), status(529), drops, breaks_off()],
    ids=["408", "409", "429", "500", "503", "529", "dropped", "broken off before any text"],
)
def test_what_passes_is_tried_again(first: Act) -> None:
    with scripted(first, first, says("Parcels", " do.")) as server:
        assert text(writer(server.url)) == "Parcels do."
        assert len(server.bodies) == 3
        assert server.bodies[0] == server.bodies[2]


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (status(400), "doesn't answer (BadRequestError)"),
        (status(401), "refuses the key (AuthenticationError)"),
        (status(403), "refuses the key (PermissionDeniedError)"),
        (status(404), "doesn't answer (NotFoundError)"),
        (status(429, x_should_retry="false"), "doesn't answer (RateLimitError)"),
        (status(429, Retry_After="3600"), "doesn't answer (RateLimitError)"),
        (sends(b"<html>hello</html>", "text/html"), "doesn't answer (ValueError)"),
        (sends(b"data: {\n\n"), "doesn't answer (JSONDecodeError)"),
        (sends(b'data: {"error": {"message": "no <b>memory</b>"}}\n\n'), "doesn't answer (APIError)"),
    ],
)
def test_what_does_not_pass_is_told_at_once(refusal: Act, kind: str) -> None:
    with scripted(refusal) as server:
        with pytest.raises(ModelError) as raised:
            text(writer(server.url))
        assert str(raised.value).startswith(f"The writer at {server.url} {kind}. ")
        assert len(server.bodies) == 1


def test_a_server_that_stays_down_is_given_up_after_so_many_requests() -> None:
    with scripted(status(500)) as server:
        with pytest.raises(ModelError, match=r"doesn't answer \(InternalServerError\)"):
            text(writer(server.url))
        assert len(server.bodies) == SOON.attempts


def test_nothing_is_tried_again_once_text_has_begun() -> None:
    with scripted(breaks_off("Parcels", " do"), says("Something else.")) as server:
        drafts = writer(server.url).write(ASK)
        assert [next(drafts).text, next(drafts).text] == ["Parcels", "Parcels do"]
        with pytest.raises(ModelError, match="doesn't answer"):
            next(drafts)
        assert len(server.bodies) == 1


def test_it_waits_as_long_as_the_server_asks() -> None:
    with scripted(status(429, Retry_After="0.4"), says("Yes.")) as server:
        assert text(writer(server.url)) == "Yes."
        first, second = server.times
        assert second - first >= 0.4


# -------------------------------------------------------------------------------------------------------- the budget


def test_a_server_that_hangs_costs_the_budget_and_no_more() -> None:
    with scripted(hangs) as server:
        began = time.monotonic()
        with pytest.raises(ModelError) as raised:
            text(writer(server.url, seconds=0.3))
        assert 0.3 <= time.monotonic() - began < 10
        assert f"The writer at {server.url} wasn't done within 0.3 seconds. Give it longer" in str(raised.value)
        assert len(server.bodies) <= 1  # none, if this machine was too busy to ask it within that time


def test_nor_does_one_that_never_ends() -> None:
    with scripted(drips("and ", 0.01)) as server:
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"wasn't done within 0.3 seconds"):
            text(writer(server.url, seconds=0.3))
        assert time.monotonic() - began < 10


def test_no_wait_goes_beyond_the_budget() -> None:
    with scripted(status(503, Retry_After="15")) as server:
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"doesn't answer \(InternalServerError\)"):
            text(writer(server.url, seconds=14))
        assert time.monotonic() - began < 10
        assert len(server.bodies) == 1


def test_a_stop_ends_the_wait_for_the_next_try_and_no_request_follows() -> None:
    stop = threading.Event()
    breaker, before = Breaker(), set(threading.enumerate())
    with scripted(status(503, Retry_After="10")) as server:
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        assert list(writer(server.url, breaker=breaker).write(ASK, stop.is_set)) == []
        assert time.monotonic() - began < 10
        wait_for(lambda: "footnoted-writer" not in {thread.name for thread in {*threading.enumerate()} - before})
        assert len(server.bodies) == 1
    assert breaker.state.value == "closed"


# ------------------------------------------------------------------------------------------------------- the breaker


def failing(by: EndpointWriter) -> str:
    with pytest.raises(ModelError) as raised:
        text(by)
    return str(raised.value)


def test_a_server_that_is_down_is_left_alone_then_tried_with_one_request() -> None:
    now = 0.0
    breaker = Breaker(failures=3, rest=30, clock=lambda: now)
    with scripted(*[status(500)] * 6, status(500), says("Back.")) as server:
        by = writer(server.url, patience=Patience(attempts=2, first=0.01), breaker=breaker)
        for _ in range(3):
            assert "doesn't answer" in failing(by)
        assert failing(by) == (
            f"The writer at {server.url} failed several times in a row and isn't asked for the next 30 seconds. "
            "Start that server, check the model's name, or use --writer quote."
        )
        assert len(server.bodies) == 6
        now += 30
        assert "doesn't answer" in failing(by)  # the trial: one request, not two
        assert len(server.bodies) == 7
        assert "isn't asked" in failing(by)
        now += 30
        assert text(by) == "Back."
        assert text(by) == "Back."
        assert breaker.state.value == "closed"


def test_breaking_off_and_nonsense_count_as_failures_and_refusals_do_not() -> None:
    breaker = Breaker(failures=2)
    with scripted(breaks_off("Parcels"), status(404), sends(b"nonsense"), breaks_off("Parcels")) as server:
        by = writer(server.url, breaker=breaker)
        for _ in range(3):
            assert "doesn't answer" in failing(by)
        assert breaker.state.value == "closed"  # the refusal came between them
        failing(by)
        assert breaker.state.value == "open"


def test_who_leaves_before_the_trial_has_told_anything_leaves_it_to_the_next() -> None:
    breaker = Breaker(failures=1, rest=0)
    with scripted(status(400), status(500), hangs, says("Back.")) as server:
        by = writer(server.url, patience=Patience(attempts=1), breaker=breaker)
        failing(by)
        failing(by)
        assert breaker.state.value == "open"
        stop = threading.Event()
        threading.Timer(0.1, stop.set).start()
        assert list(by.write(ASK, stop.is_set)) == []
        assert breaker.state.value == "open"
        assert text(by) == "Back."


def test_who_has_read_enough_leaves_a_server_that_answers() -> None:
    now = 0.0
    breaker = Breaker(failures=1, rest=30, clock=lambda: now)
    with scripted(status(500), drips("and ", 0.01)) as server:
        by = writer(server.url, patience=Patience(attempts=1), breaker=breaker)
        failing(by)
        now += 30
        drafts = by.write(ASK)
        assert next(drafts).text == "and "
        assert breaker.state.value == "trying"
        assert failing(by) == (
            f"The writer at {server.url} failed several times in a row and is being tried with one request now. "
            "Start that server, check the model's name, or use --writer quote."
        )
        assert isinstance(drafts, Generator)
        drafts.close()
        assert breaker.state.value == "closed"


# --------------------------------------------------------------------------------------- whatever a server may send


@pytest.mark.parametrize("url", ["m", "m@ftp://x/v1", "@http://x/v1", "m@http://x:port/v1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="isn't of the form MODEL@URL"):
        EndpointWriter(url, Config())


def test_a_refused_connection_is_tried_again_then_told() -> None:
    with nothing_listens() as url, pytest.raises(ModelError, match=r"doesn't answer \(APIConnectionError\)"):
        text(writer(url))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["choices", "delta", "content", "error", "index"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=60) | VALUES, max_size=3))
def test_any_bytes_are_a_text_or_a_fault_in_words(events: list[object]) -> None:
    body = b"".join(e if isinstance(e, bytes) else b"data: " + json.dumps(e).encode() + b"\n\n" for e in events)
    with scripted(sends(body)) as server:
        drafts, fault = [], f"The writer at {server.url} "
        try:
            drafts = [draft.text for draft in writer(server.url).write(ASK)]
        except ModelError as error:
            fault = str(error)
    assert all(drafts)
    assert fault.startswith(f"The writer at {server.url} ")


# ------------------------------------------------------------------------------------------------- the rules of waiting

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("Fri, 01 May 2026 12:00:10 -0000", 10.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds
    assert retry_after({}, NOW) is None


@given(st.text() | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d ([+-]\d{1,6}|GMT)", fullmatch=True))
def test_any_header_is_seconds_or_nothing(value: str) -> None:
    seconds = retry_after({"retry-after": value}, NOW)
    assert seconds is None or 0 <= seconds < math.inf


@given(st.integers(1, 12), st.none() | st.floats(0, 1e6), st.floats(-10, 100), st.floats(0, 1))
def test_a_pause_fits_into_what_is_left(failures: int, asked: float | None, left: float, drawn: float) -> None:
    patience = Patience(attempts=6, first=0.5, most=8.0, asked=15.0)
    wait = pause(patience, failures, asked, left, drawn)
    longest = min(8.0, 0.5 * 2 ** (failures - 1))
    if wait is None:
        assert failures >= 6 or (asked or 0) > 15 or (longest if asked is None else asked) >= left
    else:
        assert 0 <= wait < left
        assert failures < 6
        assert wait == asked if asked is not None else longest / 2 <= wait <= longest


def test_the_server_is_believed_about_what_passes() -> None:
    assert passes(404, {"x-should-retry": "true"})
    assert not passes(500, {"x-should-retry": "false"})
