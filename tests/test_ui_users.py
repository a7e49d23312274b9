"""Users: the file, its command, logging in, and what a server that several people share lets through."""

import base64
import getpass
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import UsageError
from tests.serving import served
from ui import cli
from ui.login import COOKIE, USER_HEADER, Login, account, login_page
from ui.sessions import CAPS, FORGOTTEN, FREE, IDLE, MOST, Sessions, Slowdown
from ui.users import (
    Cost,
    User,
    UserFile,
    add_key,
    add_user,
    change_password,
    check_name,
    guarded,
    hash_password,
    is_loopback,
    matches,
    owner_of_key,
    read_users,
    remove_user,
    revoke_keys,
)

CHEAP = Cost(n=2**4)  # the real one takes a quarter of a second
PASSWORD = "correct horse"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.toml"
    add_user(path, "ada", PASSWORD, CHEAP)
    add_user(path, "bob", "battery staple", CHEAP)
    return path


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


# ------------------------------------------------------------------------------------------------------ passwords


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=30))
def test_a_password_matches_itself_and_no_other(password: str) -> None:
    user = User("ada", hash_password(password, CHEAP))
    assert matches(password, user)
    assert not matches(password + "x", user)
    assert password not in user.password


def test_nobody_has_no_password() -> None:
    assert not matches(PASSWORD, None)
    assert not matches("", None)


def test_equal_passwords_have_different_hashes_and_the_form_of_unicode_does_not_matter() -> None:
    assert hash_password(PASSWORD, CHEAP) != hash_password(PASSWORD, CHEAP)
    assert matches("cafe\u0301 au lait", User("a", hash_password("caf\u00e9 au lait", CHEAP)))


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1001])
def test_a_password_that_is_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(UsageError, match="Choose one of 8 to 1000"):
        hash_password(password, CHEAP)
    assert not matches(password, User("ada", hash_password(PASSWORD, CHEAP)))


def test_the_shipped_cost_is_the_recommended_one() -> None:
    assert (Cost().n, Cost().r, Cost().p) == (2**15, 8, 3)
    assert hash_password(PASSWORD).startswith("scrypt$32768$8$3$")


# ------------------------------------------------------------------------------------------------------- the file


def test_the_file_is_private_and_holds_no_secret(path: Path) -> None:
    key = add_key(path, "ada")
    text = path.read_text()
    assert PASSWORD not in text
    assert key not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert owner_of_key(key, read_users(path)) == "ada"
    assert owner_of_key(key + "x", read_users(path)) == ""
    assert [p.name for p in path.parent.iterdir() if p.name != ".users.toml.lock"] == ["users.toml"]


def test_users_come_and_go(path: Path) -> None:
    keys = [add_key(path, "ada") for _ in range(2)]
    change_password(path, "ADA", "another one", CHEAP)
    users = read_users(path)
    assert list(users) == ["ada", "bob"]
    assert matches("another one", users["ada"])
    assert len(users["ada"].keys) == 2
    assert revoke_keys(path, "ada") == 2
    assert owner_of_key(keys[0], read_users(path)) == ""
    remove_user(path, "ada")
    assert list(read_users(path)) == ["bob"]
    for change in (
        lambda: remove_user(path, "ada"),
        lambda: add_key(path, "ada"),
        lambda: change_password(path, "ada", PASSWORD, CHEAP),
    ):
        with pytest.raises(UsageError, match=r"has no user 'ada'. It has: bob\."):
            change()
    with pytest.raises(UsageError, match="bob is a user already"):
        add_user(path, "Bob", PASSWORD, CHEAP)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "é", "a" * 33, "a]\n[b", "a\r\nx-footnoted-user: b"])
def test_a_name_is_plain(name: str) -> None:
    with pytest.raises(UsageError, match="can't be a user's name"):
        check_name(name)
    assert check_name(" Ada_1-x ") == "ada_1-x"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[ada", "is not valid TOML"),
        ("[ada]\n", "The user 'ada' in .* is broken"),
        ('ada = "x"\n', "The user 'ada' in .* is broken"),
        ('[ada]\npassword = "secret"\n', "The user 'ada' in .* is broken"),
        ('["A B"]\npassword = "scrypt$16$8$3${0}${1}"\n', "The user 'A B' in .* is broken"),
        ('[ada]\npassword = "scrypt$16$8$3${0}${1}"\nkeys = ["x"]\n', "The keys of 'ada' in .* are broken"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "users.toml"
    path.write_text(text.replace("{0}", "0" * 32).replace("{1}", "0" * 64))
    path.chmod(0o600)
    with pytest.raises(UsageError, match=says):
        read_users(path)
    with pytest.raises(UsageError, match=says):
        add_user(path, "eve", PASSWORD, CHEAP)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        read_users(path)


def test_a_file_that_is_not_there_is_no_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="footnoted user add NAME --auth"):
        UserFile(tmp_path / "users.toml")
    with pytest.raises(UsageError, match="There is no folder"):
        add_user(tmp_path / "none" / "users.toml", "ada", PASSWORD, CHEAP)


def test_a_running_server_sees_each_change_and_survives_a_broken_one(path: Path) -> None:
    users = UserFile(path)
    remove_user(path, "bob")
    assert list(users.now()) == ["ada"]
    path.write_text("[broken")
    assert list(users.now()) == ["ada"]
    path.unlink()
    assert list(users.now()) == ["ada"]


# ------------------------------------------------------------------------------------------------ who may come in


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_this_machine_alone_needs_no_users(host: str) -> None:
    assert is_loopback(host)
    assert guarded(host, None, without_auth=False) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "insights.example", ""])
def test_others_come_in_only_if_somebody_said_how(host: str, path: Path) -> None:
    assert not is_loopback(host)
    with pytest.raises(UsageError, match="--without-auth if that is what you want"):
        guarded(host, None, without_auth=False)
    assert guarded(host, None, without_auth=True) is None
    users = guarded(host, path, without_auth=False)
    assert users is not None
    assert list(users.now()) == ["ada", "bob"]


def test_a_proxys_address_means_that_others_come(path: Path) -> None:
    with pytest.raises(UsageError, match=r"Whoever reaches https://insights\.example could ask"):
        guarded("127.0.0.1", None, without_auth=False, address="https://insights.example")
    assert guarded("127.0.0.1", None, without_auth=True, address="https://insights.example") is None
    assert guarded("127.0.0.1", path, without_auth=False, address="https://insights.example") is not None


def test_what_contradicts_itself_or_lets_nobody_in_is_refused(path: Path) -> None:
    with pytest.raises(UsageError, match="contradict"):
        guarded("::1", path, without_auth=True)
    for name in ("ada", "bob"):
        remove_user(path, name)
    with pytest.raises(UsageError, match="holds no user"):
        guarded("::1", path, without_auth=False)


# ------------------------------------------------------------------------------------------- sessions and failures


def test_a_session_ends_with_its_time_its_password_or_its_user(path: Path) -> None:
    clock = Clock()
    sessions = Sessions(clock)
    users = read_users(path)

    def opened() -> str:
        token = sessions.open(users["ada"])
        assert sessions.name(token, users) == "ada"
        return token

    token = opened()
    clock.time += IDLE - 1
    assert sessions.name(token, users) == "ada"
    clock.time += IDLE + 1
    assert sessions.name(token, users) == ""
    token = opened()
    assert sessions.name(token, {**users, "ada": User("ada", hash_password("another one", CHEAP))}) == ""
    assert sessions.name(token, users) == ""  # it doesn't come back
    assert sessions.name(opened(), {"bob": users["bob"]}) == ""
    token = opened()
    sessions.close(token)
    assert sessions.name(token, users) == ""
    assert sessions.name("", users) == ""


def test_more_sessions_than_there_may_be_push_out_the_oldest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.sessions.MOST", 2)
    clock = Clock()
    sessions, users = Sessions(clock), read_users(path)
    tokens = []
    for _ in range(3):
        tokens.append(sessions.open(users["ada"]))
        clock.time += 1
    assert [sessions.name(token, users) for token in tokens] == ["", "ada", "ada"]
    assert MOST == 10_000


def test_wrong_passwords_make_the_next_one_wait_longer_and_longer() -> None:
    clock = Clock()
    slow = Slowdown(clock)
    for _ in range(FREE):
        assert slow.wait("here", "ada") == 0
        slow.failed("here", "ada")
    waits = []
    for _ in range(8):
        waits.append(slow.wait("here", "eve"))
        clock.time += waits[-1]
        assert slow.wait("here", "eve") == 0
        slow.failed("here", "eve")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert slow.wait("elsewhere", "someone") == 0
    assert slow.wait("elsewhere", "eve") == CAPS["name"]  # her owner, from elsewhere, isn't locked out for long
    slow.passed("here", "eve")
    assert slow.wait("elsewhere", "eve") == 0
    assert slow.wait("here", "eve") == 1  # for what was guessed at ada's
    clock.time += 1
    slow.passed("here", "ada")
    assert slow.wait("here", "eve") == 0
    for _ in range(FREE):
        slow.failed("there", "ada")
    assert slow.wait("there", "zoe") > 0
    clock.time += FORGOTTEN + 1
    assert slow.wait("there", "zoe") == 0


def test_logging_in_with_a_name_of_ones_own_buys_no_guesses_at_others() -> None:
    clock = Clock()
    slow = Slowdown(clock)
    waited = 0.0
    for _ in range(30):
        wait = slow.wait("here", "ada")
        waited += wait
        clock.time += wait
        slow.failed("here", "ada")
        slow.passed("here", "mallory")
    assert waited > 10 * CAPS["client"]


def test_who_mistypes_their_own_password_is_forgiven() -> None:
    slow = Slowdown(Clock())
    for _ in range(3):
        for _ in range(FREE - 1):
            slow.failed("here", "ada")
        assert slow.wait("here", "ada") == 0
        slow.passed("here", "ada")


# ------------------------------------------------------------------------------------------------- the middleware


class Door:
    """A server behind the log-in that answers with the name it was told."""

    def __init__(self, path: Path, url: str, clock: Clock) -> None:
        self.path, self.url, self.clock = path, url, clock


@pytest.fixture
def door(path: Path) -> Iterator[Door]:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def who(request: Request) -> Response:
        return PlainTextResponse(",".join(request.headers.getlist(USER_HEADER)) or "nobody")

    clock = Clock()

    def make() -> Any:
        app = Starlette(routes=[Route("/{rest:path}", who, methods=["GET", "POST"])])
        return Login(app, UserFile(path), now=clock)

    with served(make) as url:
        yield Door(path, url.rstrip("/"), clock)


Client = Any
BROWSER = {"accept": "text/html,*/*"}


@pytest.fixture
def client() -> Iterator[Client]:
    import httpx

    with httpx.Client(timeout=20) as client:
        yield client


def log_in(client: Client, door: Door, name: str = "ada", password: str = PASSWORD, **options: Any) -> Any:
    return client.post(f"{door.url}/login", data={"username": name, "password": password}, **options)


def test_nobody_comes_in_unknown(door: Door, client: Client) -> None:
    response = client.get(f"{door.url}/", headers=BROWSER)
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    response = client.get(f"{door.url}/config", headers={USER_HEADER: "ada"})
    assert response.status_code == 401
    assert response.json() == {"detail": "Log in first, or again: your session may have ended."}
    assert response.headers["www-authenticate"].startswith("Bearer")
    response = client.post(f"{door.url}/v1/chat/completions", json={})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert client.get(f"{door.url}/healthz").text == "nobody"


def test_a_browser_logs_in_and_out(door: Door, client: Client) -> None:
    page = client.get(f"{door.url}/login", headers=BROWSER)
    assert '<form method="post" action="/login">' in page.text
    assert page.headers["cache-control"] == "no-store"
    response = log_in(client, door, " Ada ", headers=BROWSER)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"]
    assert all(part in cookie for part in (f"{COOKIE}=", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age="))
    token = client.cookies[COOKIE]
    assert client.get(f"{door.url}/").text == "ada"
    assert client.get(f"{door.url}/", headers={USER_HEADER: "bob"}).text == "ada"
    assert client.get(f"{door.url}/login", headers=BROWSER).status_code == 303
    assert client.get(f"{door.url}/logout", headers=BROWSER).status_code == 405
    assert client.get(f"{door.url}/").text == "ada"
    response = client.post(f"{door.url}/logout", headers=BROWSER)
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert COOKIE not in client.cookies
    client.cookies.set(COOKIE, token)  # who kept it has nothing
    assert client.get(f"{door.url}/").status_code == 401


def test_a_wrong_password_is_told_and_slows_down(door: Door, client: Client) -> None:
    response = log_in(client, door, '"><b>ada', "wrong password", headers=BROWSER)
    assert response.status_code == 401
    assert 'role="alert"' in response.text
    assert "&#34;&gt;&lt;b&gt;ada" in response.text
    for _ in range(FREE - 1):
        assert log_in(client, door, password="wrong password").status_code == 401
    slow = log_in(client, door, headers=BROWSER)  # the right one, but too soon
    assert slow.status_code == 429
    assert "Too many wrong passwords. Try again in 1 seconds." in slow.text
    assert log_in(client, door).json()["detail"].startswith("Too many wrong passwords.")
    door.clock.time += 1
    assert log_in(client, door).json() == {"success": True}
    assert client.get(f"{door.url}/").text == "ada"


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"username=ada", b"&" * 5000, b"username=&password=" + b"x" * 5000, b"a=1&" * 50]
)
def test_whatever_is_posted_lets_nobody_in(door: Door, client: Client, body: bytes) -> None:
    assert client.post(f"{door.url}/login", content=body).status_code == 401
    assert client.put(f"{door.url}/login", content=body).status_code == 405


def test_programs_send_a_key_or_a_password(door: Door, client: Client) -> None:
    key = add_key(door.path, "bob")
    assert client.get(f"{door.url}/x", headers={"authorization": f"Bearer {key}"}).text == "bob"
    assert client.get(f"{door.url}/x", headers={"authorization": f"Bearer {key}x"}).status_code == 401
    assert client.get(f"{door.url}/x", auth=("ada", PASSWORD)).text == "ada"
    assert client.get(f"{door.url}/x", auth=("ada", PASSWORD)).text == "ada"
    assert client.get(f"{door.url}/x", auth=("ada", "wrong password")).status_code == 401
    assert client.get(f"{door.url}/x", headers={"authorization": "Basic !!!"}).status_code == 401
    revoke_keys(door.path, "bob")
    change_password(door.path, "ada", "another one", CHEAP)
    assert client.get(f"{door.url}/x", headers={"authorization": f"Bearer {key}"}).status_code == 401
    assert client.get(f"{door.url}/x", auth=("ada", PASSWORD)).status_code == 401
    assert client.get(f"{door.url}/x", auth=("ada", "another one")).text == "ada"


def test_guessing_by_basic_is_slowed_down_too(door: Door, client: Client) -> None:
    guess = base64.b64encode(b"ada:wrong password").decode()
    for _ in range(FREE):
        assert client.get(f"{door.url}/x", headers={"authorization": f"Basic {guess}"}).status_code == 401
    response = client.get(f"{door.url}/v1/models", headers={"authorization": f"Basic {guess}"})
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.json()["error"]["type"] == "rate_limit_error"


def test_who_is_taken_out_is_out_at_once(door: Door, client: Client) -> None:
    log_in(client, door)
    assert client.get(f"{door.url}/").text == "ada"
    remove_user(door.path, "ada")
    assert client.get(f"{door.url}/").status_code == 401


@given(st.text())
def test_whatever_the_name_the_pages_hold_only_our_tags(name: str) -> None:
    for html in (login_page("problem <i>", name), account(f"x{name}")):
        assert "<i>" not in html
        assert html.count("<form") == 1
        assert html.count("<input") == (2 if "password" in html else 0) or "<input" in name
    assert account("") == ""


# ---------------------------------------------------------------------------------------------------- the command


Run = Callable[..., tuple[int, str, str]]
ENDED = "\x04"  # Ctrl-D


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command at a terminal where these passwords are typed."""

    def run(*arguments: str | Path, typed: tuple[str, ...] = ()) -> tuple[int, str, str]:
        answers = iter(typed)

        def given(prompt: str) -> str:
            if (answer := next(answers)) == ENDED:
                raise EOFError
            return answer

        monkeypatch.setattr(getpass, "getpass", given)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: bool(typed), raising=False)
        monkeypatch.setattr("ui.users.Cost", lambda *given: Cost(*given) if given else CHEAP)
        code = cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_the_command_adds_lists_and_removes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    assert run("user", "add", "Ada", "--auth", path, typed=(PASSWORD, PASSWORD)) == (
        0,
        f"ada may log in. Serve with: footnoted serve --auth {path}\n",
        "",
    )
    assert matches(PASSWORD, read_users(path)["ada"])
    code, key, told = run("user", "key", "ada", "--auth", path)
    assert (code, told) == (0, "Keep it now: it can't be shown again.\n")
    assert owner_of_key(key.strip(), read_users(path)) == "ada"
    assert run("user", "list", "--auth", path)[1] == "ada\t1 key\n"
    assert run("user", "key", "ada", "--revoke", "--auth", path)[1] == "Revoked 1 key.\n"
    assert run("user", "password", "ada", "--auth", path, typed=("something else",) * 2)[0] == 0
    assert matches("something else", read_users(path)["ada"])
    assert run("user", "remove", "ada", "--auth", path)[0] == 0
    assert read_users(path) == {}


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("ada", (PASSWORD, PASSWORD), "ada is a user already."),
        ("e v e", (), "'e v e' can't be a user's name."),
        ("eve", (PASSWORD, PASSWORD + "x"), "The two passwords differ."),
        ("eve", ("short", "short"), "This password has 5 characters."),
        ("eve", (), "A password is asked for on a terminal"),
        ("eve", (PASSWORD, ENDED), "No password was typed."),
    ],
)
def test_the_command_says_what_is_wrong(run: Run, path: Path, name: str, typed: tuple[str, ...], says: str) -> None:
    before = path.read_text()
    code, out, told = run("user", "add", name, "--auth", path, typed=typed)
    assert (code, out) == (2, "")
    assert told.startswith(f"footnoted: {says}")
    assert path.read_text() == before


def test_serving_others_without_users_is_refused_before_anything_is_loaded(run: Run, tmp_path: Path) -> None:
    code, _, told = run("serve", "--host", "0.0.0.0", "--library", tmp_path / "none.db")
    assert code == 2
    assert "Whoever reaches 0.0.0.0 could ask and read your insights." in told
    code, _, told = run("serve", "--auth", tmp_path / "users.toml", "--library", tmp_path / "none.db")
    assert code == 2
    assert "footnoted user add NAME --auth" in told
