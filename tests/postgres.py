"""A PostgreSQL of the tests' own, in a temporary folder, with a password."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tracking_server import free_port

USER = "mlflow"


def find_programs() -> Path | None:
    """Folder of initdb and pg_ctl, the newest version where there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return debian[-1] if debian else None


@dataclass(frozen=True)
class Postgres:
    port: int
    password: str

    @property
    def uri(self) -> str:
        """Without the password: that comes from PGPASSWORD."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    @property
    def uri_with_password(self) -> str:
        return self.uri.replace(f"{USER}@", f"{USER}:{self.password}@")


@contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    """Start one; it refuses to run as root, so it runs as the account that Debian made for it."""
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    user, group = (account.pw_uid, account.pw_gid) if account else (None, None)
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    database = Postgres(free_port(), secrets.token_urlsafe(12))
    (home / "password").write_text(database.password)
    for path in (home, home / "password"):
        if account:
            os.chown(path, account.pw_uid, account.pw_gid)

    def call(program, *words):
        run = subprocess.run(
            [programs / program, "-D", home / "data", *words],
            cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            user=user, group=group, extra_groups=[] if account else None,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout

    try:
        call("initdb", "-U", USER, "--auth=scram-sha-256", f"--pwfile={home / 'password'}")
        options = f"-p {database.port} -k {home} -c listen_addresses=127.0.0.1"
        call("pg_ctl", "-w", "-l", home / "log", "-o", options, "start")
        try:
            yield database
        finally:
            call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
