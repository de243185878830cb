from tests.catalogs.conftest import bucket, services, sources

__all__ = ["bucket", "services", "sources"]
