"""Predict: fine LST of whole scenes, tile by tile, without any target."""
