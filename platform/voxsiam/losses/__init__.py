"""Pure functions: Dice, voxel SimSiam, and the choice of voxels."""
