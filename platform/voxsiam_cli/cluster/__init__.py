"""voxsiam submit and jobs: commands on a Ray cluster."""
