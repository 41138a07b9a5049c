"""Errors as a stream keeps them, as it reads them, and as it raises them."""

from __future__ import annotations

__all__ = ["described", "message_of", "record_of", "without_our_frames"]


def message_of(error: BaseException) -> str:
    """What an error says. It is never replaced by the one in its `__str__`, if that raises: then it says nothing."""
    try:
        return str(error)
    except Exception:
        return ""


def described(error: BaseException) -> str:
    """The type of an error, and what it says."""
    return f"{type(error).__name__}: {message_of(error)}"


def record_of(error: BaseException) -> BaseException:
    """An error as `Stream.errors` keeps it: the same in all but its traceback.

    The traceback leads to the frames of whoever holds the stream, and the stream would never be let go of.
    """
    # A `__new__` of the exception's own may want what it was made of, which `args` need not be.
    builtin = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    record: BaseException = builtin.__new__(type(error), *error.args)
    try:
        # Of its fields in C, a builtin exception fills some only here.
        builtin.__init__(record, *error.args)  # type: ignore[misc]  # of the class, found above
    except Exception:
        # The arguments are those of a class of its own, which did not hand them on either.
        record = builtin.__new__(type(error), *error.args)
    record.__dict__.update(error.__dict__)
    if isinstance(error, OSError) and error.filename is not None:
        record.filename = error.filename  # type: ignore[attr-defined]
    record.__cause__, record.__suppress_context__ = error.__cause__, True
    return record


def without_our_frames(error: BaseException) -> None:
    """Begin the traceback where the caller's own code, or the provider's, begins."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("l0_core."):
        trace = trace.tb_next
    error.__traceback__ = trace
