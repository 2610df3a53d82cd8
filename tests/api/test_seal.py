"""The key by which answers in Redis are sealed."""

import threading
import time

import pytest
from sqlalchemy import Engine, text

from api.response_cache import InstallationKeyCache


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_one_waits_for_a_database_that_does_not_answer_and_all_others_go_on(engine: Engine) -> None:
    key, keys = InstallationKeyCache(engine), list[bytes | None]()
    first = threading.Thread(target=lambda: keys.append(key()))
    with engine.begin() as other:
        other.execute(text("LOCK TABLE installation_keys IN ACCESS EXCLUSIVE MODE"))
        first.start()
        while not key._lock.locked():
            time.sleep(0.01)
        second = threading.Thread(target=lambda: keys.append(key()))
        second.start()
        second.join(5)
        assert keys == [None]
    first.join(30)
    assert keys == [None, key()]
    assert len(keys[1] or b"") == 32
