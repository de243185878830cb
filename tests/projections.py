"""Projections of GK2A's products, written out: an independent truth of where pixels lie."""

import numpy as np

HEIGHT_M, A_M, B_M = 35_785_863.0, 6_378_137.0, 6_356_752.3


def lambert_place(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lon, lat) by Snyder (1987, USGS PP 1395), Lambert conformal conic on WGS84, written out."""
    a, f = 6_378_137.0, 1 / 298.257223563
    e = np.sqrt(f * (2 - f))

    def squeeze(phi):
        return ((1 - e * np.sin(phi)) / (1 + e * np.sin(phi))) ** (e / 2)

    def m(phi):  # (14-15)
        return np.cos(phi) / np.sqrt(1 - (e * np.sin(phi)) ** 2)

    def t(phi):  # (15-9)
        return np.tan(np.pi / 4 - phi / 2) / squeeze(phi)

    first, second, origin = np.radians([30.0, 60.0, 38.0])
    n = np.log(m(first) / m(second)) / np.log(t(first) / t(second))  # (15-8)
    big_f = m(first) / (n * t(first) ** n)  # (15-10)
    down = a * big_f * t(origin) ** n - y
    lon = 126 + np.degrees(np.arctan2(x, down) / n)  # (14-11), (14-9)
    t_here = (np.hypot(x, down) / (a * big_f)) ** (1 / n)  # (15-11)
    phi = np.pi / 2 - 2 * np.arctan(t_here)
    for _ in range(8):  # (7-9)
        phi = np.pi / 2 - 2 * np.arctan(t_here * squeeze(phi))
    return lon, np.degrees(phi)


def scan_place(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lon, lat) where the line of sight at scan angles (x east, y north) meets the ellipsoid."""
    ray = np.stack([-np.cos(x) * np.cos(y), np.sin(x) * np.cos(y), np.sin(y)])
    squeeze = (1 / np.array([A_M, A_M, B_M])).reshape(3, 1, 1)
    start = np.array([HEIGHT_M + A_M, 0, 0]).reshape(3, 1, 1)
    p = ((ray * squeeze) ** 2).sum(0)
    q = (ray * start * squeeze**2).sum(0)
    r = ((start * squeeze) ** 2).sum() - 1
    point = start + ray * (-q - np.sqrt(q * q - p * r)) / p
    lat = np.arctan(point[2] / np.hypot(point[0], point[1]) * (A_M / B_M) ** 2)
    return 128.2 + np.degrees(np.arctan2(point[1], point[0])), np.degrees(lat)
