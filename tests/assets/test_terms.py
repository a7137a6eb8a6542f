from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.registry import ledger
from assets.terms import terms, verdict


@pytest.mark.parametrize(
    ("licence", "publish", "commercial"),
    [
        ("CC0-1.0", True, True),
        ("Public domain", True, True),
        ("US government work (public domain)", True, True),
        ("United States Government Work", True, True),
        ("MIT", True, True),
        ("BSD-3-Clause", True, True),
        ("Apache-2.0", True, True),
        ("CC-BY-4.0", True, True),
        ("cc by 2.0", True, True),
        ("Attribution License", True, True),
        ("CC-BY-NC-4.0", True, False),
        ("Attribution-NonCommercial License", True, False),
        ("CC-BY-ND-4.0", False, True),
        ("CC-BY-NC-ND-4.0", False, False),
        ("CC-BY-NC-SA-4.0", True, False),
        ("Non-commercial research (CelebAMask-HQ)", True, False),
        ("CelebA", False, False),
        ("IMDB-WIKI", False, False),
        ("HeadSpace", False, False),
        ("all rights reserved", False, False),
        ("", False, False),
    ],
)
def test_what_licences_allow(licence: str, publish: bool, commercial: bool) -> None:
    found = terms(licence)
    assert (found.publish, found.commercial) == (publish, commercial)
    assert found.never is False


def test_what_nobody_knows_is_not_known() -> None:
    assert not terms("see the owner's page").known
    assert not terms("").known
    assert terms("CelebA").known


@pytest.mark.parametrize(
    "text", ["FaceScape", "facescape v1.6 (key holders)", "MIT AND FaceScape", "Research only (FaceScape)"]
)
def test_facescape_is_never_published_however_it_is_written(text: str) -> None:
    assert terms(text).never
    assert not terms(text).publish


def test_several_licences_all_hold() -> None:
    both = terms("CC-BY-4.0 AND CC-BY-NC-SA-4.0")
    assert (both.publish, both.commercial, both.share_alike) == (True, False, "CC-BY-NC-SA")
    # Each wants to be the only licence of what is derived.
    assert not terms("CC-BY-SA-4.0 AND CC-BY-NC-SA-4.0").publish


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_joining_never_allows_more(first: str, second: str) -> None:
    joined = terms(f"{first} AND {second}")
    for one in (terms(first), terms(second)):
        if first.strip() and second.strip() and " AND " not in f" {first} {second} ":
            assert joined.publish <= one.publish
            assert joined.commercial <= one.commercial
            assert joined.never >= one.never


def test_every_licence_of_what_ships_is_in_the_vocabulary() -> None:
    for entry in ledger().entries():
        assert terms(entry.licence).known, entry.name
        assert terms(entry.licence).publish, entry.name


def photo(licence: str, count: int = 1, **more: object) -> dict[str, object]:
    return {"kind": "photo", "name": "a", "licence": licence, "count": count, **more}


def test_the_verdict_names_what_forbids_it_the_many_first() -> None:
    found = verdict([photo("CelebA", 3), photo("", 31), photo("CC0-1.0", 9)])
    assert not found.publish
    assert found.against_publishing == ("31 photographs (not stated)", "3 photographs (CelebA)")
    assert found.line.startswith(
        "may neither be published nor used commercially, because of 31 photographs (not stated)"
    )
    assert "ask their owners" in found.line
    assert verdict([photo("CelebA", 3)]).line.count("ask") == 0  # known terms, nobody to ask


def test_commerce_can_be_forbidden_alone() -> None:
    found = verdict([photo("MIT"), {"kind": "weights", "name": "net", "licence": "MIT", "commercial": False}])
    assert (found.publish, found.commercial) == (True, False)
    assert found.line == "may be published but not used commercially, because of weights 'net' (MIT)."


def test_a_free_store_says_so_and_whom_to_credit() -> None:
    found = verdict([photo("CC0-1.0", attribution="nobody"), photo("CC-BY-4.0", attribution="Ann")])
    assert found.line == "may be published and used commercially."
    assert found.attribution == ("Ann (CC-BY-4.0)",)
    assert found.as_dict()["line"] == found.line


def test_share_alike_is_told_and_two_of_them_exclude_each_other() -> None:
    assert "passed on under CC-BY-NC-SA" in verdict([photo("CC-BY-NC-SA-4.0")]).line
    both = verdict([photo("CC-BY-NC-SA-4.0"), photo("CC-BY-SA-4.0")])
    assert not both.publish
    assert "each demand" in both.line


def test_nothing_helps_against_never() -> None:
    found = verdict([{"kind": "head", "name": "facescape", "licence": "FaceScape"}, photo("CC0-1.0")])
    assert found.never
    assert found.line.endswith("; this cannot be overruled.")
