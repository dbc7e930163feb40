"""One thread for the linear algebra of small fits."""

from __future__ import annotations

import threading
from typing import Any, Optional

_lock = threading.Lock()
_users = 0
_limit: Optional[Any] = None


class one_blas_thread:
    """While this stands, BLAS runs on the thread that calls it, if threadpoolctl is there to see to it.

    More threads slow small fits down, fight with processes side by side for the cores, and sum in another order: a
    group of 20,000 rows had other last bits with two threads than with one. The setting is that of the whole process,
    so that several users share it and the last one takes it back.
    """

    def __enter__(self) -> None:
        """Take all threads but one away, unless somebody has."""
        global _users, _limit
        with _lock:
            if _users == 0:
                _limit = _limited()
            _users += 1

    def __exit__(self, *_: object) -> None:
        """Give them back, unless somebody still needs it so."""
        global _users, _limit
        with _lock:
            _users -= 1
            if _users == 0 and _limit is not None:
                _limit.restore_original_limits()
                _limit = None


def _limited() -> Optional[Any]:
    try:
        import threadpoolctl
    except ModuleNotFoundError:
        return None
    return threadpoolctl.threadpool_limits(1, user_api="blas")
