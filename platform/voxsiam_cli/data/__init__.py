"""voxsiam data: many volumes."""
