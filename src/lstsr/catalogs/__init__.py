"""Search the catalogs of satellite data, one module for each service."""
