"""The boundary of both cores: what simple.py, rnn.py, many.py and _data.py may call, and with what.

Every memoryview but the parameters is one-dimensional and C-contiguous, of float64 ("d") where nothing else is said.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, SupportsFloat, SupportsIndex

from fastrnn._data import Examples as _Examples
from fastrnn._data import Sequences as _Sequences
from fastrnn._kinds import Spec

_Numbers = list[float] | None
_Scales = tuple[_Numbers, _Numbers, _Numbers, _Numbers]  # mean and scale of the inputs, and those of the targets

lanes: int
stops: dict[int, memoryview[int]]

def copy_numbers(values: list[object], start: int, stop: int, out: memoryview[float], /) -> int: ...
def is_aligned(values: memoryview[float], /) -> bool: ...
def find_not_finite(values: memoryview[float], /) -> int: ...
def find_bad_target(
    targets: memoryview[float], weights: memoryview[float] | None, width: int, low: float, high: float, whole: bool, /
) -> int: ...
def round_probabilities(probabilities: memoryview[float], out: memoryview[int], /) -> None: ...
def choose_classes(probabilities: memoryview[float], classes: int, out: memoryview[int], /) -> None: ...

class SimpleRNNCore:
    w_input_hidden: float
    w_hidden_hidden: float
    w_hidden_output: float
    b_hidden: float
    b_output: float
    hidden_state: float
    lr: float
    def reset(self) -> None: ...
    def step(self, x: SupportsFloat | SupportsIndex, /) -> float: ...
    def learn(self, x: SupportsFloat | SupportsIndex, target: SupportsFloat | SupportsIndex, /) -> float: ...
    def _train(
        self,
        inputs: memoryview[float],
        targets: memoryview[float],
        epochs: int,
        losses: list[float],
        report: Callable[[int, float], object] | None,
        /,
    ) -> None: ...
    def _predict(
        self,
        inputs: memoryview[float],
        probabilities: memoryview[float] | None,
        states: memoryview[float] | None,
        /,
    ) -> None: ...

class RNNCore:
    @property
    def parameters(self) -> MappingProxyType[str, memoryview[float]]: ...
    @property
    def _spec(self) -> Spec: ...
    @property
    def _x(self) -> memoryview[float]: ...
    @property
    def _targets(self) -> memoryview[float]: ...
    _lr: float
    _clip: float
    _l1: float
    _min_delta: float
    _window: int
    _batch_size: int
    _patience: int
    _settings: list[float]
    _generator: int
    _scales: _Scales
    _memory: memoryview[float]
    _state: list[float]
    _waiting: list[list[float]]
    @property
    def _updates(self) -> int: ...
    def _is_finite(self) -> bool: ...
    def _view(self, name: str, /) -> memoryview[float]: ...
    def _write(self, name: str, values: memoryview[float], /) -> None: ...
    def _build(self, spec: Spec, /) -> None: ...
    def _adopt(self, other: RNNCore, /) -> None: ...
    def _train(
        self,
        data: _Examples,
        validation: _Examples | None,
        epochs: int,
        losses: list[float],
        validation_losses: list[float],
        report: Callable[[int], object] | None,
        /,
    ) -> int | None: ...
    def _evaluate(
        self, data: _Examples, gradient: memoryview[float] | None, losses: memoryview[float] | None, /
    ) -> float: ...
    def _moments(self, data: _Examples, of_targets: bool, /) -> tuple[list[float], list[float]]: ...
    def _predict(
        self,
        inputs: memoryview[float],
        lengths: list[int],
        state: memoryview[float] | None,
        predictions: memoryview[float] | None,
        states: memoryview[float] | None,
        /,
    ) -> None: ...
    def _generate(
        self, inputs: memoryview[float], state: memoryview[float], predictions: memoryview[float], /
    ) -> bool: ...
    def _find_unscaled(self, data: _Examples, /) -> tuple[int, float, float] | None: ...
    def _peek(self) -> float | list[float] | None: ...
    def _step(self) -> float | list[float] | None: ...
    def _learn(self, weight: float, /) -> float | list[float] | None: ...
    def reset(self) -> None: ...

def fewest_in_lanes_of(network: RNNCore, /) -> float: ...
def train_in_lanes(
    network: RNNCore,
    longest: int,
    sequences: int,
    take: Callable[[], Any],
    done: Callable[[Any, int | None, Exception | None], object],
    /,
) -> None: ...
def predict_in_lanes(
    networks: list[RNNCore],
    data: list[_Sequences],
    predictions: memoryview[float] | None,
    states: memoryview[float] | None,
    /,
) -> None: ...
def evaluate_in_lanes(networks: list[RNNCore], data: list[_Examples], /) -> list[float]: ...
