import pytest

from assets.licences import licence_lines, restrictions
from assets.registry import AssetError, Entry, Ledger


@pytest.fixture
def book(tmp_path):
    def entry(name, kind="photo", **changes):
        fields = {"licence": "MIT", "source": "pack==1:a/b", "attribution": "me"} | changes
        return Entry(name, kind, f"photos/{name}", "0" * 64, 1, **fields)

    net = entry(
        "net", "weights", licence="Research only", fetched=True, commercial=False, note="Not shipped."
    )
    entries = [entry("a"), entry("b", source="pack==1:a/c"), entry("c", licence="CC0-1.0"), net]
    return Ledger({e.name: e for e in entries}, tmp_path, tmp_path)


def test_entries_of_one_origin_share_a_line(book):
    lines = licence_lines(book)
    assert {line.names for line in lines} == {("a", "b"), ("c",), ("net",)}
    assert [line.ships for line in lines if line.kind == "weights"] == [False]


def test_only_what_was_used_is_listed(book):
    assert [line.names for line in licence_lines(book, ["b", "b"])] == [("b",)]
    with pytest.raises(AssetError, match="no asset 'zzz'"):
        licence_lines(book, ["zzz"])


def test_restrictions_name_what_is_not_free_to_use(book):
    assert restrictions(book, ["a", "c"]) == ()
    (sentence,) = restrictions(book, ["a", "net"])
    assert sentence == "weights net: Research only. Not shipped."
