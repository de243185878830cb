"""Sensors: a product file in, a calibrated SensorImage out; one file a sensor."""
