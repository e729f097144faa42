"""The login of a shared tracking server: where its users and its first password are kept."""

import os
import secrets
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from voxsiam.errors import UserError
from voxsiam.small_files import read_text

ADMIN = "admin"
_ADMIN_PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"  # noqa: S105
# Whoever has a login may read and write runs; what others made only its maker or an admin deletes.
# A login is asked for with every call and costs a slow hash each time, hence the minute's memory.
_SETTINGS = """[mlflow]
default_permission = EDIT
database_uri = sqlite:///{users}
admin_username = {admin}
auth_cache_ttl_seconds = 60
"""


@dataclass(frozen=True)
class Login:
    """MLflow's basic login, in a folder that only its owner can read.

    Attributes:
        folder: Holds users, settings and, unless it was given, the admin's first password.
    """

    folder: Path

    @property
    def password_file(self) -> Path:
        """Where the admin's first password lies."""
        return self.folder / "admin-password"

    @property
    def users(self) -> Path:
        """The database of logins."""
        return self.folder / "users.db"

    def prepare(self) -> dict[str, str]:
        """Write the settings, and at the first start a password; return MLflow's environment.

        Raises:
            UserError: MLflow's login is not installed.
        """
        if find_spec("flask_wtf") is None:
            raise UserError(
                "MLflow's login needs Flask-WTF",
                where="--login",
                fix="pip install 'voxsiam[server]'",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        settings = self.folder / "login.ini"
        settings.write_text(_SETTINGS.format(users=self.users.resolve(), admin=ADMIN))
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
