# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=True
# cython: embedsignature=True, embedsignature.format=clinic, binding=False
"""The compiled core: fastrnn's loops, in C.

Its twin is _fallback.py: the same names in the same order and, line for line, the same arithmetic, so that both give
the same bits. _core.pyi is the boundary of both. The functions for one step come first, the loops over time after them.
This file holds what crosses the boundary, and SimpleRNN. RNN is in the rooms included at the end, lowest floor first:
a room uses only what those before it hold. _compiled/cells.pxi has its twin in _plain/cells.py, and so on.

The loops run on C doubles without the GIL, and come back to Python every BLOCK steps so that Ctrl-C is heard. The bits
depend on the compiler's flags too: see setup.py.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear, PyErr_Occurred
from cpython.ref cimport PyObject
from libc.math cimport INFINITY, NAN, copysign, exp, fabs, floor, isfinite, sqrt
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from types import MappingProxyType
from _thread import get_ident

from fastrnn._checks import check_length, check_list, diverged, not_negative, number
from fastrnn._kinds import Spec


cdef extern from "Python.h":
    # Python's own functions on borrowed pointers: counting references would double the cost of an element.
    bint is_float "PyFloat_Check"(PyObject*) nogil
    bint is_exact_float "PyFloat_CheckExact"(PyObject*) nogil
    bint is_int "PyLong_Check"(PyObject*) nogil
    double float_value "PyFloat_AS_DOUBLE"(PyObject*) nogil
    double int_value "PyLong_AsDouble"(PyObject*)
    const Py_ssize_t PY_SSIZE_T_MAX
    PyObject* list_item "PyList_GET_ITEM"(PyObject*, Py_ssize_t) nogil


cdef extern from *:
    """
    #include <float.h>              /* 1 and 16 say that narrower types than double are computed otherwise */
    #if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1 && FLT_EVAL_METHOD != 16
    #error "Doubles would be computed in wider registers (x87), which give other numbers than Python"
    #endif
    #ifdef _MSC_VER
    #pragma fp_contract(off)        /* for what setup.py tells other compilers by an option */
    #endif
    """
    ctypedef double* out_t "double *__restrict"     # to what nothing else in the function points


stops = {}      # of threads that another may want to stop: by thread, an int64 buffer, with 1 for yes


cdef int check_signals() except -1:
    """KeyboardInterrupt after Ctrl-C, or where another thread wants this one to stop."""
    PyErr_CheckSignals()
    flag = stops.get(get_ident())
    if flag is not None and flag[0]:
        raise KeyboardInterrupt
    return 0


cdef enum:
    BLOCK = 1 << 20     # steps from one look at Ctrl-C to the next: some 0.05 s of training
    EPOCHS = 1 << 16    # epochs likewise, where sequences are short: their losses wait in 512 kB


# ---- what crosses the boundary: numbers and float64 buffers ----

@cython.final
@cython.internal
cdef class Buffer:
    """A contiguous buffer of float64 ("d") or int64 ("q"), held for as long as this object lives."""
    cdef Py_buffer view

    def __cinit__(self, buffer, int flags=0, bytes form=b"d"):
        PyObject_GetBuffer(buffer, &self.view, PyBUF_ND | PyBUF_FORMAT | flags)
        if self.view.format != form:
            raise ValueError(f"a buffer of format {form} is needed, not of {self.view.format}")

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    cdef Py_ssize_t length(self) noexcept:
        return self.view.len // <Py_ssize_t> sizeof(double)

    cdef int hold_to(self, Py_ssize_t length, Py_ssize_t width=1) except -1:
        """To `length` times `width` numbers, a product that can be too large for a Py_ssize_t."""
        if self.length() % width != 0 or self.length() // width != length:
            raise ValueError(f"a buffer of {<object> length * width} numbers is needed, not of {self.length()}")
        return 0


cdef inline double plain(PyObject* value) noexcept:
    """A float or an int as a double; NaN for anything else, and for an int too large."""
    cdef double result
    if is_exact_float(value):
        return float_value(value)
    if is_int(value):
        result = int_value(value)
        if result == -1.0 and PyErr_Occurred():
            PyErr_Clear()
            return NAN
        return result
    if is_float(value):         # last: to tell a subclass of float takes longer than all the rest
        return float_value(value)
    return NAN


cdef inline double finite(object value, str name) except? -1.0:
    """`value` as a double, or an error that names it."""
    cdef double result = plain(<PyObject*> value)
    return result if isfinite(result) else number(value, name)


def copy_numbers(list values not None, Py_ssize_t start, Py_ssize_t stop, out, /):
    """Copy finite floats and ints, from `start` up to `stop`, to the same positions of the float64 buffer `out`.

    Returns the position of the first value that is something else and was not copied, or `stop`.
    """
    cdef Buffer target = Buffer(out, PyBUF_WRITABLE)
    cdef double* doubles = <double*> target.view.buf
    cdef double value
    cdef Py_ssize_t i
    with cython.critical_section(values):       # nothing in here runs Python code that could change the list
        target.hold_to(len(values))
        if not 0 <= start <= stop <= target.length():
            raise IndexError(f"{start} to {stop} is not within {target.length()} numbers")
        for i in range(start, stop):
            value = plain(list_item(<PyObject*> values, i))
            if not isfinite(value):
                return i
            doubles[i] = value
    return stop


cdef bint all_finite(const double* values, Py_ssize_t length) noexcept nogil:
    """0.0 times infinity or NaN is NaN. Four vectors of sums and no early way out: as fast as values can be read."""
    cdef vector_t sums[4]
    cdef double total = 0.0
    cdef Py_ssize_t i = 0, k
    for k in range(4):
        sums[k] = NOTHING
    while i + 4 * VECTOR <= length:
        for k in range(4):
            sums[k] = sums[k] + (<const vector_t*> (values + i))[k] * 0.0
        i += 4 * VECTOR
    sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3])
    for k in range(VECTOR):
        total += (<double*> sums)[k]
    for i in range(i, length):
        total += values[i] * 0.0
    return total == 0.0


def is_aligned(values, /):
    """Whether a float64 buffer starts where the CPU wants doubles to start."""
    cdef Buffer source = Buffer(values)
    return <size_t> source.view.buf % sizeof(double) == 0


def find_not_finite(values, /):
    """The position of the first NaN or infinity in a float64 buffer, or -1."""
    cdef Buffer source = Buffer(values)
    cdef const double* doubles = <const double*> source.view.buf
    cdef Py_ssize_t start, i, block, length = source.length()
    cdef bint good
    for start in range(0, length, BLOCK):
        block = min(BLOCK, length - start)
        with nogil:
            good = all_finite(doubles + start, block)
        if not good:
            for i in range(start, start + block):
                if not isfinite(doubles[i]):
                    return i
        check_signals()
    return -1


cdef bint all_within(Py_ssize_t length, const double* values, const double* weights, double low,
                     double high) noexcept nogil:
    """Whether all are where `weights` is NULL or not 0. No early way out, so that the compiler makes vectors of it."""
    cdef bint good = True
    cdef Py_ssize_t i
    if weights == NULL:
        for i in range(length):
            good &= (values[i] >= low) & (values[i] <= high)
    else:
        for i in range(length):
            good &= (values[i] >= low) & (values[i] <= high) | (weights[i] == 0.0)
    return good


def find_bad_target(targets, weights, Py_ssize_t width, double low, double high, bint whole, /):
    """The position of the first number in a float64 buffer that is not within [low, high], as NaN never is, or -1.

    weights: None, or a buffer of one for every `width` numbers, which are not looked at where it is 0. whole: nor may a
    number have a fraction.
    """
    cdef Buffer source = Buffer(targets), of_rows
    cdef const double* values = <const double*> source.view.buf
    cdef const double* weight = NULL
    cdef Py_ssize_t rows = source.length(), start, stop, block, row, i, found = -1
    if weights is None:
        width = 1
    else:
        if width < 1:
            raise ValueError("a target has no numbers")
        of_rows = Buffer(weights)
        weight = <const double*> of_rows.view.buf
        rows = of_rows.length()
        source.hold_to(rows, width)
    block = max(1, BLOCK // width)
    for start in range(0, rows, block):
        stop = min(rows, start + block)
        with nogil:
            if whole or width > 1 or not all_within(stop - start, values + start, weight + start if weight else NULL,
                                                    low, high):
                for row in range(start, stop):
                    if weight != NULL and weight[row] == 0.0:
                        continue
                    for i in range(row * width, row * width + width):
                        if not low <= values[i] <= high or whole and values[i] != floor(values[i]):
                            found = i
                            break
                    if found >= 0:
                        break
        if found >= 0:
            break
        check_signals()
    return found


def round_probabilities(probabilities, out, /):
    """Write 1 to the int64 buffer `out` where a probability is above one half, else 0: Python's round(p)."""
    cdef Buffer source = Buffer(probabilities), target = Buffer(out, PyBUF_WRITABLE, b"q")
    cdef const double* p = <const double*> source.view.buf
    cdef int64_t* rounded = <int64_t*> target.view.buf
    cdef Py_ssize_t start, i, length = source.length()
    target.hold_to(length)
    for start in range(0, length, BLOCK):
        with nogil:
            for i in range(start, min(length, start + BLOCK)):
                rounded[i] = p[i] > 0.5
        check_signals()


def choose_classes(probabilities, Py_ssize_t classes, out, /):
    """Write the likeliest of `classes` to the int64 buffer `out`, for each row of probabilities."""
    cdef Buffer source = Buffer(probabilities), target = Buffer(out, PyBUF_WRITABLE, b"q")
    cdef const double* p = <const double*> source.view.buf
    cdef int64_t* chosen = <int64_t*> target.view.buf
    cdef Py_ssize_t start, i, length = target.length()
    if classes < 1:
        raise ValueError("there are no classes")
    source.hold_to(length, classes)
    for start in range(0, length, (BLOCK >> 6)):
        with nogil:
            for i in range(start, min(length, start + (BLOCK >> 6))):
                chosen[i] = likeliest(classes, p + i * classes)
        check_signals()


# ---- SimpleRNN, one step ----

cdef struct State:
    double w_input_hidden
    double w_hidden_hidden
    double w_hidden_output
    double b_hidden
    double b_output
    double hidden_state


cdef inline double sigmoid(double a) noexcept nogil:
    return 1.0 / (1.0 + exp(-a))


cdef inline double predict_step(State* state, double x) noexcept nogil:
    """Move the hidden state on by one step; returns the probability."""
    state.hidden_state = sigmoid(state.w_input_hidden * x + state.w_hidden_hidden * state.hidden_state
                                 + state.b_hidden)
    return sigmoid(state.w_hidden_output * state.hidden_state + state.b_output)


cdef inline double learn_step(State* state, double lr, double x, double target) noexcept nogil:
    """One step of online gradient descent on half the squared error, truncated to one step back (Elman 1990).

    Returns the probability before the update, or NaN where the update is not finite: then the state stays as it was.
    """
    cdef double hidden, probability, error, d_output, d_hidden
    cdef State after
    hidden = sigmoid(state.w_input_hidden * x + state.w_hidden_hidden * state.hidden_state + state.b_hidden)
    probability = sigmoid(state.w_hidden_output * hidden + state.b_output)
    error = probability - target
    d_output = error * (probability * (1.0 - probability))
    d_hidden = d_output * state.w_hidden_output * (hidden * (1.0 - hidden))
    after.w_hidden_output = state.w_hidden_output - lr * d_output * hidden
    after.b_output = state.b_output - lr * d_output
    after.w_input_hidden = state.w_input_hidden - lr * d_hidden * x
    after.w_hidden_hidden = state.w_hidden_hidden - lr * d_hidden * state.hidden_state
    after.b_hidden = state.b_hidden - lr * d_hidden
    after.hidden_state = hidden
    # With any weight at infinity or NaN their sum is not finite; where it is not, look at each.
    if not isfinite(after.w_input_hidden + after.w_hidden_hidden + after.w_hidden_output
                    + after.b_hidden + after.b_output) and not (
        isfinite(after.w_input_hidden)
        and isfinite(after.w_hidden_hidden)
        and isfinite(after.w_hidden_output)
        and isfinite(after.b_hidden)
        and isfinite(after.b_output)
    ):
        return NAN
    state[0] = after
    return probability


# ---- SimpleRNN, over time ----

cdef Py_ssize_t train_steps(State* state, double lr, const double* inputs, const double* targets,
                            Py_ssize_t start, Py_ssize_t stop, double* loss) noexcept nogil:
    """Train on the steps from `start` to `stop` and add their squared errors to `loss`.

    Returns `stop`, or the step whose update is not finite; state and loss are then as they were before it.
    """
    cdef State s = state[0]         # a local copy may live in registers
    cdef double total = loss[0], probability, error
    cdef Py_ssize_t step = start
    while step < stop:
        probability = learn_step(&s, lr, inputs[step], targets[step])
        if probability != probability:
            break
        error = probability - targets[step]
        total += error * error
        step += 1
    state[0] = s
    loss[0] = total
    return step


cdef void predict_steps(State* state, const double* inputs, Py_ssize_t start, Py_ssize_t stop,
                        double* probabilities, double* states) noexcept nogil:
    """Write the probabilities of the steps from `start` to `stop`, and the hidden states; either may be NULL."""
    cdef State s = state[0]
    cdef double probability
    cdef Py_ssize_t step
    for step in range(start, stop):
        probability = predict_step(&s, inputs[step])
        if probabilities:
            probabilities[step] = probability
        if states:
            states[step] = s.hidden_state
    state[0] = s


cdef class SimpleRNNCore:
    """The numbers of a SimpleRNN and all that is done to them. fastrnn.SimpleRNN is the class to use."""
    cdef State state
    cdef double learning_rate

    @property
    def w_input_hidden(self):
        """Weight from the input to the hidden unit."""
        return self.state.w_input_hidden

    @w_input_hidden.setter
    def w_input_hidden(self, value):
        self.state.w_input_hidden = finite(value, "w_input_hidden")

    @property
    def w_hidden_hidden(self):
        """Weight from the hidden unit to itself, one step later."""
        return self.state.w_hidden_hidden

    @w_hidden_hidden.setter
    def w_hidden_hidden(self, value):
        self.state.w_hidden_hidden = finite(value, "w_hidden_hidden")

    @property
    def w_hidden_output(self):
        """Weight from the hidden unit to the output."""
        return self.state.w_hidden_output

    @w_hidden_output.setter
    def w_hidden_output(self, value):
        self.state.w_hidden_output = finite(value, "w_hidden_output")

    @property
    def b_hidden(self):
        """Bias of the hidden unit."""
        return self.state.b_hidden

    @b_hidden.setter
    def b_hidden(self, value):
        self.state.b_hidden = finite(value, "b_hidden")

    @property
    def b_output(self):
        """Bias of the output."""
        return self.state.b_output

    @b_output.setter
    def b_output(self, value):
        self.state.b_output = finite(value, "b_output")

    @property
    def hidden_state(self):
        """The hidden unit's value after the last step, a sigmoid's: from 0.0, when fresh, to 1.0."""
        return self.state.hidden_state

    @hidden_state.setter
    def hidden_state(self, value):
        cdef double hidden_state = finite(value, "hidden_state")
        if not 0.0 <= hidden_state <= 1.0:
            raise ValueError(f"hidden_state must be from 0 to 1, as a sigmoid is, and it is {hidden_state!r}")
        self.state.hidden_state = hidden_state

    @property
    def lr(self):
        """Learning rate: finite and not negative."""
        return self.learning_rate

    @lr.setter
    def lr(self, value):
        self.learning_rate = not_negative(value, "lr")

    def reset(self):
        """Start a new sequence: hidden_state goes back to 0.0. The weights stay."""
        self.state.hidden_state = 0.0

    def step(self, x, /):
        """Take one input (a finite number) and return the probability that the next value is 1, a float.

        hidden_state is carried on from call to call: from a fresh state, a loop of step() is predict_proba().
        """
        cdef double x_value = finite(x, "x")
        return predict_step(&self.state, x_value)

    def learn(self, x, target, /):
        """Take one input and its target (finite numbers), and learn from them; return the probability before that.

        hidden_state is carried on from call to call: from a fresh state, a loop of learn() over a sequence is one
        epoch of train(), bit for bit. OverflowError where the update is not finite; then nothing has changed.
        """
        cdef double x_value = finite(x, "x"), target_value = finite(target, "target")
        cdef double probability = learn_step(&self.state, self.learning_rate, x_value, target_value)
        if probability != probability:
            raise diverged("", self.learning_rate)
        return probability

    def _train(self, inputs, targets, Py_ssize_t epochs, losses, report, /):
        """Train on two float64 buffers of one length, and append each epoch's total loss to `losses`.

        report(epoch, loss) is called after the epochs 0, 10, 20, ..., unless it is None. OverflowError where an update
        is not finite; then, after Ctrl-C and after an error in report(), the state is the one after the last step.
        """
        cdef Buffer x = Buffer(inputs), y = Buffer(targets)
        cdef Buffer scratch = Buffer(memoryview(bytearray(8 * min(epochs, EPOCHS))).cast("d"))
        cdef const double* x_values = <const double*> x.view.buf
        cdef const double* y_values = <const double*> y.view.buf
        cdef double* done_losses = <double*> scratch.view.buf
        cdef State state = self.state
        cdef double lr = self.learning_rate, loss = 0.0, hidden_state = state.hidden_state
        cdef Py_ssize_t length = x.length(), epoch = 0, step = 0, stop = 0, first, until, left, i
        y.hold_to(length)
        check_list(losses, "losses")
        while epoch < epochs:
            first = epoch
            until = min(epochs, first + EPOCHS)
            if report is not None:
                until = min(until, (first + 9) // 10 * 10 + 1)
            left = BLOCK
            if step == 0:       # an epoch begins: what Python code has written since the last one counts
                state, lr = self.state, self.learning_rate
            with nogil:
                while epoch < until and left > 0:
                    if step == 0:
                        hidden_state = state.hidden_state
                        state.hidden_state = 0.0
                        loss = 0.0
                    stop = min(length, step + left)
                    left -= stop - step
                    step = train_steps(&state, lr, x_values, y_values, step, stop, &loss)
                    if step < stop:
                        break
                    if step == length:
                        done_losses[epoch - first] = loss
                        epoch += 1
                        step = stop = 0
            if step < stop and step == 0:       # not even the first step of an epoch is complete
                state.hidden_state = hidden_state
            self.state = state
            for i in range(epoch - first):
                losses.append(done_losses[i])
            if step < stop:
                raise diverged(f" at epoch {epoch}, step {step}", lr)
            if report is not None and epoch > first and epoch % 10 == 1:
                report(epoch - 1, loss)
            check_signals()

    def _predict(self, inputs, probabilities, states, /):
        """Run over a float64 buffer from a fresh state; write the probabilities and hidden states of all steps.

        `probabilities` or `states`, buffers of the same length, may be None. The network does not change.
        """
        cdef Buffer x = Buffer(inputs), p, h
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* p_values = NULL
        cdef double* h_values = NULL
        cdef State state = self.state
        cdef Py_ssize_t length = x.length(), start
        if probabilities is not None:
            p = Buffer(probabilities, PyBUF_WRITABLE)
            p.hold_to(length)
            p_values = <double*> p.view.buf
        if states is not None:
            h = Buffer(states, PyBUF_WRITABLE)
            h.hold_to(length)
            h_values = <double*> h.view.buf
        state.hidden_state = 0.0
        for start in range(0, length, BLOCK):
            with nogil:
                predict_steps(&state, x_values, start, min(length, start + BLOCK), p_values, h_values)
            check_signals()


# ---- RNN: the rooms, lowest floor first ----

include "_compiled/functions.pxi"
include "_compiled/vectors.pxi"
include "_compiled/sums.pxi"
include "_compiled/layout.pxi"
include "_compiled/network.pxi"
include "_compiled/data.pxi"
include "_compiled/scales.pxi"
include "_compiled/cells.pxi"
include "_compiled/outputs.pxi"
include "_compiled/window.pxi"
include "_compiled/optimizers.pxi"
include "_compiled/online.pxi"
include "_compiled/measuring.pxi"
include "_compiled/batches.pxi"
include "_compiled/in_lanes.pxi"
include "_compiled/abreast.pxi"
include "_compiled/learning.pxi"
include "_compiled/running.pxi"
include "_compiled/body.pxi"
include "_compiled/rnn.pxi"
include "_compiled/many.pxi"
