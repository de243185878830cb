"""Rasters that GDAL reads: bands, calibration, coordinate systems."""
