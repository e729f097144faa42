"""A study on a cluster of which one node has no torch.

Run: python -m tests.faults.bare_node FOLDER        (prints a JSON object; on a host of its own)
"""

import json
import os
import sys
from pathlib import Path

from tests.faults.own_cluster import begin, join_node, make_token, said_by, start_head

NO_TORCH = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"


def main(folder: Path) -> None:
    """Hide torch from one node, and start a study."""
    os.chdir(folder)
    make_token()
    (folder / "bare" / "torch").mkdir(parents=True)
    (folder / "bare" / "torch" / "__init__.py").write_text(NO_TORCH)
    start_head()
    join_node(PYTHONPATH=str(folder / "bare"))
    outcome = said_by(begin("study", "run", "table3", "--preset", "tiny", "--workspace", "w"))
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
