"""Tracks and the keys of their arrays."""

import pytest

from lstsr.errors import LstsrError
from lstsr.tracks import key_of, scale_of


def test_scale_of_a_key() -> None:
    assert scale_of("degraded-block-x8") == 8
    with pytest.raises(LstsrError, match="is not a track key"):
        scale_of("observed")


def test_a_harmonised_input_has_a_key_of_its_own_in_each_fold() -> None:
    assert key_of("observed", 4) == key_of("observed", 4, fold=2) == "observed-x4"
    assert key_of("observed", 4, harmonised=True) == "harmonised-x4"
    assert key_of("observed", 4, harmonised=True, fold=2) == "harmonised-f2-x4"
