import getpass
import socket

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.owner import OWNER_SETTING, this_owner


def test_it_is_the_user_and_the_host_or_the_name_that_was_given(monkeypatch):
    monkeypatch.delenv(OWNER_SETTING, raising=False)
    assert this_owner() == f"{getpass.getuser()}@{socket.gethostname()}"
    monkeypatch.setenv(OWNER_SETTING, "Chung lab 3")
    assert this_owner() == "Chung lab 3"


def test_a_user_without_a_name_has_a_number(monkeypatch):
    def nobody():
        raise OSError

    monkeypatch.delenv(OWNER_SETTING, raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert this_owner().partition("@")[0].isdecimal()


@pytest.mark.parametrize("name", ["<b>me</b>", "a" * 81, "me\nyou", "a;b", "$(id)"])
def test_what_is_no_name_is_refused(monkeypatch, name):
    monkeypatch.setenv(OWNER_SETTING, name)
    with pytest.raises(UserError, match="no name of an owner"):
        this_owner()
