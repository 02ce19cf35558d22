"""Many networks, and batches, as a C sketch and as what a user would pick instead, each as fast as we know how.

A task is networks of one kind, each with a sequence of its own, or one network and a batch of sequences. All start from
fastrnn's weights, learn by full backpropagation through time and Adam, and are compiled before their time starts.
"""

import ctypes
import importlib.util
from functools import cache, partial
from pathlib import Path

import numpy

from bench import rnn_rows
from bench.rows import compiled
from bench.turns import in_turn

CELLS = rnn_rows.CELLS
INPUTS, CLASSES = 3, 2
LR = 0.01  # fastrnn's default
COUNTS, UNROLLS = (32, 256, 1_024), (1, 2, 4)  # of JAX: which is fastest differs from row to row
draw = numpy.random.default_rng(0)


def sequences(count, steps):
    """Inputs and classes to tell."""
    return draw.normal(size=(count, steps, INPUTS)), draw.integers(0, CLASSES, (count, steps))


def confirm(found, expected, tolerance=1e-9):
    numpy.testing.assert_allclose(numpy.asarray(found), numpy.asarray(expected), rtol=tolerance)


def arrays(network):
    return {name: numpy.array(view) for name, view in network.parameters.items()}


# ---- the limit ----


class Limit:
    """limit_lanes.c for a level of x86-64."""

    class Sizes(ctypes.Structure):
        _fields_ = [(name, ctypes.c_int) for name in ("cell", "units", "inputs", "classes")]

    def __init__(self, level):
        self.library = compiled(Path(__file__).with_name("limit_lanes.c"), f"-march=x86-64-{level}")
        self.lanes = self.library.lanes()

    def passes(self, networks, x, y):
        """A function that makes `count` passes over the first networks, and the gradients and probabilities it gave."""
        networks, steps = networks[: self.lanes], x.shape[1]
        of = self.Sizes(CELLS.index(networks[0].cell), networks[0].hidden_size, INPUTS, CLASSES)
        memory = aligned(numpy.stack([flat(arrays(network)) for network in networks], -1))
        tape = aligned(numpy.zeros((steps + 1, self.library.row_size(ctypes.byref(of)), self.lanes)))
        tape[:, 0] = 1.0
        tape[:-1, 1 : 1 + INPUTS] = x[: self.lanes].transpose(1, 2, 0)
        targets = numpy.ascontiguousarray(y[: self.lanes].T, "i4")
        result = aligned(numpy.zeros(memory.shape))

        def run(count=1, learning=True):
            where = [array.ctypes.data_as(ctypes.c_void_p) for array in (memory, tape, targets, result)]
            self.library.passes(
                ctypes.byref(of), *where[:2], ctypes.c_ssize_t(steps), where[2], where[3] if learning else None, count
            )
            return result, tape[:-1, -CLASSES:]

        # The same arithmetic: the same bits.
        for lane, network in enumerate(networks):
            expected = {name: numpy.array(view) for name, view in network.gradients(x[lane], y[lane])[1].items()}
            assert (run()[0][:, lane] == flat(expected)).all()
            assert (run(learning=False)[1][:, :, lane] == network.predict_proba(x[lane])).all()
        return run


def flat(p):
    """Parameters in the order of limit_lanes.c."""
    gates = numpy.column_stack([p["b_hidden"], p["w_input_hidden"]])
    own = p.get("b_hidden_hidden", numpy.empty(0))
    rest = p["w_hidden_hidden"].ravel(), own, p["w_hidden_output"].ravel(), p["b_output"]
    return numpy.concatenate([gates.ravel(), *rest])


def aligned(array):
    """A copy that begins where a line of the cache does."""
    room = numpy.empty(array.nbytes + 64, "u1")
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@cache
def limits():
    """The levels that this CPU has."""
    words = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    return {level: Limit(level) for level, flag in (("v3", "avx2"), ("v4", "avx512vl")) if flag in words}


# ---- JAX ----


class JAX(rnn_rows.JAX):
    """jit of value_and_grad of lax.scan over the steps, in a lax.scan over the updates.

    Lanes are the first axis (vmap) or the last one, where sums of networks are written out as (w * x).sum(1), so that
    XLA's loops run over networks. Of a small batch it is faster to multiply inputs and outputs outside of the scan over
    the steps. Of networks that was measured too, and sums written out term by term, and took longer.
    """

    def losses(self, p, x, y, *, layout, **how):
        """The loss of each network. x: a row a step, of all lanes where they are the last axis."""
        if layout == "first":
            return self.jax.vmap(partial(self.loss, **how), (None, 0, 0))(p, x, y).mean()
        if layout in ("last", "outside"):
            return self.loss(p, x, y, **how, bias=lambda b: b[:, None], outside=layout == "outside").mean()
        return self.loss(p, x, y, **how, **self.product(layout))

    def product(self, layout):
        return {"product": lambda w, v: (w * v[None]).sum(1)} if layout == "networks last" else {}

    def outputs(self, p, x, *, cell, unroll, outside=False, **how):
        """The sums of the output layer, a row a step. outside: of the scan inputs and outputs are multiplied."""
        units, whole = p["w_hidden_output"].shape[1], p
        fresh = self.fresh(cell, units, *x.shape[2:])
        if outside:
            x = p["w_input_hidden"] @ x + p["b_hidden"][:, None]
            p = p | {"w_input_hidden": None, "w_hidden_output": None, "b_hidden": None, "b_output": None}
            how = {
                "product": lambda w, v: v if w is None else w @ v,
                "bias": lambda b: 0.0 if b is None else b[:, None],
            }
        step = self.step(cell, units, **how)
        rows = self.jax.lax.scan(lambda state, row: step(p, state, row), fresh, x, unroll=unroll)[1]
        return whole["w_hidden_output"] @ rows + whole["b_output"][:, None] if outside else rows

    def loss(self, p, x, y, **how):
        logs = self.jax.nn.log_softmax(self.outputs(p, x, **how), 1)
        return -self.jax.numpy.take_along_axis(logs, y[:, None], 1).mean((0, 1))

    def fit(self, p, x, y, updates, **how):
        """The loss before each update, and what becomes of p: nothing that is computed is left unused."""
        jax, jnp = self.jax, self.jax.numpy

        def total(p):
            losses = self.losses(p, x, y, **how)
            return losses.sum(), losses

        def update(carry, _):
            p, m, v, t = carry
            (_, losses), g = jax.value_and_grad(total, has_aux=True)(p)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            ahead, scale = LR / (1 - 0.9**t), 1 / (1 - 0.999**t)
            p = jax.tree.map(lambda p, m, v: p - ahead * m / (jnp.sqrt(v * scale) + 1e-8), p, m, v)
            return (p, m, v, t), losses

        zeros = jax.tree.map(jnp.zeros_like, p)
        (p, *_), losses = jax.lax.scan(update, (p, zeros, zeros, 0.0), length=updates)
        return losses, p

    def trainers(self, networks, x, y):
        """By a description: (a function that trains, the networks times updates that it makes)."""
        for count in COUNTS:
            for last, layout in enumerate(("vmap", "networks last")):
                p, inputs, targets = self.lanes(networks, x, y, count, last)
                for unroll in UNROLLS:
                    how = {"cell": networks[0].cell, "layout": layout, "unroll": unroll}
                    fit = partial(self.fit, updates=COUNTS[-1] // count, **how)
                    run = self.jax.jit(fit if last else self.jax.vmap(fit, out_axes=(1, 0)))
                    yield note(count, last, unroll), partial(self.wait, run, p, inputs, targets), COUNTS[-1]

    def lanes(self, networks, x, y, count, last):
        """Parameters and data of so many networks, some of them there more than once."""
        which = numpy.arange(count) % len(networks)
        listed = [arrays(network) for network in networks]
        axis = -1 if last else 0
        p = {name: numpy.stack([listed[i][name] for i in which], axis) for name in listed[0]}
        if last:
            return self.put((p, x[which].transpose(1, 2, 0), y[which].T))
        return self.put((p, x[which], y[which]))

    def put(self, values):
        return self.jax.device_put(self.jax.tree.map(numpy.ascontiguousarray, values))

    def wait(self, run, *arguments):
        return self.jax.block_until_ready(run(*arguments))

    def batches(self, network, x, y, updates):
        for layout in ("first", "last", "outside"):
            data = (x, y) if layout == "first" else (x.transpose(1, 2, 0), y.T)
            p, inputs, targets = self.put((arrays(network), *data))
            for unroll in UNROLLS:
                how = {"cell": network.cell, "layout": layout, "unroll": unroll}
                run = self.jax.jit(partial(self.fit, updates=updates, **how))
                yield f"{layout}, by {unroll}", partial(self.wait, run, p, inputs, targets), updates

    def predictors(self, networks, x, y):
        jax, cell = self.jax, networks[0].cell
        for count in COUNTS:
            for last, layout in enumerate(("vmap", "networks last")):
                p, inputs, _ = self.lanes(networks, x, y, count, last)
                for unroll in UNROLLS:
                    sums = partial(self.outputs, cell=cell, unroll=unroll, **self.product(layout))
                    sums = sums if last else jax.vmap(sums)
                    run = jax.jit(lambda p, x, sums=sums, axis=2 - last: jax.nn.softmax(sums(p, x), axis))
                    yield note(count, last, unroll), partial(self.wait, run, p, inputs), count

    def online(self, networks, x, y):
        """An update a step by its own squared error, networks as the last axis."""
        jax, jnp = self.jax, self.jax.numpy
        units, which = networks[0].hidden_size, numpy.arange(len(networks))
        p, inputs, _ = self.lanes(networks, x, y, len(networks), True)
        targets = self.put(y.T)
        step = self.step("elman", units, **self.product("networks last"))

        def one(carry, row):
            p, h, total = carry

            def loss_of(p):
                after, sums = step(p, h, row[0])
                loss = 0.5 * ((sums[0] - row[1]) ** 2)
                return loss.sum(), (after, loss)

            g, (after, loss) = jax.grad(loss_of, has_aux=True)(p)
            return (jax.tree.map(lambda p, g: p - LR * g, p, g), after, total + loss), None

        for unroll in UNROLLS:

            @jax.jit
            def run(p, x, y, unroll=unroll):
                start = p, jnp.zeros((units, len(which))), jnp.zeros(len(which))
                (p, _, total), _ = jax.lax.scan(one, start, (x, y), unroll=unroll)
                return total / len(x), p

            yield f"by {unroll}", partial(self.wait, run, p, inputs, targets), len(networks)


def note(count, last, unroll):
    return f"{'last axis' if last else 'vmap'} of {count:,}, by {unroll}"


# ---- PyTorch, DyNet ----


class PyTorch(rnn_rows.PyTorch):
    """torch.nn.RNN, GRU or LSTM and Linear, autograd, fused Adam."""

    def trainer(self, network, x, y, dtype):
        """A function that makes an update from all of x, of one network, and returns the loss before."""
        torch, units, cell = self.torch, network.hidden_size, network.cell
        kind = getattr(torch, dtype)
        layer, readout = (module.to(kind) for module in self.modules(cell, units, network=network))
        if cell != "gru":  # the second bias of a gate: what it learns belongs to the first
            layer.bias_hh_l0.requires_grad_(False)
        learning = [p for p in (*layer.parameters(), *readout.parameters()) if p.requires_grad]
        optimizer = torch.optim.Adam(learning, lr=LR, fused=True)
        inputs = torch.tensor(x.transpose(1, 0, 2), dtype=kind).contiguous()
        targets = torch.tensor(y.T).contiguous().flatten()

        def run():
            loss = torch.nn.functional.cross_entropy(readout(layer(inputs)[0]).view(-1, CLASSES), targets)
            optimizer.zero_grad()
            loss.backward()
            if cell == "gru":
                layer.bias_hh_l0.grad[: 2 * units] = 0.0
            optimizer.step()
            return loss.detach()

        return run

    def trainers(self, network, x, y):
        for dtype in ("float32", "float64"):
            yield dtype, self.trainer(network, x, y, dtype), 1


class DyNet(rnn_rows.DyNet):
    """Its own builders and Adam, in float32."""

    def trainers(self, network, x, y):
        dy = self.dynet
        memory, builder, weights, bias = self.modules(network.cell, network.hidden_size, INPUTS, CLASSES)
        trainer = dy.AdamTrainer(memory, LR)
        rows, classes = x[0].tolist(), y[0].tolist()

        def run():
            dy.renew_cg()
            hidden = builder.initial_state().transduce([dy.inputVector(row) for row in rows])
            losses = [
                dy.pickneglogsoftmax(dy.affine_transform([bias, weights, h]), k)
                for h, k in zip(hidden, classes, strict=True)
            ]
            loss = dy.esum(losses) / len(rows)
            loss.forward()
            loss.backward()
            trainer.update()
            return loss.value()

        run.memory = memory  # DyNet itself does not keep it
        yield "", run, 1


# ---- which of them are here ----


@cache
def peer(kind):
    """One of the classes above, or None where its package is not installed."""
    needs = {JAX: "jax", PyTorch: "torch", DyNet: "dynet"}[kind]
    return kind() if importlib.util.find_spec(needs) else None


def pick(forms, steps, most=3):
    """Of (name, function, what it counts) the few that are fastest a step: by name, (function, steps it makes).

    The first call compiles; of two more the faster one decides, and the few go on into the rounds of the table.
    """
    made = {name: (run, count * steps) for name, run, count in forms}
    for run, _ in made.values():
        run()
    times = in_turn({name: run for name, (run, _) in made.items()}, seconds=0.0, rounds=2)
    best = sorted(made, key=lambda name: times[name] / made[name][1])[:most]
    return {name: made[name] for name in best}
