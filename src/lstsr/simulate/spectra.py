"""Reflectance spectra of the simulated land covers."""

from __future__ import annotations

# Wavelengths (nm) and reflectances, rounded from spectral libraries (e.g. the ECOSTRESS library,
# Meerdink et al. 2019). They are not measurements at one site.
WAVELENGTHS_NM = (380, 443, 490, 555, 620, 660, 680, 709, 745, 865, 1000, 1610, 2200)
SPECTRA = {
    "conifer": (0.02, 0.02, 0.025, 0.045, 0.03, 0.025, 0.025, 0.06, 0.22, 0.28, 0.28, 0.12, 0.05),
    "leaf": (0.02, 0.025, 0.03, 0.08, 0.05, 0.035, 0.035, 0.12, 0.36, 0.45, 0.45, 0.22, 0.10),
    "soil": (0.05, 0.07, 0.09, 0.12, 0.15, 0.165, 0.17, 0.18, 0.195, 0.23, 0.26, 0.31, 0.28),
    "city": (0.08, 0.10, 0.11, 0.13, 0.14, 0.145, 0.15, 0.155, 0.16, 0.18, 0.19, 0.22, 0.21),
    "water": (
        *(0.04, 0.045, 0.05, 0.05, 0.03, 0.025, 0.022, 0.018, 0.012, 0.008, 0.005, 0.003, 0.002),
    ),
}
