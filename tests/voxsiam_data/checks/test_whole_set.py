"""Sets read with the right and with the wrong label protocol."""

from itertools import permutations

import pytest

from voxsiam.types import PAPER_ORGANS
from voxsiam_data.checks.data_set import CheckReport
from voxsiam_data.checks.labels import OrganFacts
from voxsiam_data.checks.whole_set import WHOLE_SET, check_whole_set
from voxsiam_data.labels.protocols import PROTOCOLS

ALL = tuple(range(1, 9))
# Medians of the 30 label maps of WORD, in ml; the oesophagus leaves the scan.
USUAL_ML = dict(zip(PAPER_ORGANS, (192, 145, 14, 11, 1229, 375, 82, 59), strict=True))


def facts(volumes, cut=("esophagus",)):
    return tuple(OrganFacts(o, float(v), (float(v),), o in cut) for o, v in volumes.items())


def severities(cases, annotated=ALL):
    return [one.severity for one in check_whole_set(cases, [annotated] * len(cases), PAPER_ORGANS)]


def read_as(published, assumed):
    """Return the organs that another protocol shows; None where it does not know a value."""
    seen, theirs = {}, assumed.values_for()
    for value, organ in published.values_for().items():
        if organ and value not in theirs:
            return None
        if organ and theirs[value]:
            seen[PAPER_ORGANS[theirs[value] - 1]] = USUAL_ML[PAPER_ORGANS[organ - 1]]
    return facts(seen)


def test_all_pairs_of_protocols(add_table):
    found = {"unknown values": 0, "refuse": 0, "note": 0, "nothing": 0}
    noted = set()
    for published, assumed in permutations(PROTOCOLS.values(), 2):
        case = read_as(published, assumed)
        annotated = tuple(sorted(set(assumed.values_for().values()) - {0}))
        if case is None:
            found["unknown values"] += 1
            continue
        worst = min(severities([case] * 3, annotated), key=("refuse", "note").index, default=None)
        found[worst or "nothing"] += 1
        if worst == "note":
            noted.add((published.name, assumed.name))
    add_table("Wrong label protocols", tuple(found), [tuple(map(str, found.values()))])
    assert found == {"unknown values": 19, "refuse": 35, "note": 2, "nothing": 0}
    # One organ is lost, all others are right.
    assert noted == {("btcv", "zenodo"), ("amos22", "btcv")}


@pytest.mark.parametrize("known", PROTOCOLS.values(), ids=PROTOCOLS)
def test_the_right_protocol(known):
    case = read_as(known, known)
    annotated = tuple(sorted(set(known.values_for().values()) - {0}))
    assert severities([case] * 3, annotated) == []


def without(*organs):
    return {organ: ml for organ, ml in USUAL_ML.items() if organ not in organs}


SETS = {
    "liver alone": (facts({"liver": 1200}), (5,), []),
    "small patients": (facts({o: v / 20 for o, v in USUAL_ML.items()}), ALL, []),
    "no gallbladder": (facts(without("gallbladder")), ALL, ["note"]),
    "gallbladders and a duodenum removed": (
        facts(without("gallbladder", "duodenum")), ALL, ["note"],
    ),
    "two organs that nobody drew": (facts(without("pancreas", "duodenum")), ALL, ["refuse"]),
    "a chest": (
        facts(without("left_kidney", "pancreas", "duodenum"), cut=("liver", "spleen", "stomach")),
        ALL, ["note"],
    ),
    "parts of organs": (facts({"liver": 1200, "spleen": 5}, cut=PAPER_ORGANS), (1, 5), []),
    "tips of livers": (facts(USUAL_ML | {"liver": 30}, cut=("liver",)), ALL, []),
    "no large organ": (facts({"pancreas": 80, "duodenum": 60}), ALL, ["refuse"]),
    "spleens larger than livers": (facts(USUAL_ML | {"spleen": 1900}), ALL, ["note"]),
    "two sizes exchanged": (
        facts(USUAL_ML | {"gallbladder": 1200, "left_kidney": 2}), ALL, ["refuse"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_promised_outcomes(name):
    case, annotated, promised = SETS[name]
    assert severities([case] * 3, annotated) == promised
    assert severities([case] * 2, annotated) == []
    assert severities([case] * 2 + [()], annotated) == []


def test_an_organ_of_one_case_is_not_absent():
    cases = [facts(without("pancreas", "duodenum"))] * 5
    assert severities([*cases, facts(USUAL_ML)]) == []


def test_findings_name_the_whole_set():
    found = list(check_whole_set([facts(without("stomach", "liver"))] * 3, [ALL] * 3, PAPER_ORGANS))
    report = CheckReport("word", (), (), of_the_set=tuple(found))
    assert [case_id for case_id, _ in report.findings] == [WHOLE_SET] * len(found)
    assert found[0].what == "Not one voxel of liver, stomach in 3 cases."
    assert "label protocol" in found[0].fix
    assert not report.is_usable
