"""What only a library on a server can meet: addresses with passwords, replicas, servers that go down and come back."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpus.library
import corpus.postgres
import corpus.postgres_schema
import corpus.postgres_servers
from corpus.errors import FootnotedError, LibraryError, UsageError
from corpus.imports import Report
from corpus.insight import Insight, make_insight
from corpus.library import library_path, open_library
from corpus.migrate import migrate
from corpus.postgres import PostgresLibrary
from corpus.postgres_address import is_address, parse_address
from corpus.terms import terms
from corpus.transfer import TABLES
from corpus.unspaced import is_pair
from eval.session import temporary_library
from rag.index import open_index
from tests.fakes import HashEmbedder
from tests.postgres_server import PostgresServer
from tests.waiting import wait_for
from ui.cli import main

MODEL = "model-1"
SECRET = "s3cr€t/@:word"
QUOTED = "s3cr%E2%82%ACt%2F%40%3Aword"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FOOTNOTED_DATA", str(tmp_path / "data"))


@pytest.fixture
def library(postgres_address: str) -> Iterator[PostgresLibrary]:
    with open_library(postgres_address, create=True) as opened:
        assert isinstance(opened, PostgresLibrary)
        yield opened


# Addresses


def test_an_address_is_told_without_user_password_and_options() -> None:
    text = f"postgresql://ida:{QUOTED}@db.example:5433/notes?sslmode=require&schema=mine&replica=r1.example"
    found = parse_address(text, "postgresql://other:pw2@r2.example/notes")
    assert (found.name, found.schema) == ("postgresql://db.example:5433/notes?schema=mine", "mine")
    assert found.primary == f"postgresql://ida:{QUOTED}@db.example:5433/notes?sslmode=require"
    assert found.replicas == (
        f"postgresql://ida:{QUOTED}@r1.example/notes?sslmode=require",
        "postgresql://other:pw2@r2.example/notes",
    )
    assert not any(secret in repr(found) for secret in (SECRET, QUOTED, "ida", "pw2"))
    assert found.cleaned(f"{SECRET} {QUOTED} pw2 x") == "… … … x"
    socket = parse_address("postgres:///notes?host=/run/pg&password=pw3&replica=/run/other:5433", "")
    assert socket.name == "postgresql:///notes"
    assert socket.replicas == ("postgresql:///notes?password=pw3&host=%2Frun%2Fother&port=5433",)
    assert set(socket.secrets) == {"pw3"}
    assert is_address("postgresql://x")
    assert not is_address("mine.db")
    assert not is_address(None)
    assert library_path(text) is None


@given(st.text(max_size=30), st.sampled_from(["", "?schema=", "?replica=", "?replica=postgresql://"]))
def test_what_is_no_address_is_a_sentence_without_it(text: str, option: str) -> None:
    try:
        shown = parse_address(f"postgresql://u:{QUOTED}@h{option}{text}", "").name
    except UsageError as error:
        shown = str(error)
    assert QUOTED not in shown


@pytest.mark.parametrize("port", ["nonsense", "99999999"])
def test_the_password_is_in_no_fault(port: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for address in (
        f"postgresql://ida:{QUOTED}@127.0.0.1:{port}/notes",
        f"postgresql://ida:{QUOTED}@127.0.0.1:1/n?x=1",
    ):
        with pytest.raises(FootnotedError) as caught:
            open_library(address)
        shown = "".join((str(caught.value), repr(caught.value.__cause__), caplog.text))
        assert SECRET not in shown
        assert QUOTED not in shown
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(LibraryError) as caught:
        open_library(f"postgresql://ida:{QUOTED}@127.0.0.1:1/notes")
    assert str(caught.value).startswith(
        "The server of postgresql://127.0.0.1:1/notes doesn't answer (Connection refused). Start it"
    )


def test_without_the_driver_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "corpus.postgres", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[postgres\]'"):
        open_library("postgresql://h/d")


@given(st.text())
def test_terms_are_letters_and_digits_without_accents(text: str) -> None:
    found = terms(text)
    assert all(term[0].isalnum() and not any(map(str.isspace, term)) for term in found)
    alone = [term for term in found if not is_pair(term)]  # pairs are made of neighbours, and here there are none
    assert terms(" ".join(alone)) == alone


def test_terms_are_as_sqlite_cuts_them() -> None:
    assert terms("Été, don't CO-OP 3.5% snake_case") == ["ete", "don", "t", "co", "op", "3", "5", "snake", "case"]
    assert len(terms("word " * 400_000)) < 400_000


# What is refused


def test_nothing_is_made_unasked_and_nothing_foreign_is_touched(
    postgres: PostgresServer, postgres_address: str
) -> None:
    with pytest.raises(LibraryError, match="There is no library at"):
        open_library(postgres_address)
    schema = parse_address(postgres_address).schema
    postgres.sql(f"CREATE SCHEMA {schema} CREATE TABLE state (x int)")
    for create in (False, True):
        with pytest.raises(LibraryError, match="holds something else"):
            open_library(postgres_address, create=create)
    assert postgres.sql(f"SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace") == "1"
    with pytest.raises(LibraryError, match=r"no database .*/nowhere"):
        open_library(postgres_address.replace("/postgres?", "/nowhere?"), create=True)


def test_an_older_library_is_brought_up_to_date_and_a_newer_one_refused(
    library: PostgresLibrary, postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = corpus.postgres_schema.VERSION
    for module in (corpus.postgres, corpus.postgres_schema):
        monkeypatch.setattr(module, "VERSION", now + 1)
    monkeypatch.setitem(corpus.postgres_schema.MIGRATIONS, now, ("CREATE TABLE later (x int)",))
    library.add([make_insight("It is kept.")])
    for _ in range(2):
        with open_library(postgres_address) as opened:
            assert opened.count() == 1
    monkeypatch.undo()
    with pytest.raises(LibraryError, match="Update Footnoted"):
        open_library(postgres_address)


def test_who_may_only_read_reads(library: PostgresLibrary, postgres: PostgresServer, postgres_address: str) -> None:
    library.add([make_insight("Night trains fill with tourists.", insight_id="n")])
    schema = parse_address(postgres_address).schema
    postgres.sql(
        f"CREATE ROLE reader_{schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO reader_{schema}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}"
    )
    with open_library(postgres_address.replace("postgres:sesame@", f"reader_{schema}@")) as reader:
        assert reader.read_only
        assert reader.lexical("tourists", 1)
        for write in (
            lambda: reader.add([make_insight("x")]),
            lambda: reader.remove(["n"]),
            lambda: reader.put_vectors(MODEL, [1], np.ones((1, 4), np.float32)),
        ):
            with pytest.raises(LibraryError, match="can only be read"):
                write()


def test_check_finds_what_is_out_of_step(
    library: PostgresLibrary, postgres: PostgresServer, postgres_address: str, six_insights: list[Insight]
) -> None:
    library.add(six_insights)
    schema = parse_address(postgres_address).schema
    postgres.sql(f"UPDATE {schema}.passages SET terms = '' WHERE key = 2; DELETE FROM {schema}.passages WHERE key = 3")
    assert library.check() == [
        "The counts are not in step with the tables.",
        "The lexical index is not in step with the passages.",
        "1 insights have no passages.",
    ]


# One transaction for texts and their vectors


def test_texts_are_stored_together_with_their_vectors(library: PostgresLibrary, six_insights: list[Insight]) -> None:
    embedder = HashEmbedder()
    open_index(library, embedder)  # from now on it embeds what it stores
    library.add(six_insights)
    assert library.missing(embedder.fingerprint) == []
    library.add([replace(six_insights[0], title="T"), replace(six_insights[1], text="Zeppelins returned.")])
    assert embedder.encoded[6:] == ["Zeppelins returned."]
    assert library.missing(embedder.fingerprint) == []
    keys, vectors = library.vectors(embedder.fingerprint)
    texts = [passage.text for passage, _ in library.passages(keys.tolist()).values()]
    np.testing.assert_array_equal(vectors, HashEmbedder().encode_document(texts))


def test_an_embedder_that_fails_leaves_nothing_half_stored(
    library: PostgresLibrary, six_insights: list[Insight]
) -> None:
    def fails(texts: object) -> tuple[str, np.ndarray]:
        raise RuntimeError("no memory")

    library.embed_with(fails)
    with pytest.raises(RuntimeError):
        library.add(six_insights)
    assert (library.count(), library.last_import()) == (0, None)


def test_another_writer_is_waited_for_and_told(
    library: PostgresLibrary, postgres: PostgresServer, postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(corpus.postgres_servers.SETTINGS, "lock_timeout", "50ms")
    schema = parse_address(postgres_address).schema
    with psycopg.connect(postgres.url()) as other, open_library(postgres_address) as second:
        other.execute(f"UPDATE {schema}.state SET revision = revision")
        with pytest.raises(LibraryError, match="Another program is writing"):
            second.add([make_insight("x")])
        assert second.count() == 0  # reading goes on


# Migration


def filled(library: corpus.library.Library, six_insights: list[Insight]) -> None:
    library.add(six_insights, origin="first.csv")
    keys = [key for key, _ in library.missing(MODEL)]
    library.put_vectors(MODEL, keys, np.random.default_rng(1).standard_normal((len(keys), 8)).astype(np.float32))
    library.note_model(MODEL, "a-model")
    library.remove(["s3"])
    library.edit("s1", {"title": "Mine", "tags": "a, ü"})
    long = "The map is not the territory, and the word is not the thing that it was made to name."
    library.add([make_insight(long, insight_id="long")])
    library.add(
        [make_insight(long.removesuffix(" that it was made to name.") + "…", insight_id="short"), *six_insights[:2]],
        origin="second.csv",
    )


def state(library: corpus.library.Library) -> list[object]:
    keys, vectors = library.vectors(MODEL)
    passages = [passage for passage, _ in library.passages(keys.tolist()).values()]
    sets = [(one.fingerprint, one.name, one.count) for one in library.vector_sets()]
    return [library.insights(), passages, vectors.tolist(), sets, library.linked(["long"]), library.last_import()]


def test_a_library_goes_to_a_server_and_back_with_all_that_is_in_it(
    tmp_path: Path, postgres_address: str, six_insights: list[Insight], capsys: pytest.CaptureFixture[str]
) -> None:
    source, back = str(tmp_path / "mine.db"), str(tmp_path / "back.db")
    with open_library(source, create=True) as library:
        filled(library, six_insights)
        was = state(library)
    assert main(["library", "migrate", source, postgres_address]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].endswith(f"7 insights, those of {source}: the checksums are the same on both sides.")
    assert [line.split()[0] for line in out.splitlines()[:-1]] == list(TABLES)
    assert "sesame" not in out
    assert main(["library", "migrate", postgres_address, back]) == 0
    there = capsys.readouterr().out
    assert there.splitlines()[:-1] == out.splitlines()[:-1]
    for address in (postgres_address, back):
        with open_library(address) as library:
            assert state(library) == was
            assert library.check() == []
            assert library.lexical("suitcases", 1)
            library.undo_import()
            assert library.get("short") is None
            assert library.add(six_insights[:2]).changed == 0  # the edit is known to be one


def test_a_migration_that_was_broken_off_goes_on(
    tmp_path: Path, postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(tmp_path / "mine.db")
    monkeypatch.setattr("corpus.transfer_sqlite.BATCH", 10)
    with open_library(source, create=True) as library:
        library.add(make_insight(f"Insight number {n}.", insight_id=f"n{n}") for n in range(35))

    def breaks(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(source, postgres_address, breaks)
    told: list[int] = []
    migrate(source, postgres_address, lambda done, total: told.append(done))
    assert told == [20, 30, 35]
    told.clear()
    _, _, sums = migrate(source, postgres_address, lambda done, total: told.append(done))
    assert (told, sums["insights"].rows) == ([], 35)  # again: nothing is left to do
    with open_library(source) as library:
        library.add([make_insight("One more.")])
    assert migrate(source, postgres_address)[2]["insights"].rows == 36  # the source goes on: it is copied anew


def test_a_target_that_holds_something_else_is_refused(tmp_path: Path, postgres_address: str) -> None:
    one, two = str(tmp_path / "one.db"), str(tmp_path / "two.db")
    for path in (one, two):
        with open_library(path, create=True) as library:
            library.add([make_insight(f"Of {path}.")])
    migrate(one, postgres_address)
    with pytest.raises(UsageError, match="holds another library"):
        migrate(two, postgres_address)
    with pytest.raises(UsageError, match="holds insights already"):
        migrate(one, two)
    with pytest.raises(UsageError, match="is the library itself"):
        migrate(one, one)
    with pytest.raises(UsageError, match="ship"):
        migrate(one, "demo")
    with open_library(postgres_address) as library:
        library.add([make_insight("Its own.")])
    with pytest.raises(UsageError, match="was changed since"):
        migrate(one, postgres_address)


def test_an_evaluation_asks_a_copy(postgres_address: str, six_insights: list[Insight]) -> None:
    with open_library(postgres_address, create=True) as library:
        filled(library, six_insights)
        was = state(library)
    with temporary_library(postgres_address) as copy:
        assert state(copy) == was
        copy.remove(["s1"])
    with open_library(postgres_address) as library:
        assert library.get("s1") is not None


# Replicas


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.remove()


def fault_of(call: Callable[[], object]) -> str:
    with pytest.raises(LibraryError) as caught:
        call()
    assert "sesame" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_servers_that_go_down_and_come_back(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, six_insights: list[Insight]
) -> None:
    """All that may happen to one primary and one replica, in a row, in a library that stays open."""
    primary = own_server
    open_library(primary.url(), create=True).close()
    replica = primary.replica()
    monkeypatch.setattr(corpus.postgres_servers, "PAUSE", 0.3)
    monkeypatch.setattr(corpus.postgres_servers, "IDLE", 0.0)
    address = primary.url(replica=f"{replica.folder}:{replica.port}")
    asked = {"primary": 0, "replica": 0}
    try:
        with open_library(address) as library:
            assert isinstance(library, PostgresLibrary)
            servers = library._servers

            def served_by() -> str:
                where = "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END"
                return str(servers.rows(where)[0][0])

            # Reads go to the replica, and what this process has just written is found at once, wherever it is.
            wait_for(lambda: served_by() == "replica")
            for n in range(30):
                library.add([make_insight(f"Insight number {n} has words.", insight_id=f"n{n}")])
                assert library.get(f"n{n}") is not None
                assert library.count() == n + 1
                asked[served_by()] += 1
            wait_for(lambda: served_by() == "replica")
            assert library.about_server()[-1] == "replica 1 is 0 bytes behind"

            # A replica that lags isn't asked for what it doesn't have.
            replica.sql("SELECT pg_wal_replay_pause()")
            library.add(six_insights)
            assert served_by() == "primary"
            assert library.count() == 36
            assert "bytes behind" in library.about_server()[-1]
            replica.sql("SELECT pg_wal_replay_resume()")
            wait_for(lambda: served_by() == "replica")

            # The replica is down: the primary serves, without a fault and without a wait.
            replica.stop()
            begun = time.monotonic()
            assert library.count() == 36
            assert served_by() == "primary"
            assert library.lexical("suitcases", 1)
            assert time.monotonic() - begun < 5
            assert library.about_server()[-1] == "replica 1 doesn't answer"
            replica.start()
            wait_for(lambda: served_by() == "replica")

            # The primary is down: reads go on, writes say why not; a second library can be opened and read.
            primary.stop()
            assert library.count() == 36
            assert library.get("s1") == six_insights[0]
            begun = time.monotonic()
            told = fault_of(lambda: library.add([make_insight("Never stored.")]))
            assert "doesn't answer" in told
            assert "Nothing can be changed until it is back" in told
            assert time.monotonic() - begun < 8
            assert library.count() == 36
            with open_library(address) as second:
                assert second.count() == 36
                fault_of(lambda: second.remove(["s1"]))
            assert library.about_server()[1] == "the primary doesn't answer"

            # Both are down.
            replica.stop()
            assert "Start it, or check the network" in fault_of(library.count)
            assert library.check() == [fault_of(library.count)]

            # All is as before when they are back.
            primary.start()
            assert library.count() == 36
            assert library.add([make_insight("Stored.")]) == Report(new=1)
            replica.start()
            wait_for(lambda: served_by() == "replica")
            assert library.count() == 37
            assert library.check() == []
        assert asked["replica"] + asked["primary"] == 30
    finally:
        replica.remove()


@pytest.mark.slow
def test_an_index_that_was_opened_goes_on_after_a_restart(
    own_server: PostgresServer, six_insights: list[Insight]
) -> None:
    embedder = HashEmbedder()
    with open_library(own_server.url(), create=True) as library:
        library.add(six_insights)
        index = open_index(library, embedder)
        vector = embedder.encode_query(["Ottavia Brandt counted suitcases"])[0]
        found = index.search(vector, 3)[0].tolist()
        own_server.stop()
        fault_of(lambda: index.search(vector, 3))
        own_server.start()
        assert index.search(vector, 3)[0].tolist() == found


@pytest.mark.slow
def test_the_doctor_tells_of_the_server(
    own_server: PostgresServer, six_insights: list[Insight], tmp_path: Path
) -> None:
    from ui.library_health import look_at_library

    with open_library(own_server.url(), create=True) as library:
        library.add(six_insights)
    one, two = look_at_library(own_server.url())
    assert one.ok
    assert one.text == "postgresql:///postgres, 6 insights, writable"
    assert two.ok
    assert two.text.startswith("PostgreSQL 18")
    assert "pgvector 0.8" in two.text
    own_server.sql("UPDATE footnoted.state SET insights = 7")
    assert [finding.ok for finding in look_at_library(own_server.url())] == [True, False, True]
    own_server.stop()
    (down,) = look_at_library(own_server.url())
    assert not down.ok
    assert "doesn't answer" in down.text
    assert json.dumps(down.text).count("sesame") == 0


@pytest.mark.slow
def test_a_dump_brings_everything_back(
    library: PostgresLibrary, postgres: PostgresServer, postgres_address: str, six_insights: list[Insight],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As docs/postgres.md says it is done."""
    monkeypatch.setattr(corpus.postgres, "INDEXED", 1)
    filled(library, six_insights)
    assert library.index_vectors(MODEL, 8)
    was = state(library)
    schema, file = parse_address(postgres_address).schema, str(postgres.folder / "notes.dump")
    address = postgres.url()
    postgres.run("pg_dump", "--format=custom", f"--schema={schema}", f"--file={file}", address)
    library.close()
    postgres.sql(f"DROP SCHEMA {schema} CASCADE")
    postgres.run("pg_restore", "--no-owner", f"--dbname={address}", file)
    with open_library(postgres_address) as restored:
        assert state(restored) == was
        assert restored.check() == []
        assert restored.add([make_insight("One more about zeppelins.")]) == Report(new=1)
        assert restored.lexical("zeppelin", 1)
        assert restored.check() == []


def test_new_details_leave_the_passages_as_they_were_cut(
    postgres_address: str, six_insights: list[Insight], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version cut, or another library, may be cut otherwise today."""
    with open_library(postgres_address, create=True) as library:
        library.add(six_insights)
        monkeypatch.setattr("corpus.postgres_write.split_passages", None)
        library.edit("s1", {"author": "Zeppelina Quorn"})
        ((key, _),) = library.lexical("zeppelina", 3)
        ((passage, insight),) = library.passages([key]).values()
        assert (passage.text, insight.author) == (six_insights[0].text, "Zeppelina Quorn")
        assert library.check() == []
