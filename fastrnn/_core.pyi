"""The boundary of both cores: what simple.py and _data.py may call, and with what.

Every memoryview but the parameters is one-dimensional and C-contiguous, of float64 ("d") where nothing else is said.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import SupportsFloat, SupportsIndex

def copy_numbers(values: list[object], start: int, stop: int, out: memoryview[float], /) -> int: ...
def is_aligned(values: memoryview[float], /) -> bool: ...
def find_not_finite(values: memoryview[float], /) -> int: ...
def find_out_of_range(values: memoryview[float], low: float, high: float, whole: bool, /) -> int: ...
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
    def _predict(self, inputs: memoryview[float], probabilities: memoryview[float], /) -> None: ...

class RNNCore:
    @property
    def parameters(self) -> MappingProxyType[str, memoryview[float]]: ...
    _x: memoryview[float]
    _targets: memoryview[float]
    _predictions: memoryview[float]
    _lr: float
    _momentum: float
    _weight_decay: float
    _clip: float
    _window: int
    _memory: memoryview[float]
    _state: list[float]
    _waiting: list[list[float]]
    def _is_finite(self) -> bool: ...
    def _write(self, name: str, values: memoryview[float], /) -> None: ...
    def _build(
        self,
        cell: str,
        activation: str,
        input_size: int,
        hidden_size: int,
        output_size: int,
        output: str,
        loss: str,
        optimizer: str,
    ) -> None: ...
    def _train(
        self,
        inputs: memoryview[float],
        targets: memoryview[float],
        lengths: list[int],
        epochs: int,
        losses: list[float],
        report: Callable[[int, float], object] | None,
        /,
    ) -> None: ...
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
    ) -> None: ...
    def _step(self) -> bool: ...
    def _learn(self) -> None: ...
    def reset(self) -> None: ...
