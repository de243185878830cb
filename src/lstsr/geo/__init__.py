"""Geometry: resampling, aggregation, registration, filling."""
