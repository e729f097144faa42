"""One CT volume: read, orient, resample, window."""
