"""Names of Landsat files: the MTL of a product, single bands, and paths that lstsr cannot read."""

from __future__ import annotations

import re
from pathlib import Path

from lstsr.errors import SceneError

REFLECTANCE = {"coastal": 1, "blue": 2, "green": 3, "red": 4, "nir08": 5, "swir16": 6, "swir22": 7}
"""Number of each reflectance band of OLI."""

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
PRODUCT_NAME = (
    r"L[COTEM]0[4-9]_(?P<level>L1TP|L1GT|L1GS|L2SP|L2SR)_\d{6}_\d{8}(?:_\d{8})?"
    r"_(?P<collection>\d\d)_(?:T1|T2|RT)"
)
"""A product id of Collection 1 or 2. Ids of STAC items have no processing date."""
BAND_FILE = re.compile(
    rf"(?P<product>{PRODUCT_NAME})_(?:"
    r"(?P<temperature>ST_B(?:6|10)|lwir(?:11)?)"
    rf"|(?P<reflectance>SR_B[1-7]|{'|'.join(REFLECTANCE)})"
    r"|B\d{1,2}(?:_VCID_[12])?|BQA|[SV][AZ]A|pan|cirrus|(?:SR_)?QA_AEROSOL|QA_PIXEL|QA_RADSAT"
    r"|SR_ATMOS_OPACITY|SR_CLOUD_QA|(?:ST_)?(?:QA|ATRAN|CDIST|DRAD|EMIS|EMSD|TRAD|URAD)"
    r")\.tiff?",
    re.IGNORECASE,
)
"""File name of one band, as USGS names it or by its STAC asset."""


def metadata_file(path: Path) -> Path:
    """The MTL file of a product's folder, or ``path`` itself. Raises like `check_path`."""
    check_path(path)
    if path.suffix and not path.is_dir():
        if cure := band_cure(path):
            raise SceneError(f"{path.name}: {cure}")
        return path
    files = _metadata_files(path)
    if not files:
        raise SceneError(
            f"{path.name}: not a Landsat product. The folder has no file ..._MTL.txt or .json."
        )
    return files[0]


def check_path(path: Path) -> None:
    """Raise SceneError, with the fix, for a path that does not name one readable Landsat product.

    These are an XML MTL, an archive, a folder with several products, and a folder without an MTL.
    All other paths pass, even if they do not exist.
    """
    name = path.name.lower()
    if path.is_dir():
        _check_folder(path)
    elif name.endswith("_mtl.xml"):
        raise SceneError(
            f"{path.name}: lstsr does not read the XML form of the MTL. Name {path.name[:-3]}txt, "
            f"{path.name[:-3]}json or the product's folder."
        )
    elif name.endswith(ARCHIVES) and not name.endswith(".zarr.zip"):
        raise SceneError(f"{path.name}: this is an archive. Unpack it and name the folder.")


def band_cure(path: Path) -> str | None:
    """What to name instead of ``path``, if it is named like one band of a product; else None.

    For LST and reflectance of Collection 2 Level 2, the advice also gives scale and offset. The
    file is not read.
    """
    parts = BAND_FILE.fullmatch(path.name)
    if parts is None:
        return None
    cure = (
        "This is one band of a Landsat product. Name the product's folder or its MTL file "
        f"({parts['product']}_MTL.txt)."
    )
    if parts["collection"] == "02" and parts["level"].upper().startswith("L2"):
        if parts["temperature"]:
            cure += " To read the band alone, set scale 0.00341802, offset 149.0 and unit kelvin."
        elif parts["reflectance"]:
            cure += " To read the band alone, set scale 0.0000275 and offset -0.2 (reflectance)."
    return cure


def _metadata_files(folder: Path) -> list[Path]:
    """The MTL file of each product in a folder; the text form if both text and JSON exist."""
    files = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name.lower()):
        stem, _, ending = file.name.lower().partition("_mtl.")
        # macOS creates files ._NAME when it copies
        if ending in ("json", "txt") and not stem.startswith("."):
            files[stem] = file
    return list(files.values())


def _check_folder(folder: Path) -> None:
    """Raise SceneError for a folder with several products or without an MTL."""
    files = _metadata_files(folder)
    if len(files) > 1:
        listed = ", ".join(file.name for file in files)
        raise SceneError(
            f"{folder.name}: several Landsat products. Name the MTL file of one: {listed}"
        )
    content = sorted(file.name for file in folder.iterdir())
    names = [folder.name, *content]
    if files or not any(re.match(PRODUCT_NAME, name, re.IGNORECASE) for name in names):
        return
    packed = [name for name in content if name.lower().endswith(ARCHIVES)]
    inside = [name for name in content if (folder / name).is_dir()]
    if any(name.lower().endswith("_mtl.xml") for name in content):
        cure = "lstsr does not read its XML form. Download ..._MTL.txt or .json into the folder."
    elif packed:
        cure = f"Unpack {packed[0]} and name the folder."
    elif inside:
        cure = f"Name the folder of one product, such as {inside[0]}."
    else:
        cure = "Download ..._MTL.txt or .json into the folder."
    raise SceneError(f"{folder.name}: the MTL file of the Landsat product is missing. {cure}")
