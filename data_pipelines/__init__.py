"""Many volumes: sources, manifest, prepared set, splits, stream."""
