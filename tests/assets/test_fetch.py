import hashlib
import io
import subprocess
import tarfile

import pytest

from assets import fetch as fetching
from assets.fetch import LOCK, extract_member, fetch
from assets.registry import AssetError, Entry, Ledger, ledger

CONTENT = b"weights" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()
MEMBER = "pack-1.0/pack/net.pth"


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def test_the_member_is_extracted_and_nothing_else(tmp_path):
    tar = archive(tmp_path / "a.tar.gz", [("../escape", b"x"), (MEMBER, CONTENT)])
    extract_member(tar, MEMBER, tmp_path / "out/net.pth", SHA, len(CONTENT))
    assert (tmp_path / "out/net.pth").read_bytes() == CONTENT
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar.gz", "net.pth", "out"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("other", CONTENT)], "no such member"),
        ([(MEMBER, CONTENT + b"!")], "7001 bytes"),
        ([(MEMBER, None)], "regular file: False"),
        ([(MEMBER, b"W" + CONTENT[1:])], "sha256"),
    ],
)
def test_wrong_archives_leave_no_file(tmp_path, members, words):
    tar = archive(tmp_path / "a.tar.gz", members)
    with pytest.raises(AssetError, match=words):
        extract_member(tar, MEMBER, tmp_path / "out/net.pth", SHA, len(CONTENT))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_damaged_archive_is_an_asset_error(tmp_path):
    tar = archive(tmp_path / "a.tar.gz", [(MEMBER, CONTENT)])
    tar.write_bytes(tar.read_bytes()[:40])
    with pytest.raises(AssetError, match="not a readable tar"):
        extract_member(tar, MEMBER, tmp_path / "out/net.pth", SHA, len(CONTENT))


def fetched_book(tmp_path):
    entry = Entry(
        "net", "weights", "net.pth", SHA, len(CONTENT), "MIT", f"pack==1.0:{MEMBER}", "me", fetched=True
    )
    return Ledger({"net": entry}, tmp_path, tmp_path / "fetched")


def test_fetch_downloads_once_and_is_idempotent(tmp_path, monkeypatch):
    def pip(command, **_):
        assert "--require-hashes" in command
        archive(tmp_path / "pack-1.0.tar.gz", [(MEMBER, CONTENT)])
        (tmp_path / "pack-1.0.tar.gz").rename(f"{command[-1]}/pack-1.0.tar.gz")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetching.subprocess, "run", pip)
    book = fetched_book(tmp_path)
    assert [f.downloaded for f in fetch(book)] == [True]
    assert [f.downloaded for f in fetch(book)] == [False]
    assert book.path("net").read_bytes() == CONTENT


def test_no_network_is_one_sentence_with_the_fix(tmp_path, monkeypatch):
    def pip(command, **_):
        return subprocess.CompletedProcess(
            command, 1, "", "WARNING: Retrying\nERROR: No matching distribution\n"
        )

    monkeypatch.setattr(fetching.subprocess, "run", pip)
    with pytest.raises(AssetError, match=r"pack==1.0 \(No matching distribution\).*facepairs assets fetch"):
        fetch(fetched_book(tmp_path))


def test_the_lock_pins_every_fetched_entry_by_hash():
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    assert all("--hash=sha256:" in line for line in lines)
    pinned = {line.split()[0] for line in lines}
    assert pinned == {e.source.partition(":")[0] for e in ledger().entries() if e.fetched}
