"""`footnoted user`: who may use a server that several people share. What it knows of users is in ui/users.py."""

import argparse
import getpass
import sys
from pathlib import Path

from corpus.errors import UsageError

Options = argparse.Namespace


def add_user_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `user` with its actions to the commands."""
    users = commands.add_parser("user", help="who may log in to `footnoted serve --auth FILE`")
    actions = users.add_subparsers(title="actions", required=True, metavar="ACTION")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--auth", type=Path, required=True, metavar="FILE", help="the file of users, such as users.toml")
    for name, run, text in (
        ("add", run_add, "add a user; the password is asked for, twice, and doesn't show"),
        ("password", run_password, "give a user another password"),
        ("key", run_key, "make an API key for a user's programs; it is shown once"),
        ("remove", run_remove, "take a user out"),
    ):
        action = actions.add_parser(name, help=text, description=text, parents=[where])
        action.add_argument("name", metavar="NAME")
        action.set_defaults(run=run)
        if name == "key":
            action.add_argument("--revoke", action="store_true", help="make none, and take all that there are back")
    listing = actions.add_parser("list", help="list the users", description="list the users", parents=[where])
    listing.set_defaults(run=run_list)


def run_add(options: Options) -> int:
    """Add a user."""
    from ui.users import add_user, check_free, check_name

    name = check_name(options.name)
    check_free(options.auth, name)
    add_user(options.auth, name, ask_password(name))
    sys.stdout.write(f"{name} may log in. Serve with: footnoted serve --auth {options.auth}\n")
    return 0


def run_password(options: Options) -> int:
    """Give a user another password."""
    from ui.users import change_password, check_known

    name = check_known(options.auth, options.name)
    change_password(options.auth, name, ask_password(name))
    sys.stdout.write(f"{name} has a new password; who was logged in with the old one has to log in again.\n")
    return 0


def run_key(options: Options) -> int:
    """Make an API key, or take all of them back."""
    from ui.users import add_key, revoke_keys

    if options.revoke:
        count = revoke_keys(options.auth, options.name)
        sys.stdout.write(f"Revoked {count} key{'s' * (count != 1)}.\n")
        return 0
    sys.stdout.write(add_key(options.auth, options.name) + "\n")
    sys.stderr.write("Keep it now: it can't be shown again.\n")
    return 0


def run_remove(options: Options) -> int:
    """Take a user out."""
    from ui.users import remove_user

    remove_user(options.auth, options.name)
    sys.stdout.write(f"{options.name} may not log in any more.\n")
    return 0


def run_list(options: Options) -> int:
    """The users, one a line, with the number of their keys."""
    from ui.users import read_users

    for user in read_users(options.auth).values():
        count = len(user.keys)
        sys.stdout.write(f"{user.name}\t{count} key{'s' * (count != 1)}\n")
    return 0


def ask_password(name: str) -> str:
    """A new password, typed twice without echo. Raises UsageError without a terminal, or if it isn't the same twice."""
    from ui.users import SHORTEST

    if not sys.stdin.isatty():
        raise UsageError("A password is asked for on a terminal, so that it shows nowhere.", "Run this in one.")
    try:
        first = getpass.getpass(f"Password for {name}, {SHORTEST} characters or more: ")
        second = getpass.getpass("The same again: ")
    except EOFError as error:
        raise UsageError("No password was typed.", "Run it again.") from error
    if second != first:
        raise UsageError("The two passwords differ.", "Run it again.")
    return first
