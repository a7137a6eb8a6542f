import pytest
from published import write_headspace

from assets.readers.headspace import headspace_subjects, read_subject
from assets.registry import AssetError


def test_subjects_meshes_and_textures(tmp_path):
    (subject,) = headspace_subjects(write_headspace(tmp_path))
    assert subject.number == "00001"
    mesh, picture = read_subject(subject)
    assert len(mesh.uvs)
    assert picture.shape == (512, 512, 3)
    subject.texture.write_bytes(b"BM")
    with pytest.raises(AssetError, match="subject 00001"):
        read_subject(subject)
    subject.texture.unlink()
    with pytest.raises(AssetError, match="whole"):
        headspace_subjects(tmp_path)
    with pytest.raises(AssetError, match="no HeadSpace subjects"):
        headspace_subjects(tmp_path / "nowhere")
