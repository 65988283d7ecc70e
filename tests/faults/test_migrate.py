"""Errors, a full disk and Ctrl-C at each system call of a change of files, and of undoing it."""

import errno
import io
import os
from types import BuiltinFunctionType

import pytest
from tests.migrate.test_changes import NEW, OLD, Folder

from chrysaetos.migrate.errors import MigrateError

PURE = {"fspath", "getpid", "geteuid", "getegid", "_exit", "fork"}
CALLS = [(os, n) for n, f in vars(os).items() if isinstance(f, BuiltinFunctionType) and n not in PURE]
TAKES_SPACE = {"open", "write", "fsync", "replace", "rename"}


class Faults:
    """Fails the system call with a number: once, or (a full disk) also all later calls that take space."""

    def __init__(self, fault, step):
        self.fault, self.step, self.calls, self.raised = fault, step, 0, 0

    def wrap(self, name, real):
        def call(*arguments, **keywords):
            self.calls += 1
            writes = name != "open" or (len(arguments) > 1 and bool(arguments[1] & os.O_CREAT))
            full = name in TAKES_SPACE and writes
            due = self.calls == self.step or (self.fault == "full" and self.calls > self.step)
            if not due or (self.fault == "full" and not full):
                return real(*arguments, **keywords)
            self.raised += 1
            if self.fault == "interrupt":
                result = real(*arguments, **keywords)
                if name == "open":
                    os.close(result)
                elif hasattr(result, "close"):
                    result.close()
                raise KeyboardInterrupt
            if name == "write":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            if name == "close":
                real(*arguments)
            number = errno.EIO if self.fault == "error" else errno.ENOSPC
            raise OSError(number, os.strerror(number))

        return call

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for module, name in [*CALLS, (io, "open")]:
            self.patch.setattr(
                module, name, self.wrap("read" if module is io else name, getattr(module, name))
            )

    def __exit__(self, *_):
        self.patch.undo()


def recover(folder):
    """Do what the next ``apply`` does first."""
    unfinished = folder.store.unfinished()
    if unfinished is not None:
        folder.store.undo(unfinished)


@pytest.mark.parametrize("fault", ["error", "full", "interrupt"])
@pytest.mark.parametrize("action", ["commit", "undo"])
def test_the_next_run_works_after_a_fault_at_any_system_call(tmp_path, action, fault):
    step, raised = 0, 1
    while raised:
        step += 1
        path = tmp_path / str(step)
        path.mkdir()
        folder = Folder(path)
        journal = folder.commit() if action == "undo" else None
        faults = Faults(fault, step)
        try:
            with faults:
                folder.commit() if journal is None else folder.store.undo(journal)
        except (MigrateError, OSError, KeyboardInterrupt):
            assert faults.raised
        raised = faults.raised
        where = f"after call {step}"
        assert all(data in {OLD[name], NEW[name]} for name, data in folder.read().items()), where
        recover(folder)
        assert folder.read() in (OLD, NEW), where
        if folder.read() == OLD:
            folder.commit()
        assert folder.read() == NEW, where
        last = [journal for journal in folder.store.journals() if journal.state == "applied"][-1]
        folder.store.undo(last)
        assert folder.read() == OLD, where
        assert not [name for name in folder.names() if name.endswith(".tmp")], where
    assert step > 40
