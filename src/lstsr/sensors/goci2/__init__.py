"""GOCI-II on GK2B: Level 1B, Level 2 AC, bands and navigation."""
