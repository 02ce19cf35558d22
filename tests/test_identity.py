"""The same bits on every core, and those of notebook.md's arithmetic. Everything is compared as bytes."""

import itertools
import struct
from math import exp, isfinite

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

WEIGHTS = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")

anything = st.floats(allow_nan=False, allow_infinity=False)  # to 1.8e308, subnormals and -0.0 too
usual = st.floats(-3.0, 3.0) | st.sampled_from([0.0, 1.0])
weights = st.tuples(*[usual | anything] * 5)
rates = st.floats(0.0, 10.0) | st.floats(min_value=0.0, allow_infinity=False)
pairs = st.tuples(usual | anything, usual | anything)
steps = st.integers(1, 300).flatmap(lambda length: st.lists(pairs, min_size=length, max_size=length))


def packed(*numbers):
    return struct.pack(f"{len(numbers)}d", *numbers)


def bits(network):
    """The numbers of a network, as bytes."""
    return packed(*(getattr(network, name) for name in (*WEIGHTS, "hidden_state", "lr")), *network.losses)


def network_with(package, values, lr, epochs=1, hidden_state=0.0):
    network = package.SimpleRNN(lr, epochs, seed=0)
    network.hidden_state = hidden_state
    for name, value in zip(WEIGHTS, values, strict=True):
        setattr(network, name, value)
    return network


# ---- notebook.md, transcribed: nothing of fastrnn in it ----


def sigma(a):
    try:
        return 1 / (1 + exp(-a))
    except OverflowError:
        return 0.0


class Transcription:
    """The steps of the specification, in its numbering."""

    def __init__(self, values, lr, epochs=1, hidden_state=0.0):
        self.w_input_hidden, self.w_hidden_hidden, self.w_hidden_output, self.b_hidden, self.b_output = values
        self.hidden_state = hidden_state
        self.lr = lr
        self.epochs = epochs
        self.losses = []

    def learn(self, x, y):
        h = self.hidden_state
        a = ((self.w_input_hidden * x) + (self.w_hidden_hidden * h)) + self.b_hidden  # 1
        h_new = sigma(a)
        o = (self.w_hidden_output * h_new) + self.b_output  # 2
        p = sigma(o)
        error = p - y  # 3
        d_output = error * (p * (1 - p))  # 4
        d_hidden = (d_output * self.w_hidden_output) * (h_new * (1 - h_new))  # 5
        after = (
            self.w_input_hidden - (self.lr * d_hidden) * x,  # 7
            self.w_hidden_hidden - (self.lr * d_hidden) * h,
            self.w_hidden_output - (self.lr * d_output) * h_new,  # 6
            self.b_hidden - self.lr * d_hidden,
            self.b_output - self.lr * d_output,
        )
        if not all(map(isfinite, after)):  # what the notebook leaves open: fastrnn refuses such an update
            raise OverflowError
        self.w_input_hidden, self.w_hidden_hidden, self.w_hidden_output, self.b_hidden, self.b_output = after
        self.hidden_state = h_new  # 8
        return p

    def train(self, inputs, targets):
        for _ in range(self.epochs):
            self.hidden_state = 0.0
            loss = 0.0
            for x, y in zip(inputs, targets, strict=True):
                error = self.learn(x, y) - y
                loss += error * error
            self.losses.append(loss)

    def step(self, x):
        a = ((self.w_input_hidden * x) + (self.w_hidden_hidden * self.hidden_state)) + self.b_hidden
        self.hidden_state = sigma(a)
        return sigma((self.w_hidden_output * self.hidden_state) + self.b_output)


def outcome(action, network):
    """What an action leaves behind: its result or that it diverged, the network's numbers, and the message."""
    result, message = "diverged", ""
    try:
        result = action(network)
    except OverflowError as error:
        message = str(error)
    return result, bits(network), message


class TestTwins:
    @given(values=weights, lr=rates, data=steps, epochs=st.integers(0, 12))
    @example(values=(1.7e308, 1.7e308, 1.0, 0.0, 0.0), lr=0.1, data=[(1e308, 1.0)], epochs=1)
    @example(values=(1.0, 1.0, 1.0, 1.0, 1.0), lr=1e308, data=[(1.0, 0.0), (5e-324, 1e308)], epochs=2)
    def test_train(self, packages, values, lr, data, epochs):
        inputs, targets = [x for x, _ in data], [y for _, y in data]

        def train(network):
            if isinstance(network, Transcription):
                network.train(inputs, targets)
            else:
                network.train(inputs, targets, verbose=False)

        *compiled, twin = (outcome(train, network_with(package, values, lr, epochs)) for package in packages)
        assert all(found == twin for found in compiled)
        assert twin[:2] == outcome(train, Transcription(values, lr, epochs))[:2]

    @given(values=weights, data=steps)
    def test_predict(self, packages, values, data):
        inputs = [x for x, _ in data]
        transcription = Transcription(values, 0.1)
        expected, states = [], []
        for x in inputs:
            expected.append(transcription.step(x))
            states.append(transcription.hidden_state)
        for package in packages:
            network = network_with(package, values, 0.1)
            before = bits(network)
            assert packed(*network.predict_proba(inputs)) == packed(*expected)
            assert network.predict(inputs) == [round(p) for p in expected]
            assert packed(*network.hidden_states(inputs)) == packed(*states)
            assert bits(network) == before
            assert packed(*(network.step(x) for x in inputs)) == packed(*expected)
            assert bits(network)[40:48] == packed(transcription.hidden_state)

    @given(values=weights, lr=rates, data=steps, hidden_state=st.floats(0.0, 1.0))
    @example(values=(1e308, 0.0, 0.0, 1e308, 0.0), lr=0.0, data=[(0.0, 0.0)], hidden_state=1.0)
    def test_learn(self, packages, values, lr, data, hidden_state):
        def learn(network):
            return packed(*(network.learn(x, y) for x, y in data))

        *compiled, twin = (outcome(learn, network_with(package, values, lr, 1, hidden_state)) for package in packages)
        assert all(found == twin for found in compiled)
        assert twin[:2] == outcome(learn, Transcription(values, lr, 1, hidden_state))[:2]

    def test_long(self, packages):
        """Past the blocks in which the compiled core looks at Ctrl-C, twice over."""
        length = (1 << 20) + 5
        inputs = bytearray(8 * length)
        view = memoryview(inputs).cast("d")
        for i in range(0, length, 3):
            view[i] = 1.0
        compiled = packages[0].SimpleRNN(epochs=2, seed=1)
        compiled.train(view[:-1], view[1:], verbose=False)
        loop = packages[0].SimpleRNN(seed=1)
        for _ in range(2):
            loop.reset()
            loss = 0.0
            for x, y in itertools.pairwise(view):
                error = loop.learn(x, y) - y
                loss += error * error
            loop.losses.append(loss)
        assert bits(compiled) == bits(loop)
        probabilities, states = compiled.predict_proba(view), compiled.hidden_states(view)
        compiled.reset()
        stepped = [(compiled.step(x), compiled.hidden_state) for x in view]
        assert bytes(probabilities) == packed(*(probability for probability, _ in stepped))
        assert bytes(states) == packed(*(state for _, state in stepped))


class Five(float):
    """What it says it is as a float is not the float that it is."""

    def __float__(self):
        return 5.0


class Six(int):
    def __float__(self):
        return 6.0


@pytest.mark.parametrize("value", [Five(1.0), Six(1)])
def test_numbers_that_pretend(fastrnn, value):
    network, expected = fastrnn.SimpleRNN(seed=1), fastrnn.SimpleRNN(seed=1)
    assert network.step(value) == expected.step(1.0)
    assert network.predict_proba([value]) == expected.predict_proba([1.0])


def test_numbers_that_change_the_network(fastrnn):
    """What an argument's own code does happens before the call computes."""

    class Change:
        def __float__(self):
            network.w_input_hidden = 3.0
            network.lr = 0.0
            return 1.0

    network, expected = fastrnn.SimpleRNN(seed=1), fastrnn.SimpleRNN(lr=0.0, seed=1)
    expected.w_input_hidden = 3.0
    assert network.learn(Change(), 1.0) == expected.learn(1.0, 1.0)
    assert network.step(Change()) == expected.step(1.0)
    network.b_output, expected.b_output = Change(), 1.0
    assert network == expected


def test_seed(fastrnn):
    import random

    source = random.Random(7)
    network = fastrnn.SimpleRNN(seed=7)
    assert [getattr(network, name) for name in WEIGHTS] == [source.uniform(-1, 1) for _ in WEIGHTS]
    random.seed(7)
    assert fastrnn.SimpleRNN() == network
    assert fastrnn.SimpleRNN(seed=np.int64(7)) == network


def test_resumed_is_one_go(fastrnn):
    inputs, targets = [0, 1, 1] * 10, [1, 1, 0] * 10
    whole, parts = fastrnn.SimpleRNN(epochs=30, seed=3), fastrnn.SimpleRNN(epochs=10, seed=3)
    whole.train(inputs, targets, verbose=False)
    for _ in range(3):
        parts.train(inputs, targets, verbose=False)
    assert bits(parts) == bits(whole)


@pytest.mark.parametrize("epochs", [65535, 65536, 65537, 131073])
def test_many_epochs(packages, epochs):
    """Past the number of epochs whose losses the compiled core keeps at a time."""
    networks = [package.SimpleRNN(epochs=epochs, seed=5) for package in packages]
    for network in networks:
        network.train([1.0], [0.5], verbose=False)
    assert all(len(network.losses) == epochs for network in networks)
    assert all(bits(network) == bits(networks[-1]) for network in networks)
