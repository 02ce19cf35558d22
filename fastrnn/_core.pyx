# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=True
# cython: embedsignature=True, embedsignature.format=clinic, binding=False
"""The compiled core: fastrnn's loops, in C.

Its twin is _fallback.py: the same names in the same order and, line for line, the same arithmetic, so that both give
the same bits. _core.pyi is the boundary of both. The functions for one step come first, the loops over time after them.

The loops run on C doubles without the GIL, and come back to Python every BLOCK steps so that Ctrl-C is heard. The bits
depend on the compiler's flags too: see setup.py.
"""
cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear, PyErr_Occurred
from cpython.ref cimport PyObject
from libc.math cimport INFINITY, NAN, copysign, exp, fabs, isfinite, log, log1p, sqrt
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastrnn._checks import diverged, number


cdef extern from "Python.h":
    # Python's own functions on borrowed pointers: counting references would double the cost of an element.
    bint is_float "PyFloat_Check"(PyObject*) nogil
    bint is_exact_float "PyFloat_CheckExact"(PyObject*) nogil
    bint is_int "PyLong_Check"(PyObject*) nogil
    double float_value "PyFloat_AS_DOUBLE"(PyObject*) nogil
    double int_value "PyLong_AsDouble"(PyObject*)
    PyObject* list_item "PyList_GET_ITEM"(PyObject*, Py_ssize_t) nogil


cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__AVX__)
    typedef double fastrnn_lanes __attribute__((vector_size(32), aligned(8), may_alias));
    #elif defined(__GNUC__)
    typedef double fastrnn_lanes __attribute__((vector_size(16), aligned(8), may_alias));
    #else
    typedef double fastrnn_lanes;
    #endif
    """
    ctypedef double lanes_t "fastrnn_lanes"         # as many doubles as the CPU takes at once: 4, 2 or 1
    ctypedef double* out_t "double *__restrict"     # to what nothing else in the function points


cdef enum:
    BLOCK = 1 << 20     # steps from one look at Ctrl-C to the next: some 0.05 s of training
    EPOCHS = 1 << 16    # epochs likewise, where sequences are short: their losses wait in 512 kB
    WORK = 1 << 26      # products from one look at Ctrl-C to the next in an RNN: at most 0.05 s likewise
    PADDING = 4         # rows and columns of an RNN are padded to a multiple of this, the most lanes there are
    ROWS = 64           # steps that a prediction remembers at a time


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

    cdef int check_length(self, Py_ssize_t length) except -1:
        if self.length() != length:
            raise ValueError(f"a buffer of {length} numbers is needed, not of {self.length()}")
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
        target.check_length(len(values))
        if not 0 <= start <= stop <= target.length():
            raise IndexError(f"{start} to {stop} is not within {target.length()} numbers")
        for i in range(start, stop):
            value = plain(list_item(<PyObject*> values, i))
            if not isfinite(value):
                return i
            doubles[i] = value
    return stop


cdef bint all_finite(const double* values, Py_ssize_t length) noexcept nogil:
    """0.0 times infinity or NaN is NaN. Four sums and no early way out let the compiler make vectors of them."""
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
    cdef Py_ssize_t i
    for i in range(0, length - 3, 4):
        a += 0.0 * values[i]
        b += 0.0 * values[i + 1]
        c += 0.0 * values[i + 2]
        d += 0.0 * values[i + 3]
    for i in range(length - length % 4, length):
        a += 0.0 * values[i]
    return a + b + c + d == 0.0


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
        PyErr_CheckSignals()
    return -1


def round_probabilities(probabilities, out, /):
    """Write 1 to the int64 buffer `out` where a probability is above one half, else 0: Python's round(p)."""
    cdef Buffer source = Buffer(probabilities), target = Buffer(out, PyBUF_WRITABLE, b"q")
    cdef const double* p = <const double*> source.view.buf
    cdef int64_t* rounded = <int64_t*> target.view.buf
    cdef Py_ssize_t start, i, length = source.length()
    target.check_length(length)
    for start in range(0, length, BLOCK):
        with nogil:
            for i in range(start, min(length, start + BLOCK)):
                rounded[i] = p[i] > 0.5
        PyErr_CheckSignals()


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
                        double* probabilities) noexcept nogil:
    """Write the probabilities of the steps from `start` to `stop`."""
    cdef State s = state[0]
    cdef Py_ssize_t step
    for step in range(start, stop):
        probabilities[step] = predict_step(&s, inputs[step])
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
        cdef double lr = finite(value, "lr")
        if lr < 0.0:
            raise ValueError(f"lr must not be negative, and it is {lr!r}")
        self.learning_rate = lr

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

    def _train(self, inputs, targets, Py_ssize_t epochs, list losses not None, report, /):
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
        y.check_length(length)
        while epoch < epochs:
            first = epoch
            until = min(epochs, first + EPOCHS)
            if report is not None:
                until = min(until, (first + 9) // 10 * 10 + 1)
            left = BLOCK
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
            PyErr_CheckSignals()

    def _predict(self, inputs, probabilities, /):
        """Write the probabilities for a float64 buffer, from a fresh state, to another. The network does not change."""
        cdef Buffer x = Buffer(inputs), p = Buffer(probabilities, PyBUF_WRITABLE)
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* p_values = <double*> p.view.buf
        cdef State state = self.state
        cdef Py_ssize_t length = x.length(), start
        p.check_length(length)
        state.hidden_state = 0.0
        for start in range(0, length, BLOCK):
            with nogil:
                predict_steps(&state, x_values, start, min(length, start + BLOCK), p_values)
            PyErr_CheckSignals()


# ---- exp, tanh and sigmoid: plain double arithmetic, so that every core and vector width gives the same bits ----

cdef extern from *:
    """
    #define LOG2_E 1.4426950408889634           /* log2(e) */
    #define LN2_HIGH 6.93147180369123816490e-01 /* ln 2 to 33 bits: k * LN2_HIGH is exact (Cody, Waite 1980) */
    #define LN2_LOW 1.90821492927058770002e-10  /* the rest of ln 2 */
    #define ROUND 6755399441055744.0            /* 1.5 * 2^52: added, it rounds to an integer */
    #define EXP_LOW -746.0                      /* exp is 0.0 below, */
    #define EXP_HIGH 710.0                      /* and infinity above */
    #define TANH_ONE 22.0                       /* tanh is 1.0 above */
    #define TANH_LARGE 0.55                     /* where 1 - 2 / (exp(2x) + 1) becomes the more exact form */
    """
    const double LOG2_E, LN2_HIGH, LN2_LOW, ROUND, EXP_LOW, EXP_HIGH, TANH_ONE, TANH_LARGE


cdef union Bits:
    double number
    uint64_t bits


cdef inline double power_of_two(double k) noexcept nogil:
    """2^k for an integer k. Adding ROUND brings it to the last bits, from where it is shifted to the exponent's."""
    cdef Bits value
    value.number = k + ROUND
    value.bits = (value.bits + 1023) << 52
    return value.number


cdef inline double exp_tail(double r) noexcept nogil:
    """exp(r) - 1 - r for |r| <= ln(2) / 2: Taylor's polynomial to r^13 (the rest: below 5e-18), Estrin's scheme."""
    cdef double r2 = r * r
    cdef double r4 = r2 * r2
    cdef double r8 = r4 * r4
    cdef double a = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0))
    cdef double b = (1.0 / 720.0 + r * (1.0 / 5040.0)) + r2 * (1.0 / 40320.0 + r * (1.0 / 362880.0))
    cdef double c = (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + r2 * (1.0 / 479001600.0 + r * (1.0 / 6227020800.0))
    return r2 * ((a + r4 * b) + r8 * c)


cdef inline double fast_exp(double x) noexcept nogil:
    """exp(x) = 2^k * exp(r), with k the integer nearest to x / ln 2 and r = x - k * ln 2."""
    cdef double k, high, low, value, half
    x = EXP_LOW if x < EXP_LOW else x
    x = EXP_HIGH if x > EXP_HIGH else x
    k = (x * LOG2_E + ROUND) - ROUND
    high = x - k * LN2_HIGH
    low = k * LN2_LOW
    value = 1.0 + (high - (low - exp_tail(high - low)))
    half = (0.5 * k + ROUND) - ROUND    # in two steps, for 2^k alone can be too large or too small for a double
    return value * power_of_two(half) * power_of_two(k - half)


cdef inline double fast_sigmoid(double x) noexcept nogil:
    """1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)) below 0, and with the rounding of the denominator put right."""
    cdef double e = fast_exp(-fabs(x))
    cdef double denominator = 1.0 + e
    cdef double rest = e - (denominator - 1.0)
    cdef double value = (e if x < 0.0 else 1.0) / denominator
    return value - value * rest * (1.0 - value if x < 0.0 else value)


cdef inline double fast_tanh(double x) noexcept nogil:
    """tanh(x) = m / (m + 2) with m = exp(2x) - 1, exact to the last digits near 0 too; the same put otherwise above."""
    cdef double t = fabs(x)
    cdef double y, k, high, low, scale, m, denominator, rest, value
    t = TANH_ONE if t > TANH_ONE else t
    y = 2.0 * t
    k = (y * LOG2_E + ROUND) - ROUND
    high = y - k * LN2_HIGH
    low = k * LN2_LOW
    scale = power_of_two(k)
    m = scale * (high - (low - exp_tail(high - low))) + (scale - 1.0)
    denominator = m + 2.0
    rest = m - (denominator - 2.0)
    value = (m if t < TANH_LARGE else 2.0) / denominator
    return copysign(value - value * rest * (0.5 - 0.5 * value) if t < TANH_LARGE else 1.0 - value, x)


cdef void sigmoid_all(double* values, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = fast_sigmoid(values[i])


cdef void tanh_all(double* values, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = fast_tanh(values[i])


# ---- RNN: weights and sums ----
# Every sum runs in the order of its terms; what runs side by side, in vectors and registers, are different sums.

cdef inline void add_products_block(const double* start, const double* weights, Py_ssize_t stride, const double* vector,
                                    Py_ssize_t length, double* result, Py_ssize_t block) noexcept nogil:
    """`block` times lanes_t of add_products; inlined with a constant, so that the sums stay in registers."""
    cdef lanes_t sums[8]
    cdef const lanes_t* column
    cdef double value
    cdef Py_ssize_t i, k
    for i in range(block):
        sums[i] = (<const lanes_t*> start)[i]
    for k in range(length):
        column = <const lanes_t*> (weights + k * stride)
        value = vector[k]
        for i in range(block):
            sums[i] = sums[i] + column[i] * value
    for i in range(block):
        (<lanes_t*> result)[i] = sums[i]


cdef inline Py_ssize_t block_of(Py_ssize_t width) noexcept nogil:
    """How many sums to take at once where `width` are left to be done."""
    cdef Py_ssize_t lanes = sizeof(lanes_t) // sizeof(double)
    return lanes * (8 if width >= 8 * lanes else 4 if width >= 4 * lanes else 2 if width >= 2 * lanes else 1)


cdef void add_products(const double* start, const double* weights, Py_ssize_t stride, const double* vector,
                       Py_ssize_t length, double* result, Py_ssize_t width) noexcept nogil:
    """result[i] = start[i] + weights[0][i] * vector[0] + weights[1][i] * vector[1] + ..., for i up to `width`, padded.

    weights: `length` columns of a matrix, each `stride` doubles from the one before it, or packed if stride is 0. For
    the rows of a matrix this is the twin's add_transposed_products.
    """
    cdef Py_ssize_t i = 0, lanes = sizeof(lanes_t) // sizeof(double), block, step
    cdef const double* columns
    while i < width:
        block = block_of(width - i)
        step = stride if stride else block
        columns = weights + (i if stride else i * length)
        if block == 8 * lanes:
            add_products_block(start + i, columns, step, vector, length, result + i, 8)
        elif block == 4 * lanes:
            add_products_block(start + i, columns, step, vector, length, result + i, 4)
        elif block == 2 * lanes:
            add_products_block(start + i, columns, step, vector, length, result + i, 2)
        else:
            add_products_block(start + i, columns, step, vector, length, result + i, 1)
        i += block


cdef void pack(const double* columns, Py_ssize_t stride, Py_ssize_t length, Py_ssize_t width,
               double* packed) noexcept nogil:
    """Copy columns in the order in which add_products takes them: a large matrix is read faster so."""
    cdef Py_ssize_t i = 0, k, block
    while i < width:
        block = block_of(width - i)
        for k in range(length):
            memcpy(packed + i * length + k * block, columns + k * stride + i, block * sizeof(double))
        i += block


cdef void pack_rows(const double* columns, Py_ssize_t stride, Py_ssize_t length, Py_ssize_t width, Py_ssize_t size,
                    double* packed) noexcept nogil:
    """The same of the `length` rows of a matrix that lies in `size` columns, in tiles of a cache line's width."""
    cdef Py_ssize_t i = 0, j, k, tile, block
    while i < width:
        block = block_of(width - i)
        for tile in range(0, length, 8):
            for j in range(i, min(i + block, size)):
                for k in range(tile, min(tile + 8, length)):
                    packed[i * length + k * block + j - i] = columns[j * stride + k]
        i += block


cdef inline void sum_of_products_block(const double* rows, const double* columns, Py_ssize_t stride, Py_ssize_t steps,
                                       double* result, Py_ssize_t result_stride,
                                       Py_ssize_t height, Py_ssize_t block) noexcept nogil:
    """`height` times `block` times lanes_t of sum_of_products, in registers."""
    cdef lanes_t sums[4][2]
    cdef const lanes_t* column = <const lanes_t*> columns
    cdef Py_ssize_t t, i, k
    for k in range(height):
        for i in range(block):
            sums[k][i] = column[i] * rows[k]
    for t in range(1, steps):
        column = <const lanes_t*> (columns + t * stride)
        for k in range(height):
            for i in range(block):
                sums[k][i] = sums[k][i] + column[i] * rows[t * stride + k]
    for k in range(height):
        for i in range(block):
            (<lanes_t*> (result + k * result_stride))[i] = sums[k][i]


cdef int sum_of_products(const double* rows, Py_ssize_t length, const double* columns, Py_ssize_t width,
                         Py_ssize_t stride, Py_ssize_t steps, double* result, Py_ssize_t result_stride,
                         double* work) except -1 nogil:
    """result[k][i] = rows[0][k] * columns[0][i] + rows[1][k] * columns[1][i] + ...: a gradient over a window.

    rows and columns: `steps` rows of the tape, `stride` doubles apart; k up to `length`, i up to `width`, padded.
    """
    cdef Py_ssize_t i = 0, k, lanes = sizeof(lanes_t) // sizeof(double), block
    cdef double* sums
    while i < width:
        block = 2 if i + 2 * lanes <= width else 1
        k = 0
        while k < length:
            sums = result + k * result_stride + i
            if block == 2 and k + 4 <= length:
                sum_of_products_block(rows + k, columns + i, stride, steps, sums, result_stride, 4, 2)
                k += 4
            elif block == 2:
                sum_of_products_block(rows + k, columns + i, stride, steps, sums, result_stride, 1, 2)
                k += 1
            elif k + 4 <= length:
                sum_of_products_block(rows + k, columns + i, stride, steps, sums, result_stride, 4, 1)
                k += 4
            else:
                sum_of_products_block(rows + k, columns + i, stride, steps, sums, result_stride, 1, 1)
                k += 1
        i += block * lanes
        look_for_signals(work, <double> block * lanes * length * steps)
    return 0


cdef int look_for_signals(double* work, double done) except -1 nogil:
    """Count the products that are done, and every WORK of them look for Ctrl-C."""
    work[0] += done
    if work[0] > WORK:
        work[0] = 0.0
        with gil:
            PyErr_CheckSignals()
    return 0


# ---- RNN: layout ----

cdef enum Cell:
    ELMAN
    GRU
    LSTM

cdef enum Activation:
    TANH
    SIGMOID
    RELU

cdef enum Output:
    LINEAR
    SIGMOIDS
    SOFTMAX

cdef enum Loss:
    HALF_SQUARED_ERROR
    BINARY_CROSS_ENTROPY
    CROSS_ENTROPY

cdef enum Optimizer:
    SGD
    ADAM
    ADAMW


cdef struct Network:
    Cell cell
    Activation activation
    Output output
    Loss loss
    Optimizer optimizer
    Py_ssize_t input_size, hidden_size, output_size, target_size
    Py_ssize_t gates            # rows of w_hidden_hidden
    Py_ssize_t lanes            # hidden_size, padded
    Py_ssize_t outputs          # output_size, padded
    Py_ssize_t stride           # gates, padded: from one column of the input and hidden weights to the next
    Py_ssize_t length           # doubles of all parameters, padded
    # Where the parameters begin, in their memory and in everything laid out like it. b_hidden, w_input_hidden and
    # w_hidden_hidden are the columns of one matrix, in this order; w_hidden_output lies in rows, `lanes` apart.
    Py_ssize_t b_hidden, w_input_hidden, w_hidden_hidden, b_hidden_hidden, w_hidden_output, b_output
    # What a step leaves on the tape, and where in its row: 1.0, the input and the hidden state before, in sequence;
    # an LSTM's c before; what backward needs; the sums of the output layer; the gradient of the step's
    # loss by them, and of the window's; and that by the other sums.
    Py_ssize_t one, x, h, c, trace, sums, gradient, by_output, delta, delta_hidden, row
    double lr, momentum, weight_decay, clip
    Py_ssize_t window


cdef inline Py_ssize_t padded(Py_ssize_t length) noexcept nogil:
    return (length + PADDING - 1) // PADDING * PADDING


cdef inline Py_ssize_t take(Py_ssize_t* end, Py_ssize_t length) noexcept nogil:
    """Lay out `length` more doubles behind `end`; returns where they begin."""
    cdef Py_ssize_t start = end[0]
    end[0] += padded(length)
    return start


cdef void lay_out(Network* n) noexcept nogil:
    """Set the sizes and places that follow from cell, input_size, hidden_size and output_size."""
    cdef Py_ssize_t end = 0
    n.gates = (1 if n.cell == ELMAN else 3 if n.cell == GRU else 4) * n.hidden_size
    n.lanes = padded(n.hidden_size)
    n.outputs = padded(n.output_size)
    n.stride = padded(n.gates)
    n.b_hidden = take(&end, n.stride)
    n.w_input_hidden = take(&end, n.stride * n.input_size)
    n.w_hidden_hidden = take(&end, n.stride * n.hidden_size)
    n.b_hidden_hidden = take(&end, n.hidden_size if n.cell == GRU else 0)
    n.w_hidden_output = take(&end, n.lanes * n.output_size)
    n.b_output = take(&end, n.output_size)
    n.length = end
    end = 0
    n.h = padded(1 + n.input_size)
    n.x = n.h - n.input_size
    n.one = n.x - 1
    end = n.h + n.lanes
    n.c = take(&end, n.hidden_size if n.cell == LSTM else 0)
    n.trace = take(&end, 0 if n.cell == ELMAN else n.gates)
    if n.cell != ELMAN:
        take(&end, n.hidden_size)       # behind the gates of a GRU q, of an LSTM tanh c
    n.sums = take(&end, n.output_size)
    n.gradient = take(&end, n.output_size)
    n.by_output = take(&end, n.output_size)
    n.delta = take(&end, n.gates)
    n.delta_hidden = take(&end, n.gates) if n.cell == GRU else n.delta
    n.row = (end + 7) // 8 * 8 | 8      # an odd number of cache lines, or the rows would crowd into a few of them


# ---- RNN: the cells, one step forward and backward ----
# forward: from `row` on the tape, with its x and h (and c), to the h (and c) of the row after it. `weights`, `stride`:
# the columns of w_input_hidden and w_hidden_hidden, with a GRU of w_hidden_hidden alone, for add_products.
# backward: from the gradient by the state after it, by_h (and by_c), to the deltas and the gradient by the state
# before.
# `rows`: the rows of w_hidden_hidden, packed, or NULL where the gradient by the state before is not wanted.

cdef void elman_forward(const Network* n, const double* parameters, const double* weights, Py_ssize_t stride,
                        double* row) noexcept nogil:
    """Elman (1990): h = activation(w_input_hidden x + w_hidden_hidden h + b_hidden)."""
    cdef double* after = row + n.row + n.h
    cdef Py_ssize_t i
    add_products(parameters + n.b_hidden, weights, stride, row + n.x, n.input_size + n.hidden_size, after, n.lanes)
    if n.activation == TANH:
        tanh_all(after, n.lanes)        # tanh(0) = 0: the padding stays
    elif n.activation == SIGMOID:
        sigmoid_all(after, n.hidden_size)
    else:
        for i in range(n.hidden_size):
            after[i] = 0.0 if after[i] < 0.0 else after[i]


cdef void elman_delta(const Network* n, const double* after, const double* by_h, out_t delta) noexcept nogil:
    cdef Py_ssize_t i
    if n.activation == TANH:
        for i in range(n.hidden_size):
            delta[i] = by_h[i] * (1.0 - after[i] * after[i])
    elif n.activation == SIGMOID:
        for i in range(n.hidden_size):
            delta[i] = by_h[i] * (after[i] * (1.0 - after[i]))
    else:
        for i in range(n.hidden_size):
            delta[i] = by_h[i] if after[i] > 0.0 else 0.0


cdef void elman_backward(const Network* n, const double* rows, double* row, double* by_h) noexcept nogil:
    elman_delta(n, row + n.row + n.h, by_h, row + n.delta)
    fill(by_h, n.lanes, 0.0)
    if rows:
        add_products(by_h, rows, 0, row + n.delta, n.gates, by_h, n.lanes)


cdef void gru_new(Py_ssize_t size, const double* a, const double* r, const double* q, out_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        n[i] = a[i] + r[i] * q[i]


cdef void gru_state(Py_ssize_t size, const double* z, const double* n, const double* before,
                    out_t after) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        after[i] = (1.0 - z[i]) * n[i] + z[i] * before[i]


cdef void gru_forward(const Network* n, const double* parameters, const double* weights, Py_ssize_t stride,
                      double* row) noexcept nogil:
    """Cho et al. (2014), with the hidden bias inside the reset as in PyTorch:

    r, z = sigmoid(...), n = tanh(input part + r * hidden part), h = (1 - z) * n + z * h.
    """
    cdef Py_ssize_t size = n.hidden_size
    cdef double* a = row + n.delta      # until backward writes its deltas there
    cdef double* r = row + n.trace
    cdef double* z = r + size
    cdef double* new = z + size
    cdef double* q = new + size
    add_products(parameters + n.b_hidden, parameters + n.w_input_hidden, n.stride, row + n.x, n.input_size, a, n.stride)
    memcpy(q, parameters + n.b_hidden_hidden, size * sizeof(double))
    memcpy(r, a, 2 * size * sizeof(double))
    memcpy(new, parameters + n.b_hidden_hidden, size * sizeof(double))
    add_products(r, weights, stride, row + n.h, size, r, n.stride)
    memcpy(q, new, size * sizeof(double))
    sigmoid_all(r, 2 * size)
    gru_new(size, a + 2 * size, r, q, new)
    tanh_all(new, size)
    gru_state(size, z, new, row + n.h, row + n.row + n.h)


cdef void gru_delta(Py_ssize_t size, const double* before, const double* trace, const double* by_h,
                    out_t delta_r, out_t delta_z, out_t delta_n, out_t delta_q, out_t direct) noexcept nogil:
    cdef const double* r = trace
    cdef const double* z = r + size
    cdef const double* n = z + size
    cdef const double* q = n + size
    cdef Py_ssize_t i
    for i in range(size):
        delta_n[i] = by_h[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i])
        delta_r[i] = delta_n[i] * q[i] * (r[i] * (1.0 - r[i]))
        delta_z[i] = by_h[i] * (before[i] - n[i]) * (z[i] * (1.0 - z[i]))
        delta_q[i] = delta_n[i] * r[i]
        direct[i] = by_h[i] * z[i]


cdef void gru_backward(const Network* n, const double* rows, double* row, double* by_h, double* direct) noexcept nogil:
    cdef Py_ssize_t size = n.hidden_size
    cdef double* delta = row + n.delta
    cdef double* delta_hidden = row + n.delta_hidden
    gru_delta(size, row + n.h, row + n.trace, by_h, delta, delta + size, delta + 2 * size,
              delta_hidden + 2 * size, direct)
    memcpy(delta_hidden, delta, 2 * size * sizeof(double))
    if rows:
        add_products(direct, rows, 0, delta_hidden, n.gates, by_h, n.lanes)


cdef void lstm_cell(Py_ssize_t size, const double* gates, const double* before, out_t after,
                    out_t tanh_c) noexcept nogil:
    cdef const double* f = gates + size
    cdef const double* g = f + size
    cdef Py_ssize_t k
    for k in range(size):
        after[k] = f[k] * before[k] + gates[k] * g[k]
        tanh_c[k] = fast_tanh(after[k])


cdef void lstm_hidden(Py_ssize_t size, const double* o, const double* tanh_c, out_t after) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(size):
        after[k] = o[k] * tanh_c[k]


cdef void lstm_forward(const Network* n, const double* parameters, const double* weights, Py_ssize_t stride,
                       double* row) noexcept nogil:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000):

    i, f, o = sigmoid(...), g = tanh(...), c = f * c + i * g, h = o * tanh(c).
    """
    cdef Py_ssize_t size = n.hidden_size
    cdef double* gates = row + n.trace
    cdef double* tanh_c = gates + 4 * size
    add_products(parameters + n.b_hidden, weights, stride, row + n.x, n.input_size + size, gates, n.stride)
    sigmoid_all(gates, 2 * size)
    tanh_all(gates + 2 * size, size)
    sigmoid_all(gates + 3 * size, size)
    lstm_cell(size, gates, row + n.c, row + n.row + n.c, tanh_c)
    lstm_hidden(size, gates + 3 * size, tanh_c, row + n.row + n.h)


cdef void lstm_delta(Py_ssize_t size, const double* c, const double* trace, const double* dh, out_t dc,
                     out_t delta_i, out_t delta_f, out_t delta_g, out_t delta_o) noexcept nogil:
    cdef const double* i = trace
    cdef const double* f = i + size
    cdef const double* g = f + size
    cdef const double* o = g + size
    cdef const double* tanh_c = o + size
    cdef double d
    cdef Py_ssize_t k
    for k in range(size):
        delta_o[k] = dh[k] * tanh_c[k] * (o[k] * (1.0 - o[k]))
        d = dc[k] + dh[k] * o[k] * (1.0 - tanh_c[k] * tanh_c[k])
        delta_i[k] = d * g[k] * (i[k] * (1.0 - i[k]))
        delta_f[k] = d * c[k] * (f[k] * (1.0 - f[k]))
        delta_g[k] = d * i[k] * (1.0 - g[k] * g[k])
        dc[k] = d * f[k]


cdef void lstm_backward(const Network* n, const double* rows, double* row, double* by_h, double* by_c) noexcept nogil:
    cdef Py_ssize_t size = n.hidden_size
    cdef double* delta = row + n.delta
    lstm_delta(size, row + n.c, row + n.trace, by_h, by_c, delta, delta + size, delta + 2 * size, delta + 3 * size)
    fill(by_h, n.lanes, 0.0)
    if rows:
        add_products(by_h, rows, 0, delta, n.gates, by_h, n.lanes)


cdef void fill(double* values, Py_ssize_t length, double value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = value


# ---- RNN: outputs and losses, one step ----
# They take the sums of the output layer and the targets; write the gradient by the sums; and return the loss.

cdef double half_squared_error(Output output, Py_ssize_t size, const double* sums, const double* targets,
                               double* gradient) noexcept nogil:
    """Half the sum of the squared errors, of linear outputs or of sigmoids."""
    cdef double loss = 0.0, value, error
    cdef Py_ssize_t i
    activate_output(output, size, sums, gradient)
    for i in range(size):
        value = gradient[i]
        error = value - targets[i]
        loss += error * error
        gradient[i] = error * (value * (1.0 - value)) if output == SIGMOIDS else error
    return 0.5 * loss


cdef double binary_cross_entropy(Output output, Py_ssize_t size, const double* sums, const double* targets,
                                 double* gradient) noexcept nogil:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    cdef double loss = 0.0, a
    cdef Py_ssize_t i
    activate_output(output, size, sums, gradient)
    for i in range(size):
        a = sums[i]
        loss += ((a if a > 0.0 else 0.0) - a * targets[i]) + log1p(fast_exp(-fabs(a)))
        gradient[i] -= targets[i]
    return loss


cdef double cross_entropy(Py_ssize_t size, const double* sums, const double* targets, double* gradient) noexcept nogil:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    cdef Py_ssize_t label = <Py_ssize_t> targets[0] if 0.0 <= targets[0] < size else -1, i
    cdef double largest = max_of(size, sums), total = 0.0
    if label < 0:
        return NAN
    for i in range(size):
        gradient[i] = fast_exp(sums[i] - largest)
    for i in range(size):
        total += gradient[i]
    for i in range(size):
        gradient[i] = gradient[i] / total
    gradient[label] -= 1.0
    return log(total) - (sums[label] - largest)


cdef void activate_output(Output output, Py_ssize_t size, const double* sums, double* predictions) noexcept nogil:
    """The predictions: the sums themselves, their sigmoids, or their softmax."""
    cdef double largest, total = 0.0
    cdef Py_ssize_t i
    if output == LINEAR:
        for i in range(size):
            predictions[i] = sums[i]
    elif output == SIGMOIDS:
        for i in range(size):
            predictions[i] = fast_sigmoid(sums[i])
    else:
        largest = max_of(size, sums)
        for i in range(size):
            predictions[i] = fast_exp(sums[i] - largest)
        for i in range(size):
            total += predictions[i]
        for i in range(size):
            predictions[i] = predictions[i] / total


cdef double max_of(Py_ssize_t size, const double* values) noexcept nogil:
    cdef double largest = values[0]
    cdef Py_ssize_t i
    for i in range(1, size):
        largest = values[i] if values[i] > largest else largest
    return largest


# ---- RNN, over time ----

cdef extern from *:
    """
    #define BETA_1 0.9      /* Adam's, as Kingma and Ba (2015) give them */
    #define BETA_2 0.999
    #define EPSILON 1e-8
    """
    const double BETA_1, BETA_2, EPSILON


@cython.final
@cython.internal
cdef class Doubles:
    """Memory of zeros, at the beginning of a cache line."""
    cdef void* memory
    cdef double* start

    def __cinit__(self, Py_ssize_t length):
        self.memory = calloc(length + 8, sizeof(double))
        if self.memory == NULL:
            raise MemoryError
        self.start = <double*> ((<uintptr_t> self.memory + 63) // 64 * 64)

    def __dealloc__(self):
        free(self.memory)


@cython.final
@cython.internal
cdef class Parameter:
    """What a memoryview of a parameter looks at: rows and columns, or rows alone, somewhere in the network's memory."""
    cdef Doubles owner
    cdef double* start
    cdef int ndim
    cdef Py_ssize_t[2] shape
    cdef Py_ssize_t[2] strides

    def __getbuffer__(self, Py_buffer* view, int flags):
        if flags & PyBUF_STRIDES != PyBUF_STRIDES:
            raise BufferError("the parameter is not contiguous")
        view.obj = self
        view.buf = self.start
        view.len = self.shape[0] * (self.shape[1] if self.ndim == 2 else 1) * <Py_ssize_t> sizeof(double)
        view.itemsize = sizeof(double)
        view.readonly = False
        view.format = b"d"
        view.ndim = self.ndim
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL


@cython.final
@cython.internal
cdef class Tape:
    """What a window of steps leaves behind for backward, a row a step, and the memory that backward and update need."""
    cdef Doubles memory
    cdef Py_ssize_t steps       # that it has room for
    cdef double* rows           # one more than steps: the state after the last one
    cdef double* values         # laid out as the network's memory: the gradient, then what is to be written there
    cdef double* weights        # those of forward, packed
    cdef double* w_hidden_hidden    # its rows, packed
    cdef double* by_h
    cdef double* by_other       # an LSTM's gradient by c, a GRU's by h without its gates
    cdef double bound           # no parameter is larger; infinity where that is not known

    def __cinit__(self, Py_ssize_t steps, Py_ssize_t row, Py_ssize_t values, Py_ssize_t weights, Py_ssize_t rows,
                  Py_ssize_t lanes):
        self.steps = steps
        self.bound = INFINITY
        self.memory = Doubles((steps + 1) * row + values + weights + rows + 2 * lanes)
        self.rows = self.memory.start
        self.values = self.rows + (steps + 1) * row
        self.weights = self.values + values
        self.w_hidden_hidden = self.weights + weights
        self.by_h = self.w_hidden_hidden + rows
        self.by_other = self.by_h + lanes


cdef Tape new_tape(const Network* n, Py_ssize_t steps, bint learn):
    cdef Tape tape = Tape(steps, n.row, 3 * n.length if learn else 0, n.b_hidden_hidden - first_weights(n),
                          n.gates * n.lanes if learn else 0, n.lanes)
    cdef Py_ssize_t t
    for t in range(steps):
        tape.rows[t * n.row + n.one] = 1.0
    return tape


cdef Py_ssize_t first_weights(const Network* n) noexcept nogil:
    """Where the columns begin that forward wants packed; they end where those of w_hidden_hidden do."""
    return n.w_hidden_hidden if n.cell == GRU else n.w_input_hidden


cdef void pack_weights(const Network* n, const double* parameters, Tape tape) noexcept nogil:
    cdef Py_ssize_t first = first_weights(n)
    pack(parameters + first, n.stride, (n.b_hidden_hidden - first) // n.stride, n.stride, tape.weights)


cdef void forward(const Network* n, const double* parameters, const double* packed, double* rows, Py_ssize_t steps,
                  const double* inputs) noexcept nogil:
    """Run over `steps` rows, from the state in the first: the states and traces, and then the sums of the output layer.

    packed: what pack_weights has packed, or NULL, where that would not pay.
    """
    cdef const double* weights = packed if packed else parameters + first_weights(n)
    cdef Py_ssize_t stride = 0 if packed else n.stride, t, i
    cdef double* row
    for t in range(steps):
        row = rows + t * n.row
        for i in range(n.input_size):
            row[n.x + i] = inputs[t * n.input_size + i]
        if n.cell == ELMAN:
            elman_forward(n, parameters, weights, stride, row)
        elif n.cell == GRU:
            gru_forward(n, parameters, weights, stride, row)
        else:
            lstm_forward(n, parameters, weights, stride, row)
    for i in range(n.output_size):
        output_sums(parameters[n.b_output + i], parameters + n.w_hidden_output + i * n.lanes, n.hidden_size,
                    rows + n.row + n.h, n.row, steps, rows + n.sums + i)


cdef void output_sums(double bias, const double* weights, Py_ssize_t size, const double* h, Py_ssize_t row,
                      Py_ssize_t steps, double* sums) noexcept nogil:
    """One sum of the output layer in every step, four steps side by side: a sum waits for each of its additions."""
    cdef double a, b, c, d, weight
    cdef Py_ssize_t t = 0, j
    while t + 4 <= steps:
        a = b = c = d = bias
        for j in range(size):
            weight = weights[j]
            a += weight * h[j]
            b += weight * h[row + j]
            c += weight * h[2 * row + j]
            d += weight * h[3 * row + j]
        sums[0] = a
        sums[row] = b
        sums[2 * row] = c
        sums[3 * row] = d
        h += 4 * row
        sums += 4 * row
        t += 4
    while t < steps:
        a = bias
        for j in range(size):
            a += weights[j] * h[j]
        sums[0] = a
        h += row
        sums += row
        t += 1


cdef double loss_of_step(const Network* n, double* row, const double* targets) noexcept nogil:
    """The loss of a step; its gradient by the sums goes on the tape."""
    if n.loss == HALF_SQUARED_ERROR:
        return half_squared_error(n.output, n.output_size, row + n.sums, targets, row + n.gradient)
    if n.loss == BINARY_CROSS_ENTROPY:
        return binary_cross_entropy(n.output, n.output_size, row + n.sums, targets, row + n.gradient)
    return cross_entropy(n.output_size, row + n.sums, targets, row + n.gradient)


cdef int backward(const Network* n, const double* parameters, Tape tape, Py_ssize_t steps,
                  double* work) except -1 nogil:
    """The gradients of the window's mean loss by all sums, by truncated backpropagation through time."""
    cdef double scale = 1.0 / steps
    cdef double* row
    cdef const double* by_rows
    cdef Py_ssize_t t, i
    if steps > 1:
        pack_rows(parameters + n.w_hidden_hidden, n.stride, n.gates, n.lanes, n.hidden_size, tape.w_hidden_hidden)
    fill(tape.by_h, n.lanes, 0.0)
    fill(tape.by_other, n.lanes, 0.0)
    for t in range(steps - 1, -1, -1):
        row = tape.rows + t * n.row
        by_rows = tape.w_hidden_hidden if t > 0 else NULL
        for i in range(n.output_size):
            row[n.by_output + i] = scale * row[n.gradient + i]
        add_products(tape.by_h, parameters + n.w_hidden_output, n.lanes, row + n.by_output, n.output_size,
                     tape.by_h, n.lanes)
        if n.cell == ELMAN:
            elman_backward(n, by_rows, row, tape.by_h)
        elif n.cell == GRU:
            gru_backward(n, by_rows, row, tape.by_h, tape.by_other)
        else:
            lstm_backward(n, by_rows, row, tape.by_h, tape.by_other)
        look_for_signals(work, n.gates * (n.lanes + 32.0))
    return 0


cdef int gradients(const Network* n, Tape tape, Py_ssize_t steps, double* work) except -1 nogil:
    """The gradient of the window's mean loss by the parameters, after backward."""
    cdef double* rows = tape.rows
    cdef double* values = tape.values
    cdef Py_ssize_t size = n.hidden_size
    if n.cell == GRU:
        sum_of_products(rows + n.one, 1 + n.input_size, rows + n.delta, n.stride, n.row, steps,
                        values + n.b_hidden, n.stride, work)
        sum_of_products(rows + n.h, size, rows + n.delta_hidden, n.stride, n.row, steps,
                        values + n.w_hidden_hidden, n.stride, work)
        sum_of_products_of_q(n, rows, steps, values + n.b_hidden_hidden)
    else:
        sum_of_products(rows + n.one, 1 + n.input_size + size, rows + n.delta, n.stride, n.row, steps,
                        values + n.b_hidden, n.stride, work)
    sum_of_products(rows + n.by_output, n.output_size, rows + n.row + n.h, n.lanes, n.row, steps,
                    values + n.w_hidden_output, n.lanes, work)
    sum_of_products(rows + n.one, 1, rows + n.by_output, n.outputs, n.row, steps, values + n.b_output, n.outputs, work)
    return 0


cdef void sum_of_products_of_q(const Network* n, const double* rows, Py_ssize_t steps, out_t sums) noexcept nogil:
    """The gradient of a GRU's b_hidden_hidden: the sum of the deltas of q."""
    cdef const double* delta = rows + n.delta_hidden + 2 * n.hidden_size
    cdef Py_ssize_t t, i
    for i in range(n.hidden_size):
        sums[i] = delta[i]
    for t in range(1, steps):
        for i in range(n.hidden_size):
            sums[i] += delta[t * n.row + i]


cdef double square_of_columns(const double* columns, Py_ssize_t stride, Py_ssize_t length, Py_ssize_t rows,
                              double* squares, double total) noexcept nogil:
    """`total` with the sum of squares of each row added, row by row; the rows lie in `length` columns."""
    cdef Py_ssize_t i, j
    fill(squares, rows, 0.0)
    for j in range(length):
        for i in range(rows):
            squares[i] += columns[j * stride + i] * columns[j * stride + i]
    for i in range(rows):
        total += squares[i]
    return total


cdef double square_of_gradient(const Network* n, const double* gradient, double* squares) noexcept nogil:
    """The sum of the squares of all gradients: of each row first, and then of the rows."""
    cdef double total = 0.0, square
    cdef const double* row
    cdef Py_ssize_t i, j
    total = square_of_columns(gradient + n.w_input_hidden, n.stride, n.input_size, n.gates, squares, total)
    total = square_of_columns(gradient + n.w_hidden_hidden, n.stride, n.hidden_size, n.gates, squares, total)
    total = square_of_columns(gradient + n.b_hidden, n.stride, 1, n.gates, squares, total)
    if n.cell == GRU:
        total = square_of_columns(gradient + n.b_hidden_hidden, n.lanes, 1, n.hidden_size, squares, total)
    for i in range(n.output_size):
        row = gradient + n.w_hidden_output + i * n.lanes
        square = 0.0
        for j in range(n.hidden_size):
            square += row[j] * row[j]
        total += square
    return square_of_columns(gradient + n.b_output, n.outputs, 1, n.output_size, squares, total)


cdef void sgd_step(Py_ssize_t length, const double* values, double factor, double lr, out_t g) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        g[i] = values[i] - lr * (g[i] * factor)


cdef void momentum_step(Py_ssize_t length, const double* values, double factor, double lr, double momentum,
                        out_t g, out_t velocity) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        velocity[i] = momentum * values[length + i] + g[i] * factor
        g[i] = values[i] - lr * velocity[i]


cdef void adam_step(Py_ssize_t length, const double* values, double factor, double lr, double decay,
                    double beta_1, double beta_2, out_t gradient, out_t first, out_t second) noexcept nogil:
    cdef double g
    cdef Py_ssize_t i
    for i in range(length):
        g = gradient[i] * factor
        first[i] = BETA_1 * values[length + i] + (1.0 - BETA_1) * g
        second[i] = BETA_2 * values[2 * length + i] + (1.0 - BETA_2) * (g * g)
        gradient[i] = values[i] * decay - lr * ((first[i] / (1.0 - beta_1))
                                                / (sqrt(second[i] / (1.0 - beta_2)) + EPSILON))


cdef double norm_of(const double* values, Py_ssize_t length) noexcept nogil:
    """A bound of all |values|, padded; NaN or infinity if one of them is. Not part of any result: its order is free."""
    cdef double total = 1e-300
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
    cdef Py_ssize_t i
    for i in range(0, length, 4):           # PADDING
        a += values[i] * values[i]
        b += values[i + 1] * values[i + 1]
        c += values[i + 2] * values[i + 2]
        d += values[i + 3] * values[i + 3]
    return sqrt(total + (a + b + c + d))


cdef bint is_surely_finite(const Network* n, const double* memory, Tape tape) noexcept nogil:
    """Whether a single step's update keeps all parameters finite: told from bounds, without computing it.

    A yes is always right. A no means that it has to be tried.
    """
    cdef const double* row = tape.rows
    cdef double by_sums = norm_of(row + n.delta, n.stride) + norm_of(row + n.by_output, n.outputs)
    cdef double values = (norm_of(row, n.h + n.lanes) + norm_of(row + n.row + n.h, n.lanes))
    cdef double gradient, bound
    if n.cell == GRU:
        by_sums += norm_of(row + n.delta_hidden, n.stride)
    gradient = by_sums * values
    bound = tape.bound + n.lr * gradient
    if not bound < 1e100:
        bound = norm_of(memory, n.length) + n.lr * gradient
    if gradient < 1e100 and bound < 1e100:
        tape.bound = bound
        return True
    return False


cdef void subtract_products(const double* rows, Py_ssize_t length, const double* columns, Py_ssize_t width, double lr,
                            double* result, Py_ssize_t stride) noexcept nogil:
    """result[k][i] -= lr * (rows[k] * columns[i]): sum_of_products over one step and the step of sgd in one."""
    cdef const lanes_t* column = <const lanes_t*> columns
    cdef lanes_t* sums
    cdef double value
    cdef Py_ssize_t i, k, lanes = sizeof(lanes_t) // sizeof(double)
    for k in range(length):
        sums = <lanes_t*> (result + k * stride)
        value = rows[k]
        for i in range(width // lanes):
            sums[i] = sums[i] - (column[i] * value) * lr


cdef void subtract_gradient(const Network* n, double* parameters, const double* row) noexcept nogil:
    """gradients, and the step of sgd with them, in one pass over the parameters; for a window of one step."""
    cdef Py_ssize_t i
    subtract_products(row + n.one, 1 + n.input_size, row + n.delta, n.stride, n.lr,
                      parameters + n.b_hidden, n.stride)
    subtract_products(row + n.h, n.hidden_size, row + n.delta_hidden, n.stride, n.lr,
                      parameters + n.w_hidden_hidden, n.stride)
    if n.cell == GRU:
        for i in range(n.hidden_size):
            parameters[n.b_hidden_hidden + i] -= n.lr * row[n.delta_hidden + 2 * n.hidden_size + i]
    subtract_products(row + n.by_output, n.output_size, row + n.row + n.h, n.lanes, n.lr,
                      parameters + n.w_hidden_output, n.lanes)
    subtract_products(row + n.one, 1, row + n.by_output, n.outputs, n.lr, parameters + n.b_output, n.outputs)


cdef int update(const Network* n, double* memory, Tape tape, Py_ssize_t steps, double* work) except -1 nogil:
    """Learn from a window that is complete. Returns whether all is finite; if it is not, nothing has changed."""
    cdef double factor = 1.0, norm, beta_1 = memory[3 * n.length], beta_2 = memory[3 * n.length + 1]
    cdef double* values = tape.values
    cdef Py_ssize_t length = n.length, changed = length
    backward(n, memory, tape, steps, work)
    if (steps == 1 and n.optimizer == SGD and n.momentum == 0.0 and not n.clip < INFINITY
            and is_surely_finite(n, memory, tape)):
        subtract_gradient(n, memory, tape.rows)
        return True
    gradients(n, tape, steps, work)
    if n.clip < INFINITY:
        norm = sqrt(square_of_gradient(n, values, values + length))
        if not isfinite(norm):
            return False
        if norm > n.clip:
            factor = n.clip / norm
    if n.optimizer != SGD:
        beta_1 *= BETA_1
        beta_2 *= BETA_2
        adam_step(length, memory, factor, n.lr, 1.0 - n.lr * n.weight_decay if n.optimizer == ADAMW else 1.0,
                  beta_1, beta_2, values, values + length, values + 2 * length)
        changed = 3 * length
    elif n.momentum != 0.0:
        momentum_step(length, memory, factor, n.lr, n.momentum, values, values + length)
        changed = 2 * length
    else:
        sgd_step(length, memory, factor, n.lr, values)
    if not all_finite(values, changed):
        return False
    memcpy(memory, values, changed * sizeof(double))
    tape.bound = INFINITY
    memory[3 * n.length], memory[3 * n.length + 1] = beta_1, beta_2
    return True


cdef struct Progress:
    double total                # the losses of an epoch so far
    double work                 # since the last look at Ctrl-C
    double* state               # the one after the last update
    bint learned                # whether there was one


cdef Py_ssize_t train_sequence(const Network* n, double* memory, Tape tape, const double* inputs,
                               const double* targets, Py_ssize_t length, Progress* progress) except -1 nogil:
    """Train on a sequence. Returns `length`, or the step that is not finite."""
    cdef double* rows = tape.rows
    cdef double loss
    cdef Py_ssize_t start = 0, steps, block, done, t, window = n.window if n.window > 0 else length
    cdef Py_ssize_t block_size = max(1, <Py_ssize_t> (WORK / 4 / work_of_step(n)))
    fill(rows + n.h, n.lanes, 0.0)
    if n.cell == LSTM:
        fill(rows + n.c, n.lanes, 0.0)
    while start < length:
        steps = min(window, length - start)
        done = 0
        if steps > 1:
            pack_weights(n, memory, tape)
        while done < steps:
            block = min(block_size, steps - done)
            forward(n, memory, tape.weights if steps > 1 else NULL, rows + done * n.row, block,
                    inputs + (start + done) * n.input_size)
            for t in range(done, done + block):
                loss = loss_of_step(n, rows + t * n.row, targets + (start + t) * n.target_size)
                if not isfinite(loss):
                    return start + t
                progress.total += loss
            done += block
            look_for_signals(&progress.work, block * work_of_step(n))
        if not update(n, memory, tape, steps, &progress.work):
            return start + steps - 1
        copy_state(n, rows + steps * n.row, rows)
        read_state(n, rows, progress.state)
        progress.learned = True
        look_for_signals(&progress.work, n.length)
        start += steps
    return length


cdef inline double work_of_step(const Network* n) noexcept nogil:
    return n.stride * (n.hidden_size + n.input_size + 32.0) + n.output_size * (n.hidden_size + 32.0)


cdef void copy_state(const Network* n, const double* source, double* target) noexcept nogil:
    """From one row of the tape to another."""
    memcpy(target + n.h, source + n.h, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(target + n.c, source + n.c, n.hidden_size * sizeof(double))


cdef void read_state(const Network* n, const double* row, double* state) noexcept nogil:
    memcpy(state, row + n.h, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(state + n.hidden_size, row + n.c, n.hidden_size * sizeof(double))


cdef void write_state(const Network* n, const double* state, double* row) noexcept nogil:
    memcpy(row + n.h, state, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(row + n.c, state + n.hidden_size, n.hidden_size * sizeof(double))


cdef class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use.

    All that learning changes lies in one block of memory: the parameters, then for each of them its first moment (the
    velocity of sgd) and its second, then the powers of Adam's betas.
    """
    cdef Network network
    cdef Doubles memory
    cdef Doubles state          # h, with an LSTM c after it
    cdef Tape tape              # of learn() and step()
    cdef Py_ssize_t waiting     # steps on the tape, since the last update
    cdef readonly dict parameters

    def __cinit__(self, *_args, **_keywords):
        self._build("elman", "tanh", 1, 1, 1, "linear", "half_squared_error", "sgd")

    def _build(self, str cell, str activation, Py_ssize_t input_size, Py_ssize_t hidden_size, Py_ssize_t output_size,
               str output, str loss, str optimizer):
        """Lay out the network, with all parameters 0.0."""
        cdef Network* n = &self.network
        n.cell = {"elman": ELMAN, "gru": GRU, "lstm": LSTM}[cell]
        n.activation = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU}[activation]
        n.output = {"linear": LINEAR, "sigmoid": SIGMOIDS, "softmax": SOFTMAX}[output]
        n.loss = {"half_squared_error": HALF_SQUARED_ERROR, "binary_cross_entropy": BINARY_CROSS_ENTROPY,
                  "cross_entropy": CROSS_ENTROPY}[loss]
        n.optimizer = {"sgd": SGD, "adam": ADAM, "adamw": ADAMW}[optimizer]
        n.input_size, n.hidden_size, n.output_size = input_size, hidden_size, output_size
        n.target_size = 1 if n.loss == CROSS_ENTROPY else output_size
        lay_out(n)
        self.memory = Doubles(3 * n.length + 2)
        self.memory.start[3 * n.length] = self.memory.start[3 * n.length + 1] = 1.0
        self.state = Doubles(2 * hidden_size)
        self.tape = None
        self.waiting = 0
        self.parameters = {}
        self._add("w_input_hidden", n.w_input_hidden, n.gates, 1, input_size, n.stride)
        self._add("w_hidden_hidden", n.w_hidden_hidden, n.gates, 1, hidden_size, n.stride)
        self._add("b_hidden", n.b_hidden, n.gates, 1, 0, 0)
        if n.cell == GRU:
            self._add("b_hidden_hidden", n.b_hidden_hidden, hidden_size, 1, 0, 0)
        self._add("w_hidden_output", n.w_hidden_output, output_size, n.lanes, hidden_size, 1)
        self._add("b_output", n.b_output, output_size, 1, 0, 0)
        n.lr, n.momentum, n.weight_decay, n.clip, n.window = 0.01, 0.0, 0.0, INFINITY, 1

    cdef _add(self, str name, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t row_stride,
              Py_ssize_t columns, Py_ssize_t column_stride):
        """Show a parameter; without columns it is a vector."""
        cdef Parameter parameter = Parameter()
        parameter.owner = self.memory
        parameter.start = self.memory.start + start
        parameter.ndim = 2 if columns else 1
        parameter.shape[0], parameter.shape[1] = rows, columns
        parameter.strides[0] = row_stride * <Py_ssize_t> sizeof(double)
        parameter.strides[1] = column_stride * <Py_ssize_t> sizeof(double)
        self.parameters[name] = memoryview(parameter)

    @property
    def lr(self):
        return self.network.lr

    @lr.setter
    def lr(self, double value):
        self.network.lr = value

    @property
    def momentum(self):
        return self.network.momentum

    @momentum.setter
    def momentum(self, double value):
        self.network.momentum = value

    @property
    def weight_decay(self):
        return self.network.weight_decay

    @weight_decay.setter
    def weight_decay(self, double value):
        self.network.weight_decay = value

    @property
    def clip(self):
        return self.network.clip

    @clip.setter
    def clip(self, double value):
        self.network.clip = value

    @property
    def window(self):
        return self.network.window

    @window.setter
    def window(self, Py_ssize_t value):
        self.network.window = value

    cdef list _places(self):
        """Where the doubles of the memory lie that are no padding, in the order of `_memory`."""
        cdef Parameter parameter
        cdef Py_ssize_t i, j, part
        places = []
        for part in range(3):
            for view in self.parameters.values():
                parameter = view.obj
                for i in range(parameter.shape[0]):
                    for j in range(parameter.shape[1] if parameter.ndim == 2 else 1):
                        places.append(parameter.start - self.memory.start + part * self.network.length
                                      + (i * parameter.strides[0] + j * parameter.strides[1])
                                      // <Py_ssize_t> sizeof(double))
        return [*places, 3 * self.network.length, 3 * self.network.length + 1]

    @property
    def _memory(self):
        """All that learning changes, as a list: parameters row by row, first and second moments, powers of betas."""
        cdef Py_ssize_t place
        return [self.memory.start[place] for place in self._places()]

    @_memory.setter
    def _memory(self, values):
        cdef Py_ssize_t place
        cdef list places = self._places(), doubles = list(map(float, values))
        check_length(doubles, len(places))
        for place, value in zip(places, doubles):
            self.memory.start[place] = value

    cdef Py_ssize_t _state_size(self):
        return (2 if self.network.cell == LSTM else 1) * self.network.hidden_size

    @property
    def _state(self):
        """The state, as a list: the hidden state, with an LSTM the cell after it. Setting it gives up waiting steps."""
        return [self.state.start[i] for i in range(self._state_size())]

    @_state.setter
    def _state(self, values):
        cdef Py_ssize_t i
        cdef list doubles = list(map(float, values))
        check_length(doubles, self._state_size())
        for i in range(len(doubles)):
            self.state.start[i] = doubles[i]
        self.waiting = 0

    def _train(self, inputs, targets, lengths, Py_ssize_t epochs, list losses not None, report, /):
        """Train on sequences that follow each other in two float64 buffers, and append each epoch's mean loss."""
        cdef Network network = self.network
        cdef Buffer x = Buffer(inputs), y = Buffer(targets)
        cdef const double* x_values = <const double*> x.view.buf
        cdef const double* y_values = <const double*> y.view.buf
        cdef Py_ssize_t sequences = len(lengths), epoch, i, longest = 0, steps = 0, start = 0, done = 0
        cdef Buffer sizes = Buffer(memoryview(bytearray(8 * sequences)).cast("q"), 0, b"q")
        cdef int64_t* length = <int64_t*> sizes.view.buf
        cdef Doubles memory = self.memory, own_state = self.state, state = Doubles(2 * network.hidden_size)
        cdef Progress progress
        cdef Tape tape
        for i in range(sequences):
            length[i] = lengths[i]
            if length[i] < 0:
                raise ValueError("a length is negative")
            longest = max(longest, length[i])
            steps += length[i]
        x.check_length(steps * network.input_size)
        y.check_length(steps * network.target_size)
        tape = new_tape(&network, min(longest, network.window) if network.window > 0 else longest, True)
        progress.work = 0.0
        progress.state = state.start
        progress.learned = False
        for epoch in range(epochs):
            progress.total = 0.0
            start = 0
            try:
                with nogil:
                    for i in range(sequences):
                        done = train_sequence(&network, memory.start, tape, x_values + start * network.input_size,
                                              y_values + start * network.target_size, length[i], &progress)
                        if done < length[i]:
                            break
                        start += length[i]
                if start < steps:
                    raise diverged(f" at epoch {epoch}, step {start + done}", network.lr)
            finally:
                if progress.learned:
                    memcpy(own_state.start, state.start, 2 * network.hidden_size * sizeof(double))
                    self.waiting = 0
            losses.append(progress.total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, progress.total / steps)

    def _predict(self, inputs, state, predictions, states, /):
        """Run over inputs, from the state in the buffer `state`, which takes the last; write predictions and states.

        `predictions` or `states`, buffers of T rows, may be None.
        """
        cdef Network network = self.network
        cdef Network* n = &network
        cdef Buffer x = Buffer(inputs), h = Buffer(state, PyBUF_WRITABLE), p = None, s = None
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* h_values = <double*> h.view.buf
        cdef double* p_values = NULL
        cdef double* s_values = NULL
        cdef Py_ssize_t steps = x.length() // n.input_size, start = 0, block, t
        cdef Doubles memory = self.memory
        cdef Tape tape = new_tape(n, min(steps, ROWS), False)
        cdef double* rows = tape.rows
        cdef double work = 0.0
        x.check_length(steps * n.input_size)
        h.check_length(self._state_size())
        if predictions is not None:
            p = Buffer(predictions, PyBUF_WRITABLE)
            p.check_length(steps * n.output_size)
            p_values = <double*> p.view.buf
        if states is not None:
            s = Buffer(states, PyBUF_WRITABLE)
            s.check_length(steps * n.hidden_size)
            s_values = <double*> s.view.buf
        with nogil:
            write_state(n, h_values, rows)
            pack_weights(n, memory.start, tape)
            while start < steps:
                block = min(<Py_ssize_t> ROWS, steps - start)
                forward(n, memory.start, tape.weights, rows, block, x_values + start * n.input_size)
                if p_values:
                    for t in range(block):
                        activate_output(n.output, n.output_size, rows + t * n.row + n.sums,
                                        p_values + (start + t) * n.output_size)
                if s_values:
                    for t in range(block):
                        memcpy(s_values + (start + t) * n.hidden_size, rows + (t + 1) * n.row + n.h,
                               n.hidden_size * sizeof(double))
                copy_state(n, rows + block * n.row, rows)
                start += block
                look_for_signals(&work, block * work_of_step(n))
            read_state(n, rows, h_values)

    cdef int _need(self, Py_ssize_t steps, bint learn) except -1:
        """Make room for `steps` on the tape of learn() and step(); the steps that wait stay."""
        cdef Network* n = &self.network
        cdef Tape tape = self.tape
        if tape is None or tape.steps < steps or (learn and tape.weights == tape.values):
            self.tape = new_tape(n, steps, learn)
            if tape is not None and self.waiting > 0:
                memcpy(self.tape.rows, tape.rows, (self.waiting + 1) * n.row * sizeof(double))
                for i in range(self.waiting, steps):
                    self.tape.rows[i * n.row + n.one] = 1.0
        return 0

    def _step(self, x, predictions, /):
        """One step on from the network's own state, without learning; steps that wait for an update are given up."""
        cdef Network* n = &self.network
        cdef Buffer source = Buffer(x), target = Buffer(predictions, PyBUF_WRITABLE)
        source.check_length(n.input_size)
        target.check_length(n.output_size)
        self.waiting = 0
        self._need(1, False)
        write_state(n, self.state.start, self.tape.rows)
        forward(n, self.memory.start, NULL, self.tape.rows, 1, <const double*> source.view.buf)
        activate_output(n.output, n.output_size, self.tape.rows + n.sums, <double*> target.view.buf)
        read_state(n, self.tape.rows + n.row, self.state.start)

    def _learn(self, x, targets, predictions, /):
        """One step on from the network's own state; the predictions are those before the update, if one is due."""
        cdef Network* n = &self.network
        cdef Buffer source = Buffer(x), wanted = Buffer(targets), target = Buffer(predictions, PyBUF_WRITABLE)
        cdef double* row
        cdef double work = 0.0
        source.check_length(n.input_size)
        wanted.check_length(n.target_size)
        target.check_length(n.output_size)
        # Where no update is due for long (or, with a window of 0, ever), the tape grows with the steps that wait.
        self._need(n.window if n.window > self.waiting else max(1, 2 * self.waiting), True)
        row = self.tape.rows + self.waiting * n.row
        write_state(n, self.state.start, row)
        forward(n, self.memory.start, NULL, row, 1, <const double*> source.view.buf)
        if not isfinite(loss_of_step(n, row, <const double*> wanted.view.buf)):
            raise diverged("", n.lr)
        if 0 < n.window <= self.waiting + 1:
            self.tape.bound = INFINITY      # the parameters may have been written to
            if not update(n, self.memory.start, self.tape, self.waiting + 1, &work):
                raise diverged("", n.lr)
            self.waiting = 0
        else:
            self.waiting += 1
        activate_output(n.output, n.output_size, row + n.sums, <double*> target.view.buf)
        read_state(n, row + n.row, self.state.start)

    def reset(self):
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        fill(self.state.start, self._state_size(), 0.0)
        self.waiting = 0


cdef int check_length(list values, Py_ssize_t length) except -1:
    if len(values) != length:
        raise ValueError(f"a buffer of {length} numbers is needed, not of {len(values)}")
    return 0
