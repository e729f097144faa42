"""Cases without files, as splits see them."""

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Item:
    case_id: str
    patient_id: str
    source: str = "s"


def items(count, sources=("s",)):
    return [Item(f"c{i}", f"p{i}", sources[i % len(sources)]) for i in range(count)]


@st.composite
def some_cases(draw, min_patients=2):
    """Patients with one to four cases, of up to three sources, in any order."""
    patients = draw(
        st.lists(
            st.tuples(st.integers(1, 4), st.sampled_from("ABC")),
            min_size=min_patients,
            max_size=25,
        )
    )
    cases = [
        Item(f"p{p}-{i}", f"p{p}", source)
        for p, (count, source) in enumerate(patients)
        for i in range(count)
    ]
    return draw(st.permutations(cases))


def patients_on(ids):
    return {case_id.split("-")[0] for case_id in ids}


def require_whole_patients(split, cases):
    """No case on two sides, and no patient."""
    assert split.disjoint()
    sides = (split.train, split.validation, split.test)
    of_patient = defaultdict(set)
    patient = {case.case_id: case.patient_id for case in cases}
    for number, side in enumerate(sides):
        assert list(side) == sorted(side)
        for case_id in side:
            of_patient[patient[case_id]].add(number)
    assert all(len(numbers) == 1 for numbers in of_patient.values())
