"""Match: what Landsat, GK2A and GOCI-II saw of one place at one time, as a manifest to download."""
