"""lstsr: 250 m land-surface temperature from coarse satellites, guided by an optical image."""

__version__ = "0.1.0"
