"""AMI on GK2A: Level 1B, Level 2 LST, channels and grids."""
