"""Simulated scenes: a world, the sensors that look at it, and the files they would deliver."""
