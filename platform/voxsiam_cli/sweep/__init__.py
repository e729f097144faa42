"""voxsiam sweep: searches."""
