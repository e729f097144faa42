"""Whether every number of a study's report has a source, and follows from it."""
