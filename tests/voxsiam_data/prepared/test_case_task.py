from pathlib import Path

from voxsiam.volumes.label_files import LabelFiles, LabelMap, OrganMasks
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.case_task import CaseRequest

CONFIG = PreparationConfig()
MAP = LabelMap(path=Path("l"), values={0: 0, 1: 5})


def key(image=("a",), label=("b",), meaning: LabelFiles = MAP, config=CONFIG, **choices):
    asked = CaseRequest(
        case_id="c", image=Path("i"), label=meaning, config=config, volumes=Path("v"), **choices
    )
    return asked.key(image, label)


def test_key_depends_on_each_part():
    keys = {
        key(),
        key(["x"]),
        key(["a", "x"]),
        key(["a"], ["x"]),
        key(meaning=MAP.model_copy(update={"values": {0: 0, 1: 6}})),
        key(meaning=OrganMasks(paths={5: Path("l")})),
        key(config=CONFIG.model_copy(update={"grid_dhw": (32, 32, 32)})),
        key(config=PreparationConfig(window_hu=(-200, 251))),
        key(config=PreparationConfig(interpolation="cubic")),
        key(crop=((0, 1), (0, 2), (0, 3))),
        key(crop=((0, 1), (0, 2), (1, 3))),
        key(geometry="qform"),
    }
    assert len(keys) == 12
    assert key(meaning=LabelMap(path=Path("elsewhere"), values={1: 5, 0: 0})) in keys
