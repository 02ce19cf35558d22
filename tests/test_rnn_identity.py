"""RNN: the same bits on every core. Every network is trained, run and taught on each of them, and compared as bytes."""

import random
import struct
from math import inf, isfinite

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastrnn._kinds import CELLS, LOSSES, OPTIMIZERS, Spec
from tests.conftest import examples

KINDS = [(cell, activation) for cell, row in CELLS.items() for activation in row.activations]
OUTPUTS = [(output, loss) for loss, row in LOSSES.items() for output in row.outputs]
LEARNERS = [  # an optimizer with its settings at 0, and with others
    (name, *settings)
    for name, row in OPTIMIZERS.items()
    for settings in dict.fromkeys([(0.0,) * len(row.settings), (0.9,) * len(row.settings)])
]
ELMAN, GRU, LSTM = ("elman", "tanh"), ("gru", "tanh"), ("lstm", "tanh")
LINEAR, SOFTMAX = ("linear", "half_squared_error"), ("softmax", "cross_entropy")
SGD, MOMENTUM, ADAM, ADAMW = ("sgd", 0.0), ("sgd", 0.9), ("adam",), ("adamw", 0.1)


def buffer(values):
    view = memoryview(bytearray(8 * len(values))).cast("d")
    for i, value in enumerate(values):
        view[i] = value
    return view


def packed(values):
    return struct.pack(f"{len(values)}d", *values)


def target(source, spec):
    """A number that the loss can take."""
    low, high = spec.targets
    if spec.classes:
        return float(source.randint(0, int(high)))
    ends = [end for end in (low, high) if isfinite(end)]
    return source.choice([*ends, source.uniform(max(low, -1.0), min(high, 1.0))])


def everything(core, case):
    """All that a network gives and leaves behind, as one list of bytes and messages."""
    kind, output, optimizer, sizes, window, clip, lr, lengths, seed, scale = case
    inputs, size, outputs = sizes
    outputs += output[0] == "softmax" and outputs == 1  # there are two classes at least
    source = random.Random(seed)
    network = core.RNNCore()
    network._build(Spec(size, *kind, inputs, outputs, *output, optimizer=optimizer[0]))
    network._lr, network._clip, network._window = lr, clip, window
    network._settings = [(1.0, 0.7)[seed % 2] * default for default, _ in LOSSES[output[1]].settings.values()] + [
        *optimizer[1:]
    ]
    for view in network.parameters.values():
        for i in range(view.shape[0]):
            if view.ndim == 1:
                view[i] = source.uniform(-scale, scale)
            else:
                for j in range(view.shape[1]):
                    view[i, j] = source.uniform(-scale, scale)
    steps = sum(lengths)
    targets = network._spec.target_size
    x = [source.choice([0.0, 1.0, source.uniform(-3, 3)]) for _ in range(steps * inputs)]
    y = [target(source, network._spec) for _ in range(steps * targets)]
    seen = []

    def note(label):
        parameters = [(f"{name} {label}", view.shape, view.tobytes()) for name, view in network.parameters.items()]
        seen.append(
            [*parameters, (f"memory {label}", packed(network._memory)), (f"state {label}", packed(network._state))]
        )

    def predict(label):
        state = buffer(network._state)
        predictions, states = buffer([0.0] * (steps * outputs)), buffer([0.0] * (steps * size))
        network._predict(buffer(x), [steps], state, predictions, states)
        seen.append((label, bytes(state), bytes(predictions), bytes(states)))
        whole, half = bytes(predictions), steps // 2
        state = buffer(network._state)
        network._predict(buffer(x[: half * inputs]), [half], state, predictions[: half * outputs], None)
        network._predict(buffer(x[half * inputs :]), [steps - half], state, predictions[half * outputs :], None)
        assert bytes(predictions) == whole  # in chunks
        network._predict(buffer(x), lengths, None, predictions, None)
        seen.append((label, "each from a fresh state", bytes(predictions)))
        try:
            generated = buffer([0.0] * (9 * targets))
            good = network._generate(buffer(x), state, generated)
            seen.append((label, "generated", good, *([bytes(state), bytes(generated)] if good else [])))
        except ValueError as error:
            seen.append(str(error))

    note("built")
    predict("fresh")
    for start in range(min(steps, 3)):
        network._x[:] = buffer(x[start * inputs : (start + 1) * inputs])
        seen.append(network._step())
    note("stepped")
    losses = []
    try:
        network._train(examples(buffer(x), buffer(y), lengths), None, 2, losses, [], seen.append)
    except OverflowError as error:
        seen.append(str(error))
    seen.append(("losses", packed(losses)))
    note("trained")
    try:
        for start in range(min(steps, 7)):
            network._x[:] = buffer(x[start * inputs : (start + 1) * inputs])
            network._targets[:] = buffer(y[start * targets : (start + 1) * targets])
            seen.append((network._learn(1.0), network._waiting))
            if start == 4 and window > 1:
                network._window = window - 1
    except OverflowError as error:
        seen.append(str(error))
    note("learned")
    predict("learned")
    network._state = [0.5] * len(network._state)
    memory = network._memory
    network._memory = memory
    assert bytes(network._memory) == bytes(memory)
    predict("set")
    network.reset()
    note("reset")
    return seen


def hold_to_the_twin(packages, case):
    """All cores give the same bytes; what is not the same first is named."""
    *compiled, (_, twin) = [(package.backend, everything(package.simple.core, case)) for package in packages]
    for backend, found in compiled:
        for one, other in zip(found, twin, strict=True):
            if one != other:
                what = [a[0] for a, b in zip(one, other, strict=True) if a != b] if isinstance(one, list) else one
                pytest.fail(f"{backend} and python differ, first in {str(what)[:100]}, of {case}")


widths = st.integers(1, 5)
units = st.integers(1, 12) | st.integers(1, 40)
sizes = st.tuples(widths, units, widths) | st.tuples(widths, units).map(lambda pair: (*pair, pair[0]))
cases = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(OUTPUTS),
    st.sampled_from(LEARNERS),
    sizes,
    st.sampled_from([0, 1, 1, 2, 3, 5, 8, 40]),
    st.sampled_from([inf, inf, 1.0, 0.01]),
    st.sampled_from([0.0, 0.01, 0.1, 1.0, 30.0, 1e200]),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(0, 2**32),
    st.sampled_from([0.5, 0.5, 3.0, 1e3, 1e160]),
)


@given(case=cases)
@example((ELMAN, LINEAR, SGD, (1, 16, 1), 32, inf, 0.01, [100], 1, 0.3))
@example((GRU, LINEAR, ADAM, (1, 33, 2), 0, 0.1, 0.01, [150], 1, 0.3))
@example((LSTM, SOFTMAX, ADAMW, (3, 40, 5), 32, 0.1, 0.01, [70, 2], 1, 0.3))
@example((ELMAN, LINEAR, SGD, (3, 70, 2), 5, inf, 0.01, [11], 1, 0.3))  # gradients come in parts of 64 rows
@example((ELMAN, LINEAR, SGD, (2, 7, 2), 0, inf, 0.01, [300], 1, 0.3))  # and of 64 steps
@example((GRU, LINEAR, SGD, (70, 5, 3), 5, inf, 0.01, [11], 1, 0.3))
@example((LSTM, LINEAR, SGD, (2, 66, 67), 5, inf, 0.01, [11], 1, 0.3))
def test_everything(packages, case):
    hold_to_the_twin(packages, case)


LARGE = [(kind, 66 if kind[0] == "elman" else 41) for kind in KINDS]  # more weights than the first-level cache holds


@pytest.mark.parametrize(("kind", "size"), LARGE, ids=str)
@pytest.mark.parametrize("optimizer", [SGD, MOMENTUM], ids=str)
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize(("lr", "scale"), [(0.01, 0.3), (30.0, 3.0), (1e200, 1e3)])
def test_large(packages, kind, size, optimizer, window, lr, scale):
    """Where plain sgd writes no gradient down, and with a window of 1 computes the next step's sums beside it."""
    case = kind, LINEAR, optimizer, (2, size, 2), window, inf, lr, [5, 1, 4], 1, scale
    hold_to_the_twin(packages, case)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_window_longer_than_a_pass(packages, kind):
    """Backward takes 64 steps at a time, and goes on from the gradient by the state."""
    hold_to_the_twin(packages, (kind, LINEAR, SGD, (1, 3, 1), 0, inf, 0.1, [150], 1, 0.5))


@pytest.mark.parametrize("size", [3, 66])
def test_zeros_keep_their_signs(fastrnn, size):
    """A sum of nothing but -0.0 is -0.0, and so is its tanh."""
    network = fastrnn.simple.core.RNNCore()
    network._build(Spec(size, input_size=2))
    network._window = 1
    memory = network._memory
    for i in range((len(memory) - 2) // 3):
        memory[i] = 1.0 if i < 2 * size and i % 2 == 0 else -0.0  # the first input's weights are 1
    network._memory = memory
    network._train(examples(buffer([1.0, 1.0, -0.0, 1.0]), buffer([0.0, 0.0]), [2]), None, 1, [], [], None)
    assert packed(network._state) == packed([-0.0] * size)


@pytest.mark.parametrize("label", [-1.0, 3.0, 1e300, float("nan")])
def test_a_class_that_there_is_not(fastrnn, label):
    network = fastrnn.simple.core.RNNCore()
    network._build(Spec(2, output_size=3, output="softmax"))
    network._window = 1
    before = packed(network._memory)
    with pytest.raises(OverflowError):
        network._train(examples(buffer([1.0, 1.0]), buffer([1.0, label]), [2]), None, 1, [], [], None)
    network._x[0], network._targets[0] = 1.0, label
    with pytest.raises(OverflowError):
        network._learn(1.0)
    assert packed(network._memory) != before  # it has learned from the first step,
    assert all(map(isfinite, network._memory))  # and no more


def combinations():
    for kind in KINDS:
        for output in OUTPUTS:
            for optimizer in LEARNERS:
                yield kind, output, optimizer


@pytest.mark.parametrize(("kind", "output", "optimizer"), list(combinations()), ids=str)
@pytest.mark.parametrize("window", [0, 1, 4])
def test_each(packages, kind, output, optimizer, window):
    for seed, size in enumerate((1, 18) if window == 4 else (3, 8)):
        case = (
            kind,
            output,
            optimizer,
            (1 + size % 4, size, 1 + size % 3),
            window,
            (inf, 0.5)[seed % 2],
            0.1,
            [9, 6],
            seed,
            0.5,
        )
        hold_to_the_twin(packages, case)
