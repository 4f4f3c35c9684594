"""Fresh processes that know nothing of the program which asks: its `__main__` is not run again in them.

multiprocessing's own import it, so that a script without a guard, or a notebook's kernel, would begin again in each.
"""

from __future__ import annotations

import io
import os
from multiprocessing import context, popen_spawn_posix, reduction, resource_tracker, spawn, util
from multiprocessing.process import BaseProcess

from vmdbg.queries.scan import Conditioned

MAIN = "__main__"
_OF_MAIN = ("init_main_from_name", "init_main_from_path")


def can_be_sent(question: object) -> bool:
    """Whether a fresh process finds what the question is made of: a condition of the user's is of this process."""
    return type(question).__module__ != MAIN and not isinstance(question, Conditioned)


class _Popen(popen_spawn_posix.Popen):
    """As its base, but for what the process is told about `__main__`."""

    _fds: list[int]

    def _launch(self, process_obj: BaseProcess) -> None:
        tracker = resource_tracker.getfd()
        assert tracker is not None, "it runs once its pipe has been asked for"
        self._fds.append(tracker)
        told = spawn.get_preparation_data(process_obj.name)
        for name in _OF_MAIN:
            told.pop(name, None)
        message = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(told, message)
            reduction.dump(process_obj, message)
        finally:
            context.set_spawning_popen(None)
        self._spawn(tracker, message.getvalue())

    def _spawn(self, tracker: int, message: bytes) -> None:
        """The process, its end of two pipes: one ends with it, the other has the message and ends with its parent."""
        sentinel, child_write = os.pipe()
        child_read, parent_write = os.pipe()
        self.finalizer = util.Finalize(self, _close, (sentinel, parent_write))
        try:
            command = spawn.get_command_line(tracker_fd=tracker, pipe_handle=child_read)
            self._fds.extend((child_read, child_write))
            self.pid = util.spawnv_passfds(os.fsencode(spawn.get_executable()), command, self._fds)
            self.sentinel = sentinel
            with open(parent_write, "wb", closefd=False) as pipe:
                pipe.write(message)
        finally:
            os.close(child_read)
            os.close(child_write)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class _Process(context.SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Popen:  # noqa: N802 - its base's name
        return _Popen(process_obj)


class FreshContext(context.SpawnContext):
    """For a ProcessPoolExecutor."""

    Process = _Process
