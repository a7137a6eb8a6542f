import pytest

from assets.registry import AssetError
from flows.one_sentence import one_sentence


def test_asset_errors_are_a_sentence_and_others_pass(capsys):
    @one_sentence
    def verb(error: Exception) -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        verb(AssetError("the file is cut; copy it again."))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "facepairs: the file is cut; copy it again.\n"
    with pytest.raises(KeyError):
        verb(KeyError("a bug"))
