"""Many volumes: sources, manifest, prepared set, splits, stream."""

import voxsiam.orchestration  # noqa: F401  # puts Ray's settings in place before Ray is imported
