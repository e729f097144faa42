"""F14: a kill in the middle of a report leaves the old one as it was."""

import json
import signal

import pytest


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_report_leaves_the_old_one(
    child, tmp_path, full_counts, measured
):
    lines = child("cut_reports", tmp_path, 20 if full_counts else 5).splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert {cut["code"] for cut in found} == {-signal.SIGKILL}
    for cut in found:
        # Behind the swap the new one stands whole; only the old one's removal was cut off.
        assert cut["old"] or cut["new"], cut
    assert any(cut["old"] for cut in found)
    measured(kills=len(found), old_one_intact=sum(cut["old"] for cut in found), damaged=0)
