from __future__ import annotations

from flows.audit_report import Shot, _cost, _n, _ratio, _verdict, _yield, above_noise


def test_numbers_that_were_not_measured_are_dashes() -> None:
    assert (_n(None), _n(1.234), _n(1.234, 1)) == ("–", "1.23", "1.2")
    assert (_ratio(None, 1.0), _ratio(1.0, None), _ratio(1.0, 0.0), _ratio(1.0, 2.0)) == (
        "–",
        "–",
        "–",
        "0.50",
    )


def test_the_verdict_names_what_is_met_missed_and_unknown() -> None:
    rows = [
        {"what": str(met), "value": 1.0, "limit": 1.5, "way": "at most", "met": met}
        for met in (True, False, None)
    ]
    (table,) = _verdict({"thresholds": rows}).tables
    assert [row[-1] for row in table[1:]] == ["met", "missed", "not measured"]


def test_rejects_are_listed_by_reason_with_their_pictures() -> None:
    told = {
        "committed": 9, "rejected": 1, "pending": 2, "share": 0.9, "faces": 3, "reasons": {"gap": 1},
        "photo_reasons": {"no_face": 2},
    }  # fmt: skip
    note = {"key": "00000003", "stage": "check", "reason": "gap", "detail": "far", "picture": b"webp"}
    section = _yield({"yield": told}, [note])
    assert "9 of 10 pairs made were accepted (90.0 %), 2 are pending" in section.text[0]
    assert section.tables[0][1] == ("gap", "1")
    assert section.shots == (Shot("reject-1", b"webp", "00000003, check: gap: far"),)
    assert section.shots[0].url == "data:image/webp;base64,d2VicA=="


def test_throughput_is_that_of_one_worker() -> None:
    stages = [
        {"stage": "draw", "ms": 200.0, "baseline": 100.0},
        {"stage": "new", "ms": 50.0, "baseline": None},
    ]
    section = _cost({"cost": {"stages": stages, "ms": 250.0, "baseline_ms": 100.0, "ratio": 2.5}})
    assert section.text[0].startswith("4.00 accepted pairs a second")
    assert [row[3] for row in section.tables[0][1:]] == ["2.00", "–", "2.50"]


def test_what_is_kept_above_the_noise_is_told_where_there_is_something_above_it() -> None:
    assert (
        above_noise(2.0, 1.2, 1.0) == "Above that noise the pairs keep 20 % of the gap of fitted photographs."
    )
    assert "cannot be said" in above_noise(2.82, 3.51, 2.81)
