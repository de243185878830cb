"""Landsat 8 and 9 products: metadata, quality bands, names."""
