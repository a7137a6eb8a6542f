import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets import registry
from assets.registry import AssetError, Entry, Ledger, record


def make(root, name="mug", content=b"porcelain", **changes):
    file = root / "photos" / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    fields = {"kind": "photo", "licence": "CC0-1.0", "source": "kiln", "attribution": "potter"} | changes
    return record(Entry(name, path=f"photos/{name}.png", sha256="", bytes=0, **fields), root=root)


@pytest.fixture
def book(tmp_path):
    make(tmp_path)
    make(tmp_path, "bowl", b"clay")
    return Ledger.load(tmp_path, tmp_path / "fetched")


def test_record_writes_hash_and_size_and_load_reads_them(tmp_path, book):
    entry = book.entry("mug")
    assert entry.sha256 == hashlib.sha256(b"porcelain").hexdigest()
    assert entry.bytes == 9
    assert [e.name for e in book.entries("photo")] == ["bowl", "mug"]
    assert book.path("mug").read_bytes() == b"porcelain"


def test_recording_again_replaces_the_entry(tmp_path, book):
    make(tmp_path, content=b"stoneware")
    again = Ledger.load(tmp_path, tmp_path)
    assert len(again.entries()) == 2
    assert again.path("mug").read_bytes() == b"stoneware"


@settings(max_examples=20, deadline=None)
@given(at=st.integers(0, 8), value=st.integers(1, 255))
def test_every_changed_byte_is_found(tmp_path_factory, at, value):
    root = tmp_path_factory.mktemp("ledger")
    make(root)
    content = bytearray(b"porcelain")
    content[at] ^= value
    (root / "photos/mug.png").write_bytes(content)
    with pytest.raises(AssetError, match=r"'mug'.*expected .*git checkout -- assets/data/photos/mug\.png"):
        Ledger.load(root, root).path("mug")


def test_a_change_after_the_first_check_is_found_too(tmp_path, book):
    file = book.path("mug")
    file.write_bytes(b"porcelains")
    with pytest.raises(AssetError, match="10 bytes"):
        book.path("mug")


def test_missing_files_name_the_fix(tmp_path, book):
    (tmp_path / "photos/mug.png").unlink()
    assert "git checkout" in book.problem(book.entry("mug"))
    fetched = Entry("net", "weights", "net.pth", "0" * 64, 3, "MIT", "x:y", "z", fetched=True)
    assert "run `facepairs assets fetch`" in book.problem(fetched)
    assert [e.name for e, problem in book.problems() if problem] == ["mug"]


def test_unknown_names_and_kinds(book):
    with pytest.raises(AssetError, match=r"no asset .jug..*assets list"):
        book.path("jug")
    with pytest.raises(AssetError, match="no asset kind 'pots'"):
        book.entries("pots")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "../secret"}, r"without '\.\.'"),
        ({"path": "/etc/passwd"}, "relative"),
        ({"kind": "pots"}, "kind must be"),
        ({"colour": "blue"}, "not a ledger"),
    ],
)
def test_bad_ledgers_are_named(tmp_path, book, change, words):
    file = tmp_path / "photos/ledger.json"
    data = json.loads(file.read_text())
    data["entries"][0] |= change
    file.write_text(json.dumps(data))
    with pytest.raises(AssetError, match=words):
        Ledger.load(tmp_path, tmp_path)


def test_a_name_in_two_ledgers_is_refused(tmp_path, book):
    other = tmp_path / "heads"
    other.mkdir()
    (other / "ledger.json").write_text((tmp_path / "photos/ledger.json").read_text())
    with pytest.raises(AssetError, match="rename one of the two"):
        Ledger.load(tmp_path, tmp_path)


def test_fetched_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(registry.FETCHED_ENV, str(tmp_path))
    assert registry.fetched_dir() == tmp_path
    monkeypatch.delenv(registry.FETCHED_ENV)
    assert registry.fetched_dir() == registry.DATA / "fetched"


def test_what_ships_is_what_was_recorded():
    book = registry.ledger()
    wrong = [problem for entry, problem in book.problems() if problem and not entry.fetched]
    assert wrong == []
    assert len(registry.photo_paths()) == 9
    assert sum(int(e.tags["faces"]) for e in book.entries("photo")) == 19
    assert all(e.licence and e.source and e.attribution for e in book.entries())
    # Of what ships, only the weights trained here are for research: a research-only parser made their masks.
    assert {e.name for e in book.entries() if not e.fetched and not e.commercial} == {
        "completion",
        "inpainting",
        "sdf",
    }
