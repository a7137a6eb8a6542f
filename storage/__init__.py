"""The pair store: plan, shard, commit, generation, reader, verify. No torch in the write path."""
