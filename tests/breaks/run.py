"""Break the code in every way of the list, and see that the tests named there go red.

Run: make mutate      (or: .venv/bin/python -m tests.breaks.run [--only WORD] [--at-a-time 2])

Each break is made in a copy of this checkout, so nothing here is touched. First the tests that are
named must pass unbroken: red means nothing where they were red before.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.own_host import on_a_host_of_its_own

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("platform", "data_pipelines", "experiments", "dashboards")
ALONE = on_a_host_of_its_own()
"""Tests may start a Ray, and two of them on one host hang each other."""

PASSED, FAILED = 0, 1
"""Exit codes of pytest; every other one means that the tests did not run."""


@dataclass(frozen=True)
class Break:
    """One way to be wrong.

    Attributes:
        why: What would be wrong then.
        file: Which holds `old` exactly once.
        old: The text as it is.
        new: The text that is put in its place.
        tests: Files or folders of tests, one of which must fail.
    """

    why: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def broken(self, root: Path) -> str:
        """Return the file's text with the break in it.

        Raises:
            ValueError: The text is not there exactly once.
        """
        text = (root / self.file).read_text()
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds it {found} times: {self.old!r}")
        return text.replace(self.old, self.new)


def all_breaks() -> list[Break]:
    """Read the list."""
    files = sorted(Path(__file__).parent.glob("*.toml"))
    entries = [each for file in files for each in tomllib.loads(file.read_text())["break"]]
    return [Break(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


class Copy:
    """A copy of the checkout, with a Python of its own that imports the copy."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "voxsiam"
        listed = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT
        )
        for name in filter(None, listed.decode().split("\0")):
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        # By a path alone: an editable install of this checkout would come before the copy.
        paths = [*(str(self.root / name) for name in PACKAGES), sysconfig.get_path("purelib")]
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        (site / "copy.pth").write_text("\n".join(paths) + "\n")

    def test(self, tests: Iterable[str]) -> int:
        """Run some tests until one fails; return pytest's exit code."""
        command = [*ALONE, self.python, "-m", "pytest", "-x", "-q", "-m", "not slow", *tests]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, check=False
        ).returncode

    def test_broken(self, one: Break) -> int:
        """Run the tests of a break with it, then mend it."""
        file = self.root / one.file
        whole = file.read_bytes()
        file.write_text(one.broken(self.root))
        try:
            return self.test(one.tests)
        finally:
            file.write_bytes(whole)


def main(words: Sequence[str] | None = None) -> int:
    """Try all breaks; the exit code is 0 where every one was seen."""
    parser = argparse.ArgumentParser(description="Break the code in every way of the list.")
    parser.add_argument("--only", default="", metavar="WORD", help="breaks that hold this word")
    parser.add_argument("--at-a-time", type=int, default=2 if ALONE else 1, metavar="N")
    options = parser.parse_args(words)
    breaks = [one for one in all_breaks() if options.only in f"{one.file} {one.why}"]
    for one in breaks:
        one.broken(ROOT)  # found exactly once, or this ends here
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(options.at_a_time):
            copies.put(Copy(Path(folder) / str(number)))
        copy = copies.get()
        if copy.test(sorted({test for one in breaks for test in one.tests})) != PASSED:
            _say("the tests do not pass unbroken: nothing can be learnt from them")
            return 1
        copies.put(copy)
        unseen = _try(breaks, copies, options.at_a_time)
    _say(f"{len(breaks) - len(unseen)} of {len(breaks)} breaks were seen")
    return 1 if unseen else 0


def _try(breaks: Sequence[Break], copies: SimpleQueue[Copy], at_a_time: int) -> list[Break]:
    start = time.monotonic()

    def code_of(one: Break) -> int:
        copy = copies.get()
        try:
            return copy.test_broken(one)
        finally:
            copies.put(copy)

    unseen = []
    with ThreadPoolExecutor(at_a_time) as pool:
        for done, (one, code) in enumerate(zip(breaks, pool.map(code_of, breaks), strict=True), 1):
            verdict = {FAILED: "seen", PASSED: "NOT SEEN"}.get(code, f"NO TEST RAN ({code})")
            left = (time.monotonic() - start) / done * (len(breaks) - done)
            _say(f"{done} of {len(breaks)}, {left / 60:.0f} min left: {verdict}: {one.why}")
            if code != FAILED:
                unseen.append(one)
    return unseen


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
