"""The networks and the heads of the feature loss."""
