"""MLflow's own server, started shut: loopback unless asked, no jobs, no reports to its makers."""

import ipaddress
import os
import secrets
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from voxsiam.errors import UserError
from voxsiam.orchestration.tracking.store import without_password, without_stray_folder
from voxsiam.orchestration.workspace import sqlite_address
from voxsiam.page_token import PageToken
from voxsiam.small_files import read_text

LOOPBACK = "127.0.0.1"
APP = "voxsiam"
"""Of MLflow's applications the one in `server_app.py`: pyproject.toml names it to MLflow."""

ROOT_SETTING = "VOXSIAM_ARTIFACTS"
"""The folder of the artifacts; not set where none lie on this machine."""

TOKEN_SETTING, PORT_SETTING = "VOXSIAM_PAGE_TOKEN", "VOXSIAM_PAGE_PORT"
LOGIN_SETTING = "VOXSIAM_LOGIN"

_STOP_WITHIN_S = 10.0

ADMIN = "admin"
_ADMIN_PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"  # noqa: S105
# Whoever has a login may read and write runs; what others made only its maker or an admin deletes.
# A login is asked for with every call and costs a slow hash each time, hence the minute's memory.
_SETTINGS = """[mlflow]
default_permission = EDIT
database_uri = {users}
admin_username = {admin}
auth_cache_ttl_seconds = 60
"""


@dataclass(frozen=True)
class Login:
    """MLflow's basic login, in a folder that only its owner can read."""

    folder: Path

    @property
    def password_file(self) -> Path:
        """Where the admin's first password lies, unless it was given."""
        return self.folder / "admin-password"

    @property
    def users(self) -> Path:
        """The database of logins."""
        return self.folder / "users.db"

    def prepare(self) -> dict[str, str]:
        """Write the settings, and at the first start a password; return MLflow's environment."""
        _require("flask_wtf", "server", "MLflow's login needs Flask-WTF", "--login")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        settings = self.folder / "login.ini"
        # MLflow reads the file with names to fill in, which begin with a percent sign.
        users = sqlite_address(self.users.resolve()).replace("%", "%%")
        settings.write_text(_SETTINGS.format(users=users, admin=ADMIN))
        password = os.environ.get(_ADMIN_PASSWORD) or self._first_password()
        return {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            # Of the forms of its pages; open ones must be loaded again after a restart.
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
        } | ({_ADMIN_PASSWORD: password} if password else {})

    def _first_password(self) -> str:
        if not self.password_file.exists() and not self.users.exists():
            descriptor = os.open(self.password_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_urlsafe(24) + "\n")
        return read_text(self.password_file).strip() if self.password_file.exists() else ""


@dataclass(frozen=True)
class TrackingServer:
    """An MLflow server.

    Attributes:
        store: Where runs are kept: sqlite:///FILE or postgresql://... It may hold a password; it
            is handed on in the environment only, which other users cannot read.
        artifacts: A folder or s3://BUCKET/PREFIX; clients reach it through the server.
        workers: Processes that answer.
        allowed_hosts: Names under which clients call it, beside localhost.
        login: Who may; None lets everybody in who shows the token, if there is one.
        token: Of a server for one user of this machine.
    """

    store: str
    artifacts: str
    host: str = LOOPBACK
    port: int = 5000
    workers: int = 1
    allowed_hosts: tuple[str, ...] = ()
    login: Login | None = None
    token: PageToken | None = None

    @property
    def url(self) -> str:
        """Its address on this host."""
        return f"http://{self.host if self.is_loopback else LOOPBACK}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this host can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Refuse what would be open to everybody, or could not start."""
        self._check_doors()
        self._check_store()
        if urlsplit(self.artifacts).scheme == "s3":
            _require("boto3", "s3", "artifacts in object storage needs boto3", self.artifacts)
        self._check_port()

    def command(self) -> list[str]:
        """Return MLflow's command line; nothing in it is secret."""
        words = [sys.executable, "-m", "mlflow", "server", "--workers", str(self.workers)]
        words += ["--host", self.host, "--port", str(self.port)]
        words += ["--artifacts-destination", self.artifacts]
        # Else modules are imported from the current folder first; where they are is known without.
        words += ["--uvicorn-opts", "--app-dir=/"]
        # The first two are for whoever is on this host, or at the near end of a tunnel.
        hosts = ("localhost", LOOPBACK, *self.allowed_hosts)
        words += ["--allowed-hosts", ",".join(f"{host},{host}:*" for host in hosts)]
        if self.allowed_hosts:
            # Browsers name the page's own address as the origin of what it sends.
            origins = [f"{kind}://{host}" for kind in ("http", "https") for host in hosts]
            words += ["--cors-allowed-origins", ",".join(f"{o},{o}:*" for o in origins)]
        return [*words, "--app-name", APP]

    def environment(self) -> dict[str, str]:
        """Return the environment of the server's process; a login is prepared for it."""
        local = urlsplit(self.artifacts).scheme in ("", "file")
        doors = {
            ROOT_SETTING: str(Path(self.artifacts).absolute()) if local else None,
            LOGIN_SETTING: "1" if self.login else None,
            TOKEN_SETTING: self.token.value if self.token else None,
            PORT_SETTING: str(self.port),
        }
        return {
            **{name: value for name, value in os.environ.items() if name not in doors},
            **{name: value for name, value in doors.items() if value is not None},
            "PYTHONSAFEPATH": "1",
            "MLFLOW_BACKEND_STORE_URI": self.store,
            # It would start eight job processes that nothing here uses.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            # A wish of the surroundings must not open a door.
            "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
            **(self.login.prepare() if self.login else {}),
        }

    def run(self, environment: dict[str, str] | None = None) -> int:
        """Serve until it ends or is stopped, and leave no process behind; return its exit code."""
        with without_stray_folder(self.store):
            process = subprocess.Popen(
                self.command(), env=environment or self.environment(), start_new_session=True
            )
            try:
                return process.wait()
            finally:
                end_group(process)

    def _check_doors(self) -> None:
        if "*" in "".join(self.allowed_hosts):
            raise UserError(
                "any host would be allowed, so any web page could call the server",
                where="--allowed-host",
                fix="name the hosts under which clients call it",
            )
        if self.is_loopback:
            return
        missing = [] if self.login else ["--login"]
        missing += [] if self.allowed_hosts else ["--allowed-host NAME"]
        if missing:
            raise UserError(
                "beyond this machine the server would be open to everybody",
                where=f"--host {self.host}",
                fix=f"add {' and '.join(missing)}, or stay on {LOOPBACK} and use a tunnel "
                "(docs/tracking.md)",
            )

    def _check_store(self) -> None:
        kind = urlsplit(self.store).scheme
        if kind.partition("+")[0] not in {"sqlite", "postgresql"}:
            raise UserError(
                f"a store of the kind '{kind}' is not served",
                where=without_password(self.store),
                fix="give sqlite:////FILE or postgresql://USER@HOST/DATABASE",
            )
        if kind.startswith("postgresql"):
            where = without_password(self.store)
            _require("psycopg", "server", "PostgreSQL needs psycopg", where)
            _ask_postgres(self.store)

    def _check_port(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise UserError(
                    f"the server cannot listen there: {error.strerror}",
                    where=f"{self.host}:{self.port}",
                    fix="choose another --port, or the --host of one of this machine's addresses",
                ) from None


def end_group(process: subprocess.Popen) -> None:
    """End a process that leads a session, and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue


def _ask_postgres(store: str) -> None:
    """Connect once: MLflow itself would try for minutes before it says what is wrong."""
    import psycopg

    scheme, _, rest = store.partition("://")
    try:
        psycopg.connect(f"{scheme.partition('+')[0]}://{rest}", connect_timeout=10).close()
    except psycopg.Error as error:
        raise UserError(
            f"the database does not let us in: {str(error).strip().splitlines()[-1]}",
            where=without_password(store),
            fix="check that it runs, and PGPASSWORD or ~/.pgpass (docs/tracking.md)",
        ) from None


def _require(module: str, extra: str, what: str, where: str) -> None:
    if find_spec(module) is None:
        raise UserError(what, where=where, fix=f"pip install 'voxsiam[{extra}]'")
