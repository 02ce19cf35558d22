"""Many networks, one after the other. The twin: _compiled/many.pxi, where they are side by side in lanes."""

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


def predict_in_lanes(
    _network: RNNCore, take: Callable[[], Any], done: Callable[[Any, Exception | None], object], /
) -> None:
    """Run what take() gives (runs; None: there is none now), each by its network's _predict().

    done(run, error) is called as soon as one has ended.
    """
    while (run := take()) is not None:
        error = None
        try:
            run.begin()
            run.network._predict(run.data.numbers, run.data.lengths, None, run.predictions, run.states)
        except Exception as failure:
            error = failure
        done(run, error)


def evaluate_in_lanes(
    _network: RNNCore, take: Callable[[], Any], done: Callable[[Any, Exception | None], object], /
) -> None:
    """Give what take() gives (evaluations; None: there is none now) its `loss`, by its network's _evaluate().

    done(evaluation, error) is called as soon as one has ended.
    """
    while (evaluation := take()) is not None:
        error = None
        try:
            evaluation.loss = evaluation.network._evaluate(evaluation.data, None)
        except Exception as failure:
            error = failure
        done(evaluation, error)
