import pytest

from tests.voxsiam.training.toy import make_volume
from voxsiam.training.batch import epoch_plan, rank_part, read_batches

CASES = [f"case{i}" for i in range(11)]


def test_every_case_once_in_an_order_of_seed_and_epoch_alone():
    plan = epoch_plan(CASES, seed=1, epoch=2, batch_size=4)
    assert [len(batch) for batch in plan] == [4, 4, 3]
    assert sorted(case for batch in plan for case in batch) == sorted(CASES)
    assert plan == epoch_plan(CASES[::-1], seed=1, epoch=2, batch_size=4)
    others = [
        epoch_plan(CASES, seed=1, epoch=3, batch_size=4),
        epoch_plan(CASES, seed=2, epoch=2, batch_size=4),
    ]
    assert plan not in others


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 13])
def test_rank_parts_are_the_batch_in_order(world_size):
    parts = [rank_part(CASES, rank, world_size) for rank in range(world_size)]
    assert [case for part in parts for case in part] == CASES
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_batches_hold_the_planned_cases_and_know_the_global_size():
    plan = [("case1", "case2", "case3"), ("case4",)]
    batches = list(read_batches(plan, make_volume, rank=0, world_size=2))
    assert [batch.case_ids for batch in batches] == [("case1",), ()]
    assert [batch.global_cases for batch in batches] == [3, 1]
    assert batches[0].images.shape == (1, 1, 16, 16, 16)
    assert batches[1].images.shape[0] == batches[1].labels.shape[0] == 0
    assert (batches[0].labels[0].numpy() == make_volume("case1").label).all()


def test_an_error_while_reading_reaches_the_loop():
    def broken(case_id):
        raise OSError(case_id)

    with pytest.raises(OSError, match="case9"):
        list(read_batches([("case9",)], broken, rank=0, world_size=1))


def test_a_short_last_batch_can_be_left_out():
    def sizes(cases, drop_last):
        plan = epoch_plan(cases, seed=0, epoch=0, batch_size=4, drop_last=drop_last)
        return [len(batch) for batch in plan]

    assert sizes("abcdef", drop_last=False) == [4, 2]
    assert sizes("abcdef", drop_last=True) == [4]
    assert sizes("abcdefgh", drop_last=True) == [4, 4]
    assert sizes("ab", drop_last=True) == [2]  # better than no step at all
