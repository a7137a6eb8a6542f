from __future__ import annotations

import pytest
from prefect.states import Cancelled

from flows.progress import Board
from flows.records import unrecorded
from flows.server import ServerError, free_port
from storage.errors import StoreError

GONE = OSError("connection refused")


@pytest.fixture
def nobody() -> str:
    return f"http://127.0.0.1:{free_port()}/api"


def test_what_the_flow_returned_holds_although_its_server_is_gone(nobody: str) -> None:
    board = Board()
    board.outcome = {"committed": 3}
    state = unrecorded(board, nobody, GONE)
    assert (state.name, state.result()) == ("Completed", {"committed": 3})
    board.outcome = Cancelled(message="Stopped.")
    assert unrecorded(board, nobody, GONE).message == "Stopped."


def test_what_the_flow_raised_is_raised_and_not_that_nobody_heard_of_it(nobody: str) -> None:
    board = Board()
    board.outcome = StoreError("the disk is full")
    with pytest.raises(StoreError, match="the disk is full"):
        unrecorded(board, nobody, GONE)


def test_a_flow_that_never_began_is_one_sentence(nobody: str) -> None:
    with pytest.raises(ServerError, match=r"nobody answers at http://127.*unset PREFECT_API_URL"):
        unrecorded(Board(), nobody, GONE)


def test_with_the_server_there_the_error_is_a_bug(run_server: str) -> None:
    board = Board()
    board.outcome = {"committed": 3}
    with pytest.raises(OSError, match="connection refused"):
        unrecorded(board, run_server, GONE)
