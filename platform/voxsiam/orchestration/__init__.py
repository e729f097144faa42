"""Ray clusters, train jobs, study jobs, and the tracking of runs."""
