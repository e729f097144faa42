"""Who trains, who validates, who tests: by patient, evenly over the sources."""
