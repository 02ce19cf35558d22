"""What a user would pick instead of fastrnn, each written as fast as we know how; better forms are welcome.

All compute in float64 on one core, and are compiled before their time starts. JAX and PyTorch have an exp of their own
and may reorder operations, so their numbers are compared within conftest.TOLERANCE.
"""

import math
from functools import partial

import numpy
import pytest

from bench.rows import LR, WEIGHTS, Row
from bench.turns import in_turn

UNROLLS = 1, 4, 16, 32  # steps of a lax.scan in one go: which is fastest differs from row to row


def fastest(forms):
    """The key of the function that takes the least time; two seconds of it, so that a busy moment does not decide."""
    for run in forms.values():
        run()  # the first call compiles
    times = in_turn(forms, seconds=2.0, rounds=5)
    return min(times, key=times.get)


class Numba(Row):
    """njit without fastmath, which would change the bits; with NumPy's division, which does not look for zeros."""

    name = "Numba"

    def __init__(self):
        numba = pytest.importorskip("numba")
        njit = numba.njit(error_model="numpy")

        @njit
        def sigmoid(a):
            return 1.0 / (1.0 + math.exp(-a))

        @njit
        def learn_step(w_ih, w_hh, w_ho, b_h, b_o, h, lr, x, y):
            h_new = sigmoid(w_ih * x + w_hh * h + b_h)
            p = sigmoid(w_ho * h_new + b_o)
            error = p - y
            d_output = error * (p * (1.0 - p))
            d_hidden = d_output * w_ho * (h_new * (1.0 - h_new))
            w_ho -= lr * d_output * h_new
            b_o -= lr * d_output
            w_ih -= lr * d_hidden * x
            w_hh -= lr * d_hidden * h
            b_h -= lr * d_hidden
            return w_ih, w_hh, w_ho, b_h, b_o, h_new, p, error

        @njit
        def train(weights, lr, inputs, targets, epochs):
            w_ih, w_hh, w_ho, b_h, b_o = weights
            losses = numpy.empty(epochs)
            for epoch in range(epochs):
                h = 0.0
                loss = 0.0
                for i in range(len(inputs)):
                    w_ih, w_hh, w_ho, b_h, b_o, h, _, error = learn_step(
                        w_ih, w_hh, w_ho, b_h, b_o, h, lr, inputs[i], targets[i]
                    )
                    loss += error * error
                losses[epoch] = loss
            return (w_ih, w_hh, w_ho, b_h, b_o), losses

        @njit
        def predict_proba(weights, inputs):
            w_ih, w_hh, w_ho, b_h, b_o = weights
            probabilities = numpy.empty(len(inputs))
            h = 0.0
            for i in range(len(inputs)):
                h = sigmoid(w_ih * inputs[i] + w_hh * h + b_h)
                probabilities[i] = sigmoid(w_ho * h + b_o)
            return probabilities

        @njit
        def step(state, x):
            state[5] = sigmoid(state[0] * x + state[1] * state[5] + state[3])
            return sigmoid(state[2] * state[5] + state[4])

        @njit
        def learn(state, lr, x, y):
            state[0], state[1], state[2], state[3], state[4], state[5], p, _ = learn_step(
                state[0], state[1], state[2], state[3], state[4], state[5], lr, x, y
            )
            return p

        class Network:
            def __init__(self):
                self.state = numpy.array([*WEIGHTS, 0.0])

            def step(self, x):
                return step(self.state, x)

            def learn(self, x, target):
                return learn(self.state, LR, x, target)

        self._train, self._predict_proba, self.network = train, predict_proba, Network

    def train(self, inputs, targets, epochs):
        inputs, targets = numpy.asarray(inputs, float), numpy.asarray(targets, float)
        weights, losses = self._train(WEIGHTS, LR, inputs, targets, epochs)
        return [*weights, *losses]

    def predict_proba(self, inputs):
        return self._predict_proba(WEIGHTS, inputs)


class JAX(Row):
    """jit of lax.scan over the steps, unrolled as is fastest: for predicting by 4 or not at all, for training never."""

    name = "JAX"
    exact = False

    def __init__(self):
        self.jax = jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        jnp, sigmoid = jax.numpy, jax.nn.sigmoid

        def learn_step(state, lr, x, y):
            w_ih, w_hh, w_ho, b_h, b_o, h = state
            h_new = sigmoid(w_ih * x + w_hh * h + b_h)
            p = sigmoid(w_ho * h_new + b_o)
            error = p - y
            d_output = error * (p * (1.0 - p))
            d_hidden = d_output * w_ho * (h_new * (1.0 - h_new))
            by_output, by_hidden = lr * d_output, lr * d_hidden
            state = (
                w_ih - by_hidden * x,
                w_hh - by_hidden * h,
                w_ho - by_output * h_new,
                b_h - by_hidden,
                b_o - by_output,
                h_new,
            )
            return state, p, error

        def train(weights, lr, inputs, targets, epochs, unroll):
            def one_step(carry, xy):
                state, loss = carry
                state, _, error = learn_step(state, lr, *xy)
                return (state, loss + error * error), None

            def one_epoch(weights, _):
                start = (*weights, jnp.float64(0)), jnp.float64(0)
                (state, loss), _ = jax.lax.scan(one_step, start, (inputs, targets), unroll=unroll)
                return state[:5], loss

            return jax.lax.scan(one_epoch, weights, length=epochs)

        def predict_proba(weights, inputs, unroll):
            w_ih, w_hh, w_ho, b_h, b_o = weights

            def one_step(h, x):
                h = sigmoid(w_ih * x + w_hh * h + b_h)
                return h, h

            _, hidden = jax.lax.scan(one_step, jnp.float64(0), inputs, unroll=unroll)
            return sigmoid(w_ho * hidden + b_o)

        # One call a step: one array in and out, the probability at its end, takes a third of the time of a tuple.

        @jax.jit
        def step(state, x):
            w_ih, w_hh, w_ho, b_h, b_o, h, _ = state
            h = sigmoid(w_ih * x + w_hh * h + b_h)
            return jnp.stack([w_ih, w_hh, w_ho, b_h, b_o, h, sigmoid(w_ho * h + b_o)])

        @jax.jit
        def learn(state, lr, x, y):
            state, p, _ = learn_step(tuple(state)[:6], lr, x, y)
            return jnp.stack([*state, p])

        class Network:
            def __init__(self):
                self.state = jnp.array([*WEIGHTS, 0.0, 0.0])

            def step(self, x):
                self.state = step(self.state, x)
                return float(numpy.asarray(self.state)[6])

            def learn(self, x, target):
                self.state = learn(self.state, LR, x, target)
                return float(numpy.asarray(self.state)[6])

        self.weights = jax.device_put(WEIGHTS)
        self._train = jax.jit(train, static_argnames=("epochs", "unroll"))
        self._predict_proba = jax.jit(predict_proba, static_argnames="unroll")
        self.network, self.unrolls = Network, {}

    def take(self, values):
        return self.jax.device_put(values)

    def train(self, inputs, targets, epochs):
        if isinstance(inputs, list):
            inputs, targets = numpy.asarray(inputs, float), numpy.asarray(targets, float)
        weights, losses = self.unrolled(self._train, self.weights, LR, inputs, targets, epochs=epochs)
        return [*map(float, weights), *numpy.asarray(losses)]

    def predict_proba(self, inputs):
        return self.unrolled(self._predict_proba, self.weights, inputs)

    def unrolled(self, function, weights, *arguments, **settings):
        """What the function returns; how it is best unrolled is measured once for each task."""

        def run(unroll):
            return self.jax.block_until_ready(function(weights, *arguments, unroll=unroll, **settings))

        task = function, len(arguments[-1]), *settings.values()
        if task not in self.unrolls:
            self.unrolls[task] = fastest({unroll: partial(run, unroll) for unroll in UNROLLS})
        return run(self.unrolls[task])


class PyTorch(Row):
    """autograd and SGD, one step at a time, on five scalar parameters: faster than RNNCell and Linear."""

    name = "PyTorch"
    exact = False
    steps = 500
    epochs = 10

    def __init__(self):
        self.torch = torch = pytest.importorskip("torch")
        torch.set_num_threads(1)

        class Network:
            def __init__(self):
                self.weights = [torch.nn.Parameter(torch.tensor(weight, dtype=torch.float64)) for weight in WEIGHTS]
                # The notebook's gradient is that of half the squared error.
                self.optimizer = torch.optim.SGD(self.weights, lr=LR / 2)
                self.reset()

            def reset(self):
                self.h = torch.zeros((), dtype=torch.float64)

            def forward(self, x):
                w_ih, w_hh, w_ho, b_h, b_o = self.weights
                h = torch.sigmoid(torch.addcmul(torch.addcmul(b_h, w_ih, x), w_hh, self.h))
                return h, torch.sigmoid(torch.addcmul(b_o, w_ho, h))

            def update(self, x, y):
                h, p = self.forward(x)
                loss = torch.nn.functional.mse_loss(p, y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.h = h.detach()
                return p.detach(), loss.detach()

            def learn(self, x, target):
                p, _ = self.update(torch.tensor(x, dtype=torch.float64), torch.tensor(target, dtype=torch.float64))
                return p.item()

            def step(self, x):
                with torch.inference_mode():
                    self.h, p = self.forward(torch.tensor(x, dtype=torch.float64))
                    return p.item()

        self.network = Network

    def take(self, values):
        return self.torch.from_numpy(values)

    def train(self, inputs, targets, epochs):
        inputs, targets = (self.torch.as_tensor(values, dtype=self.torch.float64) for values in (inputs, targets))
        network, losses = self.network(), []
        for _ in range(epochs):
            network.reset()
            errors = [network.update(x, y)[1] for x, y in zip(inputs, targets, strict=True)]
            losses.append(self.torch.stack(errors).sum())
        return [value.item() for value in (*network.weights, *losses)]

    def predict_proba(self, inputs):
        torch, hidden = self.torch, []
        w_ih, w_hh, w_ho, b_h, b_o = torch.tensor(WEIGHTS, dtype=torch.float64)
        with torch.inference_mode():
            h = torch.zeros((), dtype=torch.float64)
            for a in torch.addcmul(b_h, w_ih, inputs):
                h = torch.sigmoid(torch.addcmul(a, w_hh, h))
                hidden.append(h)
            return torch.sigmoid(torch.addcmul(b_o, w_ho, torch.stack(hidden)))


class PyTorchByHand(PyTorch):
    """The same without autograd: the gradients written out, and the weights changed in place."""

    name = "PyTorch, no autograd"
    steps = 2_000

    def __init__(self):
        super().__init__()
        torch, Autograd = self.torch, self.network

        class Network(Autograd):
            def __init__(self):
                self.weights = [torch.tensor(weight, dtype=torch.float64) for weight in WEIGHTS]
                self.reset()

            @torch.inference_mode()
            def update(self, x, y):
                w_ih, w_hh, w_ho, b_h, b_o = self.weights
                h, p = self.forward(x)
                error = p - y
                d_output = torch.ops.aten.sigmoid_backward(error, p)
                d_hidden = torch.ops.aten.sigmoid_backward(d_output * w_ho, h)
                w_ho.addcmul_(d_output, h, value=-LR)
                b_o.sub_(d_output, alpha=LR)
                w_ih.addcmul_(d_hidden, x, value=-LR)
                w_hh.addcmul_(d_hidden, self.h, value=-LR)
                b_h.sub_(d_hidden, alpha=LR)
                self.h = h
                return p, error * error

        self.network = Network
