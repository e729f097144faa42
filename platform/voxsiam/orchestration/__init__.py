"""Ray clusters, train jobs, study jobs, and the tracking of runs."""

from voxsiam.orchestration.cluster.ray_settings import apply_ray_settings

# Before any module below imports Ray, which reads them then.
apply_ray_settings()
