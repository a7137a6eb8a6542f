"""Any sequence of running, dying, forgetting, collecting and publishing keeps the count equation and the bytes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.crash import COMMIT
from storage.gc import collect, forget_shard
from storage.generation import latest, publish
from storage.store import Store
from storage.verify import verify_store
from tests.storage.toy_store import fill, run, toy_create, toy_outcomes, toy_plan

SHARDS = len(toy_plan().shards)


def _one_shard(path: Path, shard: int) -> None:
    store = Store.open(path)
    store.write_shard(shard, toy_outcomes(store, shard))


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = toy_create(self.folder / "store")
        self.content: dict[int, str] = {}
        self.done: set[int] = set()

    @rule(shard=st.integers(0, SHARDS - 1))
    def write(self, shard: int) -> None:
        written = self.store.write_shard(shard, toy_outcomes(self.store, shard))
        assert written.state == ("duplicate" if shard in self.done else "committed")
        assert self.content.setdefault(shard, written.commit.content) == written.commit.content
        self.done.add(shard)

    @rule(shard=st.integers(0, SHARDS - 1), point=st.sampled_from(COMMIT))
    def die(self, shard: int, point: str) -> None:
        code = run(_one_shard, self.store.root, shard, FACEPAIRS_CRASH_AT=point)
        linked = point in ("commit_linked", "commit_synced")
        # Where the commit is there already, the late writer never links and so never reaches those points.
        assert code == (0 if linked and shard in self.done else 9)
        if linked:
            self.done.add(shard)

    @precondition(lambda self: self.done and latest(self.store.root) is None)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        shard = data.draw(st.sampled_from(sorted(self.done)))
        forget_shard(self.store, shard)
        self.done.discard(shard)

    @rule(dry_run=st.booleans())
    def sweep(self, dry_run: bool) -> None:
        collect(self.store, dry_run)

    @precondition(lambda self: self.done)
    @rule()
    def publish_what_is_there(self) -> None:
        made = publish(self.store, allow_pending=True)
        assert {int(s) for s in made.commits} == self.done

    @invariant()
    def everything_adds_up(self) -> None:
        if not hasattr(self, "store"):
            return
        report = verify_store(self.store.root, deep=True)
        assert report.ok, [str(p) for p in report.problems]
        counts = report.counts
        assert counts.planned == counts.committed + counts.rejected + counts.pending
        assert set(self.store.pending()) == set(range(SHARDS)) - self.done

    def teardown(self) -> None:
        if hasattr(self, "store"):
            fill(self.store)
            final = publish(self.store).hash
            fresh = toy_create(self.folder / "fresh")
            fill(fresh)
            assert final == publish(fresh).hash
            shutil.rmtree(self.folder)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=6, stateful_step_count=8, deadline=None)
