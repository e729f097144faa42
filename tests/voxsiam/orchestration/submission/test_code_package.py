import sys

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.submission import code_package
from voxsiam.orchestration.submission.code_package import PACKAGES, pack_code


def test_the_packages_lie_side_by_side_and_nothing_else_does(tmp_path):
    split = tmp_path / "fold0.json"
    split.write_text("{}")
    size = pack_code(tmp_path / "code", [split])
    found = {path.name for path in (tmp_path / "code").iterdir()}
    assert found == {*PACKAGES, "fold0.json"}
    files = [path for path in (tmp_path / "code").rglob("*") if path.is_file()]
    assert size == sum(path.stat().st_size for path in files)
    assert {path.suffix for path in files} <= {
        ".py",
        ".j2",
        ".json",
        ".js",
        ".mjs",
        ".css",
        ".md",
        ".pyi",
        ".typed",
        "",
    }
    # The pages need their templates there too.
    assert any(path.suffix == ".j2" for path in files)
    assert not any("__pycache__" in path.parts for path in files)


@pytest.fixture
def package_with_data(tmp_path, monkeypatch):
    folder = tmp_path / "has_a_scan"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "scan.npy").write_bytes(bytes(3 * 2**20))
    (folder / ".git").mkdir()
    (folder / ".git" / "pack").write_bytes(bytes(3 * 2**20))
    monkeypatch.syspath_prepend(tmp_path)
    yield "has_a_scan"
    sys.modules.pop("has_a_scan", None)


def test_something_large_is_refused_with_its_name(package_with_data, tmp_path, monkeypatch):
    monkeypatch.setattr(code_package, "PACKAGES", (package_with_data,))
    monkeypatch.setattr(code_package, "LARGEST_PACKAGE_BYTES", 2**20)
    with pytest.raises(UserError, match="the code has 3 MiB, more than 1") as caught:
        pack_code(tmp_path / "code")
    assert caught.value.where == "has_a_scan/scan.npy (3 MiB)"
    assert not (tmp_path / "code" / "has_a_scan" / ".git").exists()
