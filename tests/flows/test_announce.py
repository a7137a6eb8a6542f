from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import announce
from flows.config import SynthesizeConfig


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1))
def test_the_alarm_is_about_the_share_once_enough_is_made(accepted: int, rejected: int, limit: float) -> None:
    config = SynthesizeConfig(out="x", pairs=1000, reject_alarm=limit)
    made = accepted + rejected
    said = announce.too_many(accepted, rejected, config)
    assert said == (made >= announce.ENOUGH and rejected > limit * made)


def test_a_small_run_is_judged_when_it_is_done() -> None:
    config = SynthesizeConfig(out="x", pairs=20, reject_alarm=0.1)
    assert not announce.too_many(8, 8, config)
    assert announce.too_many(16, 4, config)


def test_an_event_that_cannot_be_sent_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import prefect.events

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(prefect.events, "emit_event", refuse)

    class Store:
        root = tmp_path

    announce.rejects_high(Store(), 1, 9, SynthesizeConfig(out="x"))  # type: ignore[arg-type]
    assert "facepairs.rejects.high could not be sent (away)" in caplog.text
