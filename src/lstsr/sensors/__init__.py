"""Readers of product files: a file in, a calibrated SensorImage out."""
