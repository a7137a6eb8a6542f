"""An S3 server on loopback, as boto's users have it: for tests of remote stores."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}


def forget_connections() -> None:
    """So that the next one looks at the environment again."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@contextmanager
def bucket() -> Iterator[str]:
    """``s3://…`` of an empty bucket; the environment leads there meanwhile."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        name = f"pairs-{uuid.uuid4().hex[:8]}"  # servers of one process share their buckets
        forget_connections()
        fsspec.filesystem("s3").mkdir(name)
        try:
            yield f"s3://{name}"
        finally:
            forget_connections()
            server.stop()
