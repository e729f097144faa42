"""A prepared set, made case by case without Ray."""

from pathlib import Path

from voxsiam.volumes.preparation import PREPARATION_VERSION
from voxsiam.volumes.preparation_config import PreparationConfig
from voxsiam_data.prepared.case_task import CaseReady, CaseRequest, prepare_case
from voxsiam_data.prepared.prepared_set import PreparedSet, open_prepared
from voxsiam_data.prepared.record import PreparedCase, PreparedRecord, data_fingerprint
from voxsiam_data.sources.detect import read_source


def build_prepared(root: Path, source: Path, config: PreparationConfig) -> PreparedSet:
    """Prepare the data set in a folder."""
    (root / "volumes").mkdir(parents=True)
    manifest = read_source(source)
    cases = []
    for case in manifest.cases:
        assert case.image is not None
        outcome = prepare_case(
            CaseRequest(
                case_id=case.case_id,
                image=case.image,
                label=case.label,
                config=config,
                volumes=root / "volumes",
                crop=case.crop_box,
            )
        )
        assert isinstance(outcome, CaseReady)
        facts = outcome.facts.for_record()
        cases.append(
            PreparedCase(
                case_id=case.case_id,
                patient_id=case.patient_id,
                source=case.source,
                key=outcome.key,
                **facts,
            )
        )
    record = PreparedRecord(
        version=PREPARATION_VERSION,
        name="toy",
        kind="real",
        fingerprint=data_fingerprint(config, cases),
        config=config,
        cases=tuple(cases),
    )
    (root / "prepared.json").write_text(record.model_dump_json())
    return open_prepared(root)
