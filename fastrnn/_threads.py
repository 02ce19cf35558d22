"""Threads that do pieces of work, and hear Ctrl-C."""

from __future__ import annotations

import os
from time import sleep

from fastrnn._backend import core
from fastrnn._checks import count

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def number_of(threads: int | None) -> int:
    """How many threads to use."""
    if threads is not None:
        return count(threads, "threads", least=1)
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("FASTRNN_THREADS")
    if not limit:
        return here
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and int(limit)):
        raise ValueError(f"FASTRNN_THREADS must be a number of threads, at least 1, not {limit!r}")
    return min(here, int(limit))


class Workers:
    """Threads that do pieces of work, each a function and what it is to be called with, until none are left."""

    def __init__(self, threads: int) -> None:
        self.threads = threads if core.lanes > 1 else 1  # plain Python gains nothing
        self.stop = memoryview(bytearray(8)).cast("q")  # 1: all threads are to end
        self.error: BaseException | None = None
        self.inside: list[None] = []  # as many as there are threads at work

    def do(self, pieces: Iterable[tuple[Callable[[Any], None], Any]]) -> None:
        from collections import deque

        self.pieces = deque(pieces)
        threads = min(self.threads, len(self.pieces))
        if threads < 2:
            self.work()
        else:
            self.work_in_threads(threads)

    def work_in_threads(self, count: int) -> None:
        import threading

        threads = [threading.Thread(target=self.work_in_thread, name="fastrnn") for _ in range(count)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.05)  # Ctrl-C is heard in between
        finally:
            self.stop[0] = 1
            while self.inside:  # no join(): where Ctrl-C has come in one, Python before 3.13 takes its thread for ended
                sleep(0.001)
        if self.error is not None:
            raise self.error

    def work_in_thread(self) -> None:
        from _thread import get_ident

        self.inside.append(None)  # before it looks at `stop`: so it is waited for, or does nothing
        core.stops[get_ident()] = self.stop
        try:
            self.work()
        except BaseException as error:  # raised again where do() was called
            if not self.stop[0]:
                self.error = error
            self.stop[0] = 1
        finally:
            del core.stops[get_ident()]
            self.inside.pop()

    def work(self) -> None:
        while not self.stop[0]:
            try:
                do, what = self.pieces.popleft()
            except IndexError:
                break
            do(what)
