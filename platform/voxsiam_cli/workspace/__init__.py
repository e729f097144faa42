"""voxsiam workspace: the folder that holds everything a run writes."""
