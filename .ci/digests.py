"""Digests of what fastrnn computes: to compare cores, platforms, and a change with what was before it.

`python .ci/digests.py` prints one line each: a name, and the SHA-256 of the numbers in little-endian order, shortened.
Lines that begin with "platform" depend on the platform's exp too; all others must be the same everywhere.
"""

import hashlib
import itertools
import math
import random
import struct

import fastrnn

CELLS = [("elman", "tanh"), ("elman", "sigmoid"), ("elman", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
OUTPUTS = [
    ("linear", "half_squared_error"),
    ("sigmoid", "half_squared_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "cross_entropy"),
]
OPTIMIZERS = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "adam"},
    {"optimizer": "adamw", "weight_decay": 0.1},
]
WINDOWS = (1, 5, 32, None)
SIZES = (1, 2, 3, 8, 17, 40, 70)
POINTS = 100_000


def digest(*parts):
    """Of floats, of lists of them however deep, and of bytes."""
    sha = hashlib.sha256()

    def add(part):
        if isinstance(part, bytes):
            sha.update(part)
        elif isinstance(part, (int, float)):
            sha.update(struct.pack("<d", part))
        elif part and all(type(value) is float for value in part):
            sha.update(struct.pack(f"<{len(part)}d", *part))
        else:
            for value in part:
                add(value)
            sha.update(b";")

    add(parts)
    return sha.hexdigest()[:16]


def points():
    """Of all sizes, around where powers of two follow each other, and special ones; the same on every platform."""
    draw = random.Random(0)
    special = [0.0, -0.0, 5e-324, 22.0, 40.0, -37.0, -708.4, -740.0, -745.1, -745.2, 1e308]
    near = [(draw.randrange(-2000, 100) + 0.5) * 0.34657359027997264 for _ in range(POINTS // 4)]
    tiny = [draw.choice([-1.0, 1.0]) * math.ldexp(draw.uniform(1, 2), -draw.randrange(1070)) for _ in near]
    wide = [draw.uniform(-745.0, 45.0) for _ in near]
    usual = [draw.uniform(-8.0, 8.0) for _ in near]
    return [*special, *near, *tiny, *wide, *usual]


def functions():
    """tanh, sigmoid and exp, as networks whose weights are 1 or 0 compute them; logs, as those of one that learns
    a single step by and by: its losses are log(total) and log1p(exp(sum)), from all open to all sure."""
    x = points()
    for activation in ("tanh", "sigmoid"):
        network = fastrnn.RNN(3, activation=activation, seed=0)
        network.w_input_hidden, network.b_hidden = [[1.0], [2.0], [-1.0]], [0.0] * 3
        network.w_hidden_hidden = [[0.0] * 3] * 3
        yield activation, digest(network.hidden_states(x))
    network = fastrnn.RNN(1, activation="relu", output="softmax", output_size=2, seed=0)
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[-1.0]], [[0.0]], [0.0]
    network.w_hidden_output, network.b_output = [[0.0], [-1.0]], [0.0, 0.0]
    yield "exp", digest(network.predict_proba([value for value in x if value < 0.0]))
    for name, options in [("log", {"output": "softmax", "output_size": 5}), ("log1p", {"output": "sigmoid"})]:
        network = fastrnn.RNN(1, lr=0.1, epochs=POINTS // 5, seed=0, **options)
        network.train([1.0], [0])
        yield name, digest(network.losses)


def trainings():
    """Every cell with every output, loss and optimizer; windows, sizes, clips and lengths take turns."""
    turns = zip(
        itertools.cycle(WINDOWS),
        itertools.cycle(SIZES),
        itertools.cycle([None, None, 0.3]),
        itertools.cycle([(1, 1), (2, 3), (5, 2)]),
        itertools.cycle([[40], [7, 1, 12], [3, 70], [33, 0, 2], [64]]),
    )
    for turn in range(3):
        for kind, output, optimizer in itertools.product(CELLS, OUTPUTS, OPTIMIZERS):
            window, size, clip, (inputs, outputs), lengths = next(turns)
            if output[0] == "softmax":
                outputs += 1
            options = {"cell": kind[0], "activation": kind[1], "output": output[0], "loss": output[1], **optimizer}
            options |= {"window": window, "clip": clip, "input_size": inputs, "output_size": outputs}
            yield from training(size, lengths, seed=turn, lr=0.05 if turn else 0.3, epochs=2, **options)
    for cell, window in itertools.product(["elman", "gru", "lstm"], [1, 3, None]):
        yield from training(70, [5, 1, 4], seed=5, cell=cell, window=window)  # larger than the first-level cache
    yield from training(4, [300], seed=6, cell="gru", window=None, optimizer="adam")
    yield from training(3, [40], seed=7, cell="gru", lr=1e200)  # diverges


def training(size, lengths, *, seed, **options):
    network = fastrnn.RNN(size, seed=seed, **options)
    draw = random.Random(seed + size)
    classes = network.output == "softmax"
    wanted = 1 if classes else network.output_size
    number = lambda: draw.choice([0.0, 1.0, draw.uniform(-3, 3)])  # noqa: E731
    x = [rows(length, network.input_size, number) for length in lengths]
    target = (lambda: draw.randrange(network.output_size)) if classes else draw.random
    y = [rows(length, wanted, target) for length in lengths]
    name = f"{network!r} {lengths} seed={seed}"
    seen = []
    try:
        network.train(x, y)
    except OverflowError:
        seen.append(1.0)
    seen.append(network.__reduce__()[2]["_memory"])
    seen.append(network.state)
    seen.append(network.predict(x))
    if network.output != "linear":
        seen.append(network.predict_proba(x))
    seen.append(network.hidden_states(x))
    if network.window is not None:
        for row, wanted_row in itertools.islice(zip(x[0], y[0], strict=True), 7):
            try:
                seen.append(network.learn(row, wanted_row))
            except OverflowError:
                seen.append(2.0)
        seen.append(network._waiting)
    seen.append([network.step(row) for row in x[0][:3]])
    if network.input_size == network.output_size and not classes:
        seen.append(network.generate(x[0], 5))
    seen.append([network.__reduce__()[2]["_memory"], network.state])
    yield name, digest(*seen)
    yield f"losses of {name}", digest(network.losses)


def rows(length, width, number):
    return [number() if width == 1 else [number() for _ in range(width)] for _ in range(length)]


def simple():
    for seed, (lr, epochs, length) in enumerate([(0.1, 30, 40), (0.5, 2, 1000), (3.0, 5, 300)]):
        draw = random.Random(seed)
        x = [draw.choice([0, 1, draw.uniform(-2, 2)]) for _ in range(length)]
        network = fastrnn.SimpleRNN(lr, epochs, seed=seed)
        network.train(x[:-1], x[1:], verbose=False)
        seen = [network.losses, network.predict_proba(x), network.learn(0.5, 1.0), network.step(0.25)]
        weights = [network.w_input_hidden, network.w_hidden_hidden, network.w_hidden_output, network.b_hidden]
        yield f"platform SimpleRNN(lr={lr}, epochs={epochs}) {length}", digest(*seen, weights, network.b_output)


def lines():
    for name, value in itertools.chain(functions(), trainings(), simple()):
        yield f"{value} {name}"


if __name__ == "__main__":
    print(*lines(), sep="\n")
