"""Find scenes that Landsat, GK2A and GOCI-II saw at nearly one time, and write a manifest."""
