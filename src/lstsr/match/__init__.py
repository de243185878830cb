"""Match what Landsat, GK2A and GOCI-II saw of one place at one time; write a manifest of it."""
