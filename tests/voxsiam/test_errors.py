import pickle
from pathlib import Path

import pytest

from voxsiam.errors import UserError, is_stop, nearest_name, refusal


def test_an_error_says_what_where_and_what_to_do_and_survives_travel():
    error = UserError("it is broken", where="file.nii", fix="mend it")
    travelled = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(travelled) == "it is broken\n  where: file.nii\n  fix:   mend it"
    assert str(refusal(Path("file.nii"), "it is broken", "mend it")) == str(error)


@pytest.mark.parametrize(
    ("name", "words"), [("tabel3", "did you mean 'table3'?"), ("zzz", "table3, table4")]
)
def test_the_nearest_name(name, words):
    assert words in nearest_name(name, ("table3", "table4"))


def test_a_stop_is_known_behind_a_librarys_error():
    inside = SystemError("returned a result with an exception set")
    inside.__context__ = KeyboardInterrupt()
    assert is_stop(inside)
    assert is_stop(KeyboardInterrupt())
    assert not is_stop(SystemError("of its own"))
