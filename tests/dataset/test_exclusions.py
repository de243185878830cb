"""Records of excluded scenes, and the limit on their share."""

from pathlib import Path

import pytest

from lstsr.acquire.index import Acquired
from lstsr.dataset.exclusions import check_share, exclusions
from lstsr.errors import LstsrError
from lstsr.manifest import Scene
from lstsr.split import Place


def acquired(name: str, reason: str = "") -> Acquired:
    scene = Scene(name, Path("i.tif"), Path("r.tif"), Path("t.tif"))
    digests = {role: f"{role} of {name}" for role in ("input", "reference", "target")}
    return Acquired(scene, digests, Place(name, None, None, ()), reason)


def test_each_lost_scene_is_named_once_with_stage_reason_and_digests() -> None:
    found = exclusions(
        [acquired("a"), acquired("b", "no coordinate system"), acquired("c"), acquired("d")],
        [
            {"scene": "a", "reason": ""},
            {"scene": "d", "reason": "cannot be registered"},
            {"scene": "c", "reason": ""},
        ],
    )
    assert found == [
        {
            "scene": name,
            "stage": stage,
            "reason": reason,
            "input_sha256": f"input of {name}",
            "reference_sha256": f"reference of {name}",
            "target_sha256": f"target of {name}",
        }
        for name, stage, reason in (
            ("b", "acquire", "no coordinate system"),
            ("d", "align", "cannot be registered"),
        )
    ]


@pytest.mark.parametrize(
    ("excluded", "scenes", "share"), [(0, 1, 0.0), (3, 15, 0.2), (29, 100, 0.29), (7, 7, 1.0)]
)
def test_the_share_itself_is_allowed(excluded: int, scenes: int, share: float) -> None:
    check_share(excluded, scenes, share, [])


@pytest.mark.parametrize(("excluded", "scenes", "share"), [(1, 1, 0.0), (4, 15, 0.2), (1, 3, 0.33)])
def test_more_than_the_share_stops_the_run(excluded: int, scenes: int, share: float) -> None:
    with pytest.raises(LstsrError) as caught:
        check_share(excluded, scenes, share, ["first", "second", "third", "fourth"])
    message = str(caught.value)
    assert f"{excluded} of {scenes} scenes were excluded" in message
    assert f"align.max_excluded_share allows {share:.0%}" in message
    assert "first; second; third" in message and "fourth" not in message
