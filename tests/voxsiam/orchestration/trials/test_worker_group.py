from pathlib import Path

import pytest

from voxsiam.errors import UserError
from voxsiam.orchestration.trials.worker_group import SILENCE_SETTING, Workers, silence_s


def test_workers_and_their_collectives_have_the_patience_that_is_set(monkeypatch):
    monkeypatch.delenv(SILENCE_SETTING, raising=False)
    assert silence_s() == 600
    monkeypatch.setenv(SILENCE_SETTING, "30.5")
    assert silence_s() == 30.5
    assert Workers(2, 0.0, silence_s(), Path(), watched=False).backend.timeout_s == 30


@pytest.mark.parametrize("setting", ["", "soon", "-5", "0", "nan", "1e3"])
def test_a_setting_that_is_no_time_is_refused(monkeypatch, setting):
    monkeypatch.setenv(SILENCE_SETTING, setting)
    with pytest.raises(UserError, match="keep silent"):
        silence_s()
