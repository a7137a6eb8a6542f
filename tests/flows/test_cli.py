from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import toy_recipe

from flows import remake as remaking
from flows import work
from flows.cli import main
from flows.config import SynthesizeConfig
from storage.generation import publish
from storage.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store made by the workers' functions, called here: no server, no processes."""
    folder = tmp_path_factory.mktemp("cli")
    photos = toy_recipe.make_photos(folder / "photos", 6)
    config = SynthesizeConfig(
        out=folder / "store", photos=photos, pairs=20, shard_size=10, batch=5, size=32, cache=folder / "cache",
        recipe="toy_recipe:ToyRecipe",
    ).model_dump(mode="json")  # fmt: skip
    events: list[dict] = []
    found = work.annotate(config, [[str(p), p.name] for p in sorted(photos.iterdir())], events.append)
    work.prepare(config, found, events.append)
    for shard in (0, 1):
        made = work.make(config, shard, events.append)
        assert made["committed"] + made["rejected"] == 10
        assert set(made["seconds"]) == {"draw", "judge", "store"}
    publish(Store.open(folder / "store"))
    return folder / "store"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def test_status_plan_verify_gc_speak_json(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "status", str(store), "--json")
    told = json.loads(out)
    assert (code, told["planned"], told["committed"], told["rejected"]) == (0, 20, 16, 4)
    assert [s["stage"] for s in told["stages"]] == ["draw", "judge", "store"]
    _, out, _ = call(capsys, "plan", str(store), "--json")
    assert json.loads(out)["rows"] == 20
    code, out, _ = call(capsys, "verify", str(store), "--deep", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
    code, out, _ = call(capsys, "gc", str(store), "--json")
    assert (code, json.loads(out)) == (0, [])


def test_status_plan_verify_gc_speak_to_people(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, words in (
        ("status", "16 committed"),
        ("plan", "20 pairs"),
        ("verify", "whole"),
        ("gc", "0 orphans"),
    ):
        code, out, _ = call(capsys, verb, str(store))
        assert code == 0
        assert words in out


def test_why_makes_the_pair_again_with_the_same_bytes(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "why", "00000013", str(store), "--out", str(tmp_path / "why.png"), "--json")
    assert code == 0
    assert json.loads(out)["status"] == "committed"
    assert (tmp_path / "why.png").stat().st_size > 500
    recipe = remaking.load_config(store).make_recipe()
    made = remaking.remake(store, "00000013")
    assert remaking.same_bytes(Store.open(store), made, recipe)
    code, out, _ = call(capsys, "why", "00000004", str(store), "--no-pictures")
    assert code == 0
    assert "judge: gap: row 4 is a fifth one" in out


def test_preview_and_report_are_written(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "preview", str(store), "--out", str(tmp_path / "sheet.png"), "--count", "4")[0] == 0
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert call(capsys, "report", str(store), "--rows", "3")[0] == 0
    page = (store / "report.html").read_text()
    assert page.count('class="pair"') == 3 + 3, "three accepted pairs, three examples of the one reason"
    assert "yaw, degrees" in page
    assert "brightness" in page
    assert 'src="data:image/webp' in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_damaged_store_fails_verification(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    tar = next(copy.rglob("*.tar"))
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    code, out, _ = call(capsys, "verify", str(copy), "--deep")
    assert code == 1
    assert "shard" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("synthesize", "--out", "x", "--pairs", "0"), "--pairs: input should be greater than 0, got '0'"),
        (("synthesize", "--out", "x", "--pears", "3"), "Unknown option: --pears"),
        (("synthesize", "--pairs", "3"), "--out"),
        (("frobnicate",), "frobnicate"),
        (("status", "nowhere"), "nowhere is not a store"),
        (("verify", "nowhere"), "nowhere is not a store"),
        (("run", "nowhere"), "nowhere is not a store"),
        (("retry", "nowhere", "--reason", "gap"), "nowhere is not a store"),
        (("retry", "nowhere"), "--reason"),
        (("diff", "1", "2", "nowhere"), "nowhere is not a store"),
        (("export", "hf", "nowhere", "--out", "y"), "nowhere is not a store"),
        (("export", "zip", "nowhere", "--out", "y"), "zip"),
        (("gc", "nowhere", "--dry-run", "--yes"), "nowhere is not a store"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("facepairs: ")
    assert sentence in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("status FILE", "FILE is a file; give the folder of a store"),
        ("verify FILE", "FILE is a file; give the folder of a store"),
        ("status s3://bucket/x", "`facepairs pull s3://bucket/x FOLDER`"),
        (
            "why 00000013 STORE --out FULL",
            "--out FULL is a folder; give the name of a file, such as FULL/new.png",
        ),
        (
            "why 00000013 STORE --out x.xyz",
            "--out x.xyz ends in '.xyz'; give a name that ends in .png or .jpg",
        ),
        ("why 00000013 STORE --out FILE/x.png", "is a file, not a folder; give another place"),
        ("why STORE 00000013", "'STORE' is a store, and the key of a pair comes before it"),
        ("mesh STORE", "'STORE' is a store, and the key of a pair comes before it"),
        ("mesh 00000013 STORE --out FULL", "--out FULL is a folder"),
        ("preview STORE --count 0", "--count takes 1 or more, got 0"),
        ("preview STORE --count=-5", "--count takes 1 or more, got -5"),
        ("preview STORE --seed=-1", "--seed takes 0 or more, got -1"),
        ("preview STORE --out x.xyz", "--out x.xyz ends in '.xyz'"),
        ("report STORE --rows=-1", "--rows takes 0 or more, got -1"),
        ("diff 1 1 STORE --rows=-1", "--rows takes 0 or more, got -1"),
        ("profile STORE --save FULL", "--save FULL is a folder"),
        ("profile STORE --flame FULL", "--flame FULL is a folder"),
        ("pace nowhere", "nowhere is not a store"),
        ("pace STORE --out FULL", "--out FULL is a folder"),
        ("pace STORE --log FILE", "FILE tells of no shard"),
        ("run STORE --workers 0", "--workers: input should be greater than or equal to 1, got 0"),
        (
            "retry STORE --reason gap --workers 0",
            "--workers: input should be greater than or equal to 1, got 0",
        ),
        ("push STORE out/x", "'out/x' is no URL"),
        ("pull out/x new", "'out/x' is no URL"),
        ("pull s3://bucket/x FILE", "FILE is a file; give a folder"),
        ("publish STORE out/x", "'out/x' is no URL"),
        ("export hf STORE --out FILE/x", "is a file, not a folder; give another place"),
        ("export hf STORE --out STORE/x", "is in the store itself"),
        ("synthesize --out FILE", "is a file; give a folder"),
        ("synthesize --photos STORE --out new", "STORE is a store of pairs; give the photographs"),
        ("pace STORE --out rate.txt", "--out rate.txt ends in '.txt'; give a name that ends in .svg"),
        ("profile STORE --flame fire.png", "--flame fire.png ends in '.png'; give a name that ends in .svg"),
        ("synthesize --out FULL", "holds 'thesis.txt', which is not part of a store"),
        ("synthesize --out x --cache FILE", "is a file; give a folder"),
        ("synthesize --out x --device gpu", "--device: cpu or cuda expected, got 'gpu'"),
        ("synthesize --out x --splits.foo 1", "the splits are train, val, test, 'foo' is none"),
        ("synthesize --out x --splits.train=-1", "shares of 0 or more expected"),
        ("synthesize --out x --limits.seam nan", "finite numbers expected, 'seam nan' is none"),
    ],
)
def test_a_wrong_place_or_number_is_told_before_any_work(
    typed: str, sentence: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_bytes(b"\xff\xfe mine")
    Path("FULL").mkdir()
    Path("FULL/thesis.txt").write_text("mine")
    Path("STORE").symlink_to(store)
    monkeypatch.setattr(Store, "read", None)  # nothing is looked at
    before = sorted([*tmp_path.rglob("*"), *store.rglob("*")])
    code, out, err = call(capsys, *typed.split())
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert sentence in err
    assert sorted([*tmp_path.rglob("*"), *store.rglob("*")]) == before


def test_a_picture_may_go_into_a_new_folder(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in (("why", "00000013"), ("preview",)):
        target = tmp_path / verb[0] / "deep" / "x.png"
        assert call(capsys, *verb, str(store), "--out", str(target))[0] == 0
        assert target.stat().st_size > 500


def test_a_run_s_own_file_that_somebody_changed_is_told(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(store, tmp_path / "copy")
    good = (store / "run.json").read_text()
    for text, told in (
        (good.replace('"pairs"', '"pears"'), "pears: "),
        ("{", "Invalid JSON"),
        ("\udcff", "JSON"),
    ):
        (tmp_path / "copy" / "run.json").write_bytes(text.encode(errors="surrogateescape"))
        code, _, err = call(capsys, "run", str(tmp_path / "copy"))
        assert (code, err.count("\n")) == (2, 1)
        assert "run.json does not say what a run writes there" in err
        assert told in err


def test_a_reader_that_has_seen_enough_is_no_error(store: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "plan", str(store), "--json"],
            stdout=theirs, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "")


def test_every_verb_of_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (
        "synthesize",
        "run",
        "status",
        "plan",
        "verify",
        "why",
        "retry",
        "diff",
        "export",
        "preview",
        "report",
        "gc",
    ):
        code, out, _ = call(capsys, verb, "--help")
        assert code == 0
        assert f"facepairs {verb}" in out


def test_help_imports_neither_torch_nor_prefect() -> None:
    code = (
        "import sys\nfrom flows.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'prefect', 'cv2', 'pyarrow'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip().splitlines()[-1] == "[]"
