"""Catalogs: what each service offers, as products with stable addresses; one module a service."""
