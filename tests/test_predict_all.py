"""predict_all(): what one network after the other gives, to the bit and in its kind, on one thread and on two."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

METHODS = ("predict", "predict_proba", "hidden_states", "evaluate")

# ---- lists of networks of all kinds, and data ----


def kind(source, method):
    """(hidden_size, options) of networks that can share lanes."""
    outputs = ["sigmoid", "softmax"] if method == "predict_proba" else ["linear", "sigmoid", "softmax"]
    cell, output = source.choice(["elman", "gru", "lstm"]), source.choice(outputs)
    options = {
        "cell": cell,
        "activation": source.choice(["tanh", "sigmoid", "relu"]) if cell == "elman" else "tanh",
        "output": output,
        "standardize": source.random() < 0.3,
    }
    return source.choice([1, 2, 3, 5, 9]), options


def network(fastrnn, source, draw, size, options, shape):
    """shape : what all have in common, so that they can run on the same data."""
    made = fastrnn.RNN(size, **options, **shape, optimizer=source.choice(["sgd", "adam"]), seed=source.random())
    if made.standardize:
        made.input_mean, made.input_scale = draw.normal(size=made.input_size), 0.5 + draw.random(made.input_size)
        if made.output == "linear":
            made.target_mean, made.target_scale = (
                draw.normal(size=made.output_size),
                0.5 + draw.random(made.output_size),
            )
    if source.random() < 0.2:
        made.w_hidden_hidden = np.zeros(np.shape(made.w_hidden_hidden))
    if source.random() < 0.1 and options["activation"] == "relu":  # up to infinity, and the lanes beside it go on
        made.w_hidden_hidden = 1e9 * np.eye(size)
    return made


def some_data(source, draw, shape, method):
    """Inputs and targets for any of these networks: one sequence, or several."""
    each, width = shape["return_sequences"], shape["output_size"]
    lengths = [source.choice([0, 1, 2, 9, 16, 17, 33, 60]) for _ in range(source.choice([1, 1, 2, 5]))]
    if not each:
        lengths = [max(1, length) for length in lengths]
    if method == "evaluate" and not sum(lengths):
        lengths[0] = 3
    x = [draw.normal(size=(length, shape["input_size"])) for length in lengths]
    y = [draw.integers(0, 2, (length if each else 1, width)) for length in lengths]
    y = [part if each else part[0] for part in y]
    if width == 1 or shape["classes"]:
        y = [part[..., 0] for part in y]
    if source.random() < 0.3:
        x = [part.tolist() for part in x] if all(lengths) else x
    return (x[0], y[0]) if len(x) == 1 and source.random() < 0.8 and len(x[0]) else (x, y)


def drawn(fastrnn, seed):
    """(networks, inputs, targets, each, method)"""
    source, draw = random.Random(seed), np.random.default_rng(seed)
    method, each, classes = source.choice(METHODS), source.random() < 0.5, source.random() < 0.4
    shape = {"input_size": source.choice([1, 2]), "output_size": 2 if classes else source.choice([1, 2])}
    shape["return_sequences"] = source.random() < 0.7
    kinds = []
    while len(kinds) < source.choice([1, 2, 3]):
        size, options = kind(source, method)
        if (options["output"] == "softmax") == classes:  # which have targets of another kind
            kinds.append((size, options))
    count = source.choice([1, 3, 7, 8, 9, 20])
    networks = [network(fastrnn, source, draw, *source.choice(kinds), shape) for _ in range(count)]
    if source.random() < 0.2:
        networks.append(networks[0])
    data = [some_data(source, draw, shape | {"classes": classes}, method) for _ in networks if each or _ is networks[0]]
    if each and source.random() < 0.3:
        data = [source.choice(data) for _ in networks]
    inputs, targets = [x for x, _ in data], [y for _, y in data]
    return networks, inputs if each else inputs[0], targets if each else targets[0], each, method


def one_after_the_other(networks, inputs, targets, each, method):
    results = []
    for i, one in enumerate(networks):
        data = [inputs[i] if each else inputs]
        if method == "evaluate":
            data.append(targets[i] if each else targets)
        try:
            results.append(getattr(one, method)(*data))
        except OverflowError as error:
            return f"networks[{i}]: {error}"
    return results


def told(results):
    """Kinds and bytes of all."""
    if isinstance(results, list):
        return [told(result) for result in results]
    if isinstance(results, np.ndarray):
        return "array", results.shape, results.dtype, results.tobytes()
    return type(results), repr(results)


@given(seed=st.integers(0, 2**32), threads=st.sampled_from([1, 2]))
def test_the_same_as_one_after_the_other(fastrnn, seed, threads):
    networks, inputs, targets, each, method = drawn(fastrnn, seed)
    before = [repr(network.__getstate__()) for network in networks]
    alone = one_after_the_other(networks, inputs, targets, each, method)
    data = (inputs, targets) if method == "evaluate" else (inputs,)
    try:
        together = fastrnn.predict_all(networks, *data, each=each, method=method, threads=threads)
    except OverflowError as error:
        together = str(error)
    assert told(together) == told(alone)
    assert [repr(network.__getstate__()) for network in networks] == before
