"""Any sequence of plan, run, crash, resume, publish, gc, flip and verify keeps the count equation and the bytes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.crash import COMMIT
from storage.errors import StoreError
from storage.gc import collect, forget_shard
from storage.generation import latest, publish
from storage.store import Store
from storage.verify import verify_store
from tests.storage.toy_store import CONFIG, fill, flip_bit, run, toy_create, toy_outcomes, toy_plan

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

    @rule(seed=st.sampled_from([7, 8]), code=st.sampled_from([None, "2"]))
    def plan(self, seed: int, code: str | None) -> None:
        config = CONFIG if code is None else {**CONFIG, "code": code}
        if (seed, code) == (7, None):
            self.store = toy_create(self.store.root, toy_plan(seed=seed), config)
        else:
            with pytest.raises(StoreError, match="begun with"):
                toy_create(self.store.root, toy_plan(seed=seed), config)

    @rule(shards=st.integers(1, SHARDS))
    def resume(self, shards: int) -> None:
        self.store = Store.open(self.store.root, CONFIG)
        todo = self.store.pending()[:shards]
        fill(self.store, todo)
        self.done |= set(todo)

    @rule(data=st.data(), bit=st.integers(0, 7))
    def flip(self, data: st.DataObject, bit: int) -> None:
        files = sorted(p for p in self.store.root.rglob("*") if p.is_file() and self._counts(p))
        path = data.draw(st.sampled_from(files))
        position = data.draw(st.integers(0, path.stat().st_size - 1))
        flip_bit(path, position, bit)
        problems = verify_store(self.store.root, deep=True).problems
        assert any(path.name in str(problem) for problem in problems)
        shard = path.name[:6]
        if path.parent.name == "commits" or path.parent.parent.name == "shards":  # what can be made again
            assert {problem.shard for problem in problems if path.name in str(problem)} == {int(shard)}
            forget_shard(self.store, int(shard))
            fill(self.store, [int(shard)])
        else:
            flip_bit(path, position, bit)

    def _counts(self, path: Path) -> bool:
        """Whether something refers to a file: leftovers of the dead are nobody's."""
        place = path.relative_to(self.store.root).parts[0]
        named = {n for c in self.store.commits().values() for n in (c.tar.name, c.index.name)}
        known = path.relative_to(self.store.root).as_posix() in named if place == "shards" else place != "tmp"
        return known and not path.name.endswith(".tmp") and path.stat().st_size > 0

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

    @rule(deep=st.booleans())
    def verify(self, deep: bool) -> None:
        report = verify_store(self.store, deep)
        assert report.ok
        assert report.counts == self.store.counts()

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
TestStoreMachine.settings = settings(max_examples=8, stateful_step_count=10, deadline=None)
