"""A trained network applied to a volume."""
