"""MLflow's server as we run it: it shows no file of this machine but its artifacts.

MLflow reads the artifacts of an experiment from wherever its database, or whoever made it, says.
The server's processes import this module; they are told by their environment.
"""

import os
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracing.utils.artifact_utils import TRACE_DATA_FILE_NAME
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from voxsiam.orchestration.tracking.server import (
    LOGIN_SETTING,
    PORT_SETTING,
    ROOT_SETTING,
    TOKEN_SETTING,
)
from voxsiam.page_token import ASKS, PageToken

OPEN_TO_ALL = "/health"


def create_app() -> ASGIApp:
    """Return MLflow's application behind what this module says."""
    for scheme in ("", "file"):
        _artifact_repository_registry.register(scheme, OwnArtifacts)
    if os.environ.get(LOGIN_SETTING):
        from mlflow.server import auth

        app: Any = auth.create_app()
    else:
        from mlflow.server.fastapi_app import app
    token = os.environ.get(TOKEN_SETTING)
    return TokenDoor(app, PageToken(token, int(os.environ[PORT_SETTING]))) if token else app


class OwnArtifacts(LocalArtifactRepository):
    """Artifacts in a folder of this machine: below the server's own, and reached by no link."""

    def __init__(self, artifact_uri: str, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(artifact_uri, *arguments, **settings)
        self._require_own("")

    def get_local_path(self, artifact_path: str) -> str:
        """See MLflow's; what is not the server's own is refused."""
        self._require_own(artifact_path)
        return super().get_local_path(artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """See MLflow's; links are not listed."""
        self._require_own(path)
        found = super().list_artifacts(path)
        return [each for each in found if not Path(self.artifact_dir, each.path).is_symlink()]

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """See MLflow's; what is not the server's own is refused."""
        self._require_own(artifact_path)
        super().delete_artifacts(artifact_path)

    def download_trace_data(self) -> dict[str, Any]:
        """See MLflow's; what is not the server's own is refused."""
        self._require_own(TRACE_DATA_FILE_NAME)
        return super().download_trace_data()

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._require_own(remote_file_path)
        super()._download_file(remote_file_path, local_path)

    def _get_or_create_artifact_dir(self, artifact_path: str | None = None) -> str:
        self._require_own(artifact_path)
        return super()._get_or_create_artifact_dir(artifact_path)

    def _require_own(self, artifact_path: str | None) -> None:
        named = Path(os.path.normpath(Path(self.artifact_dir, artifact_path or "").absolute()))
        root = os.environ.get(ROOT_SETTING)
        if root is None or not is_own(Path(root), named):
            raise MlflowException(
                "this server shows no file but its own artifacts, and follows no link to them",
                error_code=PERMISSION_DENIED,
            )


def is_own(root: Path, path: Path) -> bool:
    """Tell whether an absolute path without `..` lies below a folder, by no link.

    The file may be still to be made. Links on the way to the folder are its owner's.
    """
    if not path.is_relative_to(root):
        return False
    steps = path.relative_to(root).parts
    return not any(root.joinpath(*steps[: i + 1]).is_symlink() for i in range(len(steps)))


class TokenDoor:
    """Lets in who has shown the token; a link that holds it is kept by the browser as a cookie."""

    def __init__(self, app: ASGIApp, token: PageToken) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan" or self._may_pass(asked := HTTPConnection(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif self._token.is_it(asked.query_params.get("token", "")):
            away = RedirectResponse(asked.url.path, 303)
            away.headers["set-cookie"] = self._token.set_cookie
            await away(scope, receive, send)
        else:
            refusal = PlainTextResponse(ASKS.format(command="voxsiam ui"), 403)
            await refusal(scope, receive, send)

    def _may_pass(self, asked: HTTPConnection) -> bool:
        if asked.url.path == OPEN_TO_ALL:
            return True
        return self._token.admits(asked.cookies, asked.headers.get("authorization", ""))
