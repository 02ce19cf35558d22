"""RNN beside what a user would pick instead: the same network, data, windows and updates, in float64 on one core.

Every row starts from the weights of fastrnn.RNN(seed=0), predicts the next value of a sine, and is compiled before its
time starts. PyTorch takes so long that it gets fewer steps; times are given a step.
"""

import math
import operator
import time
import warnings
from functools import partial

import numpy
import pytest

from bench.peers import UNROLLS, fastest
from bench.rows import COMPILED, package

CELLS = ("elman", "gru", "lstm")
UNITS = (2, 8, 16, 32, 64, 128)
WINDOW, LR = 32, 0.01
STEPS = 400 * WINDOW
SEQUENCE = numpy.sin(0.1 * numpy.arange(STEPS + 1))


def data(steps):
    return SEQUENCE[:steps].copy(), SEQUENCE[1 : steps + 1].copy()


def summary(loss, parameters):
    """What a training leaves behind, in a few numbers: the mean loss of the epoch, and the norm of each parameter."""
    squares = (numpy.square(numpy.asarray(value)).ravel() for value in parameters)
    return [float(loss), *(math.sqrt(math.fsum(values)) for values in squares)]  # exact: in any order of the terms


class Fastrnn:
    """The public class on the best compiled core."""

    name = "fastrnn"
    backend = COMPILED
    exact = True
    steps = predict_steps = STEPS

    def network(self, cell, units, window=WINDOW):
        return package(self.backend).RNN(units, cell=cell, window=window, lr=LR, epochs=1, seed=0)

    def trainer(self, cell, units, window=WINDOW):
        """A function that trains a fresh network for one epoch, and has another one, `numbers`, to compare by."""
        x, y = data(self.steps)
        network = self.network(cell, units, window)

        def run():
            network.train(x, y)  # it goes on learning from round to round: every epoch is the same work

        def numbers():
            fresh = self.network(cell, units, window)
            fresh.train(x, y)
            return summary(fresh.losses[0], fresh.parameters.values())

        run.numbers = numbers
        return run

    def predictor(self, cell, units):
        network, (x, _) = self.network(cell, units), data(self.predict_steps)
        return lambda: network.predict(x)

    def stepper(self, cell, units):
        """A function of one number that steps on."""
        return self.network(cell, units).step


class Base(Fastrnn):
    """The core for any x86-64 or arm64, where there is one for newer CPUs beside it."""

    name = "fastrnn, base"
    backend = "base"

    def __init__(self):
        if COMPILED == "base":
            pytest.skip("it is the best core")


class Twin(Fastrnn):
    name = "twin"
    backend = "python"

    def __init__(self, steps=2 * WINDOW):
        self.steps = self.predict_steps = steps


class JAX:
    """jit of value_and_grad of lax.scan over a window, unrolled as is fastest, in a lax.scan over the windows."""

    name = "JAX"
    exact = False
    steps = predict_steps = STEPS

    def __init__(self):
        self.jax = jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)

    def weights(self, cell, units):
        network = Fastrnn().network(cell, units)
        return {name: self.jax.numpy.asarray(numpy.asarray(view).copy()) for name, view in network.parameters.items()}

    def step(self, cell, units, product=operator.matmul, bias=lambda b: b):
        """One step forward: (parameters, state, x) -> (state, output).

        product, bias : of a matrix and x, and what is added to it; others where x has a further axis, of lanes.
        """
        jnp, sigmoid = self.jax.numpy, self.jax.nn.sigmoid

        def output(p, h):
            return product(p["w_hidden_output"], h) + bias(p["b_output"])

        def sums(p, h, x):
            return product(p["w_input_hidden"], x) + product(p["w_hidden_hidden"], h) + bias(p["b_hidden"])

        def elman(p, h, x):
            h = jnp.tanh(sums(p, h, x))
            return h, output(p, h)

        def gru(p, h, x):
            a = product(p["w_input_hidden"], x) + bias(p["b_hidden"])
            s = product(p["w_hidden_hidden"], h)
            r, z = sigmoid(a[:units] + s[:units]), sigmoid(a[units : 2 * units] + s[units : 2 * units])
            n = jnp.tanh(a[2 * units :] + r * (s[2 * units :] + bias(p["b_hidden_hidden"])))
            h = (1 - z) * n + z * h
            return h, output(p, h)

        def lstm(p, state, x):
            h, c = state
            i, f, g, o = jnp.split(sums(p, h, x), 4)
            c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
            h = sigmoid(o) * jnp.tanh(c)
            return (h, c), output(p, h)

        return {"elman": elman, "gru": gru, "lstm": lstm}[cell]

    def fresh(self, cell, *shape):
        zeros = self.jax.numpy.zeros(shape)
        return (zeros, zeros) if cell == "lstm" else zeros

    def trainer(self, cell, units):
        jax, (x, y) = self.jax, data(self.steps)
        step = self.step(cell, units)

        @partial(jax.jit, static_argnames="unroll")
        def train(p, xs, ys, unroll):
            def loss_of_window(p, state, xs, ys):
                state, outputs = jax.lax.scan(lambda s, x: step(p, s, x), state, xs, unroll=unroll)
                return 0.5 * ((outputs - ys) ** 2).mean(), state

            def one_window(carry, xy):
                p, state = carry
                (loss, state), gradient = jax.value_and_grad(loss_of_window, has_aux=True)(p, state, *xy)
                return (jax.tree.map(lambda value, g: value - LR * g, p, gradient), state), loss

            return jax.lax.scan(one_window, (p, self.fresh(cell, units)), (xs, ys))

        p = self.weights(cell, units)
        xs, ys = (jax.device_put(values.reshape(-1, WINDOW, 1)) for values in (x, y))

        def run(unroll):
            (trained, _), losses = jax.block_until_ready(train(p, xs, ys, unroll))
            return losses.mean(), trained

        run = unrolled(run)

        def numbers():
            loss, trained = run()
            return summary(loss, [numpy.asarray(trained[name]) for name in p])

        run.numbers = numbers
        return run

    def predictor(self, cell, units):
        jax, (x, _) = self.jax, data(self.predict_steps)
        step, p = self.step(cell, units), self.weights(cell, units)

        @partial(jax.jit, static_argnames="unroll")
        def predict(p, xs, unroll):
            return jax.lax.scan(lambda s, x: step(p, s, x), self.fresh(cell, units), xs, unroll=unroll)[1]

        xs = jax.device_put(x.reshape(-1, 1))
        return unrolled(lambda unroll: jax.block_until_ready(predict(p, xs, unroll)).ravel())


def unrolled(run):
    """run(unroll) with the number that is fastest here, which stands in its `remark`."""
    unroll = fastest({unroll: partial(run, unroll) for unroll in UNROLLS})
    run = partial(run, unroll)
    run.remark = f"by {unroll}"
    return run


class PyTorch:
    """torch.nn.RNN, GRU or LSTM over a window at a time, with autograd and SGD."""

    name = "PyTorch"
    exact = False
    steps, predict_steps = 20 * WINDOW, 100 * WINDOW

    def __init__(self):
        self.torch = torch = pytest.importorskip("torch")
        torch.set_num_threads(1)

    def modules(self, cell, units, kinds=("RNN", "GRU", "LSTM"), network=None):
        torch, network = self.torch, network or Fastrnn().network(cell, units)
        kind = getattr(torch.nn, kinds[CELLS.index(cell)])
        layer = kind(network.input_size, units, dtype=torch.float64)
        readout = torch.nn.Linear(units, network.output_size, dtype=torch.float64)
        p = {name: torch.tensor(numpy.asarray(view)) for name, view in network.parameters.items()}
        suffix = "" if kinds[0] == "RNNCell" else "_l0"
        with torch.no_grad():
            getattr(layer, "weight_ih" + suffix).copy_(p["w_input_hidden"])
            getattr(layer, "weight_hh" + suffix).copy_(p["w_hidden_hidden"])
            getattr(layer, "bias_ih" + suffix).copy_(p["b_hidden"])
            getattr(layer, "bias_hh" + suffix).zero_()
            if cell == "gru":
                getattr(layer, "bias_hh" + suffix)[2 * units :] = p["b_hidden_hidden"]
            readout.weight.copy_(p["w_hidden_output"])
            readout.bias.copy_(p["b_output"])
        return layer, readout

    def trainer(self, cell, units):
        torch = self.torch
        x, y = (torch.from_numpy(values).reshape(-1, 1) for values in data(self.steps))
        layer, readout = self.modules(cell, units)
        fresh = [parameter.detach().clone() for parameter in (*layer.parameters(), *readout.parameters())]

        def run():
            with torch.no_grad():
                for parameter, value in zip((*layer.parameters(), *readout.parameters()), fresh, strict=True):
                    parameter.copy_(value)
            # PyTorch's second bias: what it learns belongs to the first, but for the part inside a GRU's reset.
            fixed = [layer.bias_hh_l0] if cell != "gru" else []
            for bias in fixed:
                bias.requires_grad_(False)
            learning = [p for p in (*layer.parameters(), *readout.parameters()) if p.requires_grad]
            optimizer = torch.optim.SGD(learning, lr=LR)
            state, losses = None, []
            for start in range(0, len(x), WINDOW):
                hidden, state = layer(x[start : start + WINDOW], state)
                loss = 0.5 * torch.nn.functional.mse_loss(readout(hidden), y[start : start + WINDOW])
                optimizer.zero_grad()
                loss.backward()
                if cell == "gru":
                    layer.bias_hh_l0.grad[: 2 * units] = 0.0
                optimizer.step()
                state = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()
                losses.append(loss.detach())
            return torch.stack(losses).mean()

        def numbers():
            loss = run()
            values = [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0]
            values += [layer.bias_hh_l0[2 * units :]] if cell == "gru" else []
            return summary(loss, [value.detach().numpy() for value in (*values, readout.weight, readout.bias)])

        run.numbers = numbers
        return run

    def predictor(self, cell, units):
        torch, (layer, readout) = self.torch, self.modules(cell, units)
        x = torch.from_numpy(data(self.predict_steps)[0]).reshape(-1, 1)

        @torch.inference_mode()
        def run():
            return readout(layer(x)[0]).ravel()

        return run

    def stepper(self, cell, units):
        torch, (layer, readout) = self.torch, self.modules(cell, units, ("RNNCell", "GRUCell", "LSTMCell"))
        x, state = torch.zeros(1, dtype=torch.float64), None

        @torch.inference_mode()
        def step(value):
            nonlocal state
            x[0] = value
            state = layer(x, state)
            return readout(state[0] if cell == "lstm" else state).item()

        return step


class PyTorchCompiled(PyTorch):
    """torch.compile of a window: its steps by hand and unrolled, the gradients and the update in one graph, which C++
    calls. To compile the loss alone and leave the rest to autograd takes more than twice as long."""

    name = "PyTorch, compiled"
    networks = ("elman", 16), ("gru", 2), ("gru", 16), ("lstm", 16)  # a few only: one compiles for up to 100 s
    steps = predict_steps = 100 * WINDOW

    def __init__(self):
        super().__init__()
        config = pytest.importorskip("torch._inductor.config")
        config.cpp_wrapper = True
        config.force_disable_caches = True  # else an earlier run's work would not count as compiling

    def outputs(self, cell, units, p, state, x):
        """The outputs of a window, and the state after it."""
        torch, hidden = self.torch, []
        for a in x @ p["w_input_hidden"].T + p["b_hidden"]:
            h, *rest = state
            s = p["w_hidden_hidden"] @ h
            if cell == "elman":
                state = (torch.tanh(a + s),)
            elif cell == "gru":
                r, z = torch.sigmoid(a[: 2 * units] + s[: 2 * units]).split(units)
                n = torch.tanh(a[2 * units :] + r * (s[2 * units :] + p["b_hidden_hidden"]))
                state = ((1 - z) * n + z * h,)
            else:
                i, f, g, o = (a + s).split(units)
                c = torch.sigmoid(f) * rest[0] + torch.sigmoid(i) * torch.tanh(g)
                state = torch.sigmoid(o) * torch.tanh(c), c
            hidden.append(state[0])
        return torch.stack(hidden) @ p["w_hidden_output"].T + p["b_output"], state

    def start(self, cell, units):
        """The parameters, and the state before the first step."""
        torch, network = self.torch, Fastrnn().network(cell, units)
        p = {name: torch.tensor(numpy.asarray(view)) for name, view in network.parameters.items()}
        return p, (torch.zeros(units, dtype=torch.float64),) * (2 if cell == "lstm" else 1)

    def windows(self, steps):
        return [[*self.torch.from_numpy(values).reshape(-1, WINDOW, 1)] for values in data(steps)]

    def compiled(self, function):
        return self.torch.compile(function, dynamic=False)  # else what is compiled second is for networks of any size

    def trainer(self, cell, units):
        torch, (x, y) = self.torch, self.windows(self.steps)

        def loss_of(p, state, x, y):
            outputs, state = self.outputs(cell, units, p, state, x)
            return 0.5 * torch.nn.functional.mse_loss(outputs, y), state

        @self.compiled
        def learn(p, state, x, y):
            gradient, (loss, state) = torch.func.grad_and_value(loss_of, has_aux=True)(p, state, x, y)
            return {name: value - LR * gradient[name] for name, value in p.items()}, state, loss

        fresh = self.start(cell, units)

        @torch.inference_mode()
        def run():
            (p, state), losses = fresh, []
            for window in zip(x, y, strict=True):
                p, state, loss = learn(p, state, *window)
                losses.append(loss)
            return torch.stack(losses).mean(), p

        def numbers():
            loss, p = run()
            return summary(loss, p.values())

        run.numbers = numbers
        return compiling(run)

    def predictor(self, cell, units):
        torch, (x, _) = self.torch, self.windows(self.predict_steps)
        outputs = self.compiled(partial(self.outputs, cell, units))
        p, fresh = self.start(cell, units)

        @torch.inference_mode()
        def run():
            state, values = fresh, []
            for window in x:
                value, state = outputs(p, state, window)
                values.append(value)
            return torch.cat(values).ravel()

        return compiling(run)


def compiling(run):
    """run, compiled by its first call; how long that took stands in its `remark`."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nothing comes from a cache
        run()
    run.remark = f"{time.perf_counter() - start:.0f} s"
    return run


class DyNet:
    """Its own builders, in float32. Its weights are others and its GRU resets elsewhere: the work is the same, not the
    numbers."""

    name = "DyNet, float32"
    exact = False
    steps = 40 * WINDOW

    def __init__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip("dynet_config").set(mem=1_024, random_seed=1)
            self.dynet = pytest.importorskip("dynet")

    def modules(self, cell, units, inputs=1, outputs=1):
        """What keeps the parameters, the layer, and the weights and bias of the readout."""
        kinds = {"elman": "SimpleRNNBuilder", "gru": "GRUBuilder", "lstm": "CompactVanillaLSTMBuilder"}
        memory = self.dynet.ParameterCollection()
        layer = getattr(self.dynet, kinds[cell])(1, inputs, units, memory)
        return memory, layer, memory.add_parameters((outputs, units)), memory.add_parameters(outputs)

    def trainer(self, cell, units):
        """A function that trains for an epoch and returns its mean loss; it goes on learning from round to round."""
        dy, windows = self.dynet, self.steps // WINDOW
        memory, layer, weights, bias = self.modules(cell, units)
        trainer = dy.SimpleSGDTrainer(memory, LR)
        trainer.set_clip_threshold(0.0)  # as fastrnn: DyNet clips unless it is told not to
        x, y = (values.reshape(windows, 1, WINDOW) for values in data(self.steps))
        inputs = x[:, 0].tolist()

        def run():
            state, total = (), 0.0
            for window, targets in zip(inputs, y, strict=True):
                dy.renew_cg()
                start = layer.initial_state([dy.inputTensor(value) for value in state] or None)
                steps = start.add_inputs([dy.scalarInput(value) for value in window])
                hidden = dy.concatenate_cols([step.output() for step in steps])  # one readout for the window
                outputs = dy.colwise_add(weights * hidden, bias)
                loss = dy.squared_distance(outputs, dy.inputTensor(targets)) * (0.5 / WINDOW)
                total += loss.value()
                state = [value.npvalue() for value in steps[-1].s()]
                loss.backward()
                trainer.update()
            return total / windows

        run.memory = memory  # DyNet itself does not keep it
        run.weights = sum(math.prod(p.shape()) for p in memory.parameters_list())
        return run


class ONNXRuntime:
    """The operators RNN, GRU and LSTM, a step a call, the state carried on. They are float32: there is no float64."""

    name = "ONNX Runtime, float32"
    exact = False

    def __init__(self):
        self.onnx = pytest.importorskip("onnx")
        self.runtime = pytest.importorskip("onnxruntime")

    def stepper(self, cell, units):
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        p = {n: numpy.asarray(view, "f4") for n, view in Fastrnn().network(cell, units).parameters.items()}
        # ONNX orders the gates of a GRU z, r, n and those of an LSTM i, o, f, g.
        order = {"elman": [0], "gru": [1, 0, 2], "lstm": [0, 3, 1, 2]}[cell]

        def gates(value):
            return numpy.concatenate([value[k * units : (k + 1) * units] for k in order])

        bias = numpy.zeros(2 * len(order) * units, "f4")
        bias[: len(order) * units] = gates(p["b_hidden"])
        if cell == "gru":
            bias[5 * units :] = p["b_hidden_hidden"]
        tensors = {
            "w": gates(p["w_input_hidden"])[None],
            "r": gates(p["w_hidden_hidden"])[None],
            "b": bias[None],
            "wo": p["w_hidden_output"].T.copy(),
            "bo": p["b_output"],
            "flat": numpy.array([1, units], "i8"),
        }
        states = ["h", "c"] if cell == "lstm" else ["h"]
        options = {"hidden_size": units} | ({"linear_before_reset": 1} if cell == "gru" else {})
        operator = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}[cell]
        nodes = [
            helper.make_node(operator, ["x", "w", "r", "b", "", *states], ["", *(s + "1" for s in states)], **options),
            helper.make_node("Reshape", ["h1", "flat"], ["rows"]),
            helper.make_node("MatMul", ["rows", "wo"], ["sums"]),
            helper.make_node("Add", ["sums", "bo"], ["y"]),
        ]

        def info(name, shape):
            return helper.make_tensor_value_info(name, kinds.FLOAT, shape)

        graph = helper.make_graph(
            nodes,
            "step",
            [info("x", [1, 1, 1]), *(info(s, [1, 1, units]) for s in states)],
            [info("y", [1, 1]), *(info(s + "1", [1, 1, units]) for s in states)],
            [self.onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        settings = self.runtime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        session = self.runtime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        x = numpy.zeros((1, 1, 1), "f4")
        feed = {"x": x, **{s: numpy.zeros((1, 1, units), "f4") for s in states}}

        def step(value):
            x[0, 0, 0] = value
            y, *after = session.run(None, feed)
            feed.update(zip(states, after, strict=True))
            return float(y[0, 0])

        return step


class Numba:
    """An Elman network learning online: njit with fastmath, units as the inner loop over transposed weights."""

    name = "Numba, fastmath"
    exact = False
    steps = STEPS

    def __init__(self):
        numba = pytest.importorskip("numba")

        @numba.njit(fastmath=True, error_model="numpy")
        def train(w_in, w_t, b, w_out, b_out, lr, inputs, targets):
            units = len(b)
            h, after, delta = numpy.zeros(units), numpy.empty(units), numpy.empty(units)
            total = 0.0
            for t in range(len(inputs)):
                x = inputs[t]
                for i in range(units):
                    after[i] = b[i] + w_in[i] * x
                for j in range(units):
                    value = h[j]
                    row = w_t[j]
                    for i in range(units):
                        after[i] += row[i] * value
                output = b_out
                for i in range(units):
                    after[i] = math.tanh(after[i])
                for i in range(units):
                    output += w_out[i] * after[i]
                error = output - targets[t]
                total += error * error
                for i in range(units):
                    delta[i] = lr * (error * w_out[i] * (1.0 - after[i] * after[i]))
                for i in range(units):
                    w_out[i] -= lr * error * after[i]
                    b[i] -= delta[i]
                    w_in[i] -= delta[i] * x
                b_out -= lr * error
                for j in range(units):
                    value = h[j]
                    row = w_t[j]
                    for i in range(units):
                        row[i] -= delta[i] * value
                h, after = after, h
            return total, b_out

        self.train = train

    def trainer(self, cell, units, window):
        assert (cell, window) == ("elman", 1)
        p = {n: numpy.asarray(view).copy() for n, view in Fastrnn().network(cell, units).parameters.items()}
        x, y = data(self.steps)

        def run():
            w_in, b, w_out = p["w_input_hidden"].ravel().copy(), p["b_hidden"].copy(), p["w_hidden_output"][0].copy()
            w_t = p["w_hidden_hidden"].T.copy()
            return *self.train(w_in, w_t, b, w_out, p["b_output"][0], LR, x, y), w_in, w_t, b, w_out

        def numbers():
            total, b_out, *values = run()
            return summary(total / 2 / len(x), [*values, b_out])

        run.numbers = numbers
        return run
