"""voxsiam data publish: a prepared set into an object store."""

from pathlib import Path
from typing import Annotated

import typer

from voxsiam.errors import UserError
from voxsiam_cli.console import Steps, say
from voxsiam_cli.options import is_uri


def publish(
    prepared: Annotated[Path, typer.Argument(help="A prepared set.")],
    uri: Annotated[str, typer.Argument(help="Where to: s3://bucket/folder, gs://bucket/folder.")],
) -> None:
    """Copy a prepared set into an object store; --data takes the address then.

    Volumes that are there already are not sent again. Example:

    voxsiam data publish prepared s3://bucket/flare22
    """
    from voxsiam_data.prepared.prepared_set import open_prepared
    from voxsiam_data.prepared.remote_set import RemoteSet

    if not is_uri(uri):
        raise UserError(
            f"'{uri}' is no address of an object store",
            where="URI",
            fix="give one as s3://bucket/folder; a folder is copied with cp -r",
        )
    with Steps("publish") as steps:
        RemoteSet(uri).publish(open_prepared(prepared), steps)
    say(f"next: voxsiam study run table3 --preset tiny --data {uri}")
