"""Many trainings, one after the other. The twin: _compiled/many.pxi, where they are side by side in lanes."""

from __future__ import annotations

from fastrnn._plain.rnn import RNNCore

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# ---- the door ----


def train_in_lanes(
    _network: RNNCore,
    _longest: int,
    _sequences: int,
    take: Callable[[], Any],
    done: Callable[[Any, int | None, Exception | None], object],
    /,
) -> None:
    """Train what take() gives (jobs; None: there is none now), each by its network's _train().

    done(job, best epoch, error) is called as soon as one has ended. After an exception, Ctrl-C's say, all networks are
    as they are after their last complete update.
    """
    while (job := take()) is not None:
        best, error = None, None
        try:
            best = job.network._train(job.data, job.validation, job.epochs, job.losses, job.validation_losses, None)
        except Exception as failure:
            error = failure
        done(job, best, error)
