"""A run as a trial of Tune's: in its own process or on a group of Train's workers."""
