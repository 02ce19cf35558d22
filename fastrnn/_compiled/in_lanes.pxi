# Part of _core.pyx: the kinds in lanes. It has no twin: each function calls that of a network alone, and in the core
# for x86-64-v4 is compiled with a copy of it, for wider vectors: see void_in_lanes in vectors.pxi. `whole` and `if`
# tell the compiler that there are LANES, so that the copy has nothing for a rest of a vector or a network alone.

cdef inline Py_ssize_t whole(Py_ssize_t length) noexcept nogil:
    """The length as it is."""
    return length // LANES * LANES


# ---- activations ----

cdef void_in_lanes tanh_in_lanes(double* values, Py_ssize_t length) noexcept nogil:
    tanh_all(values, whole(length))


cdef void_in_lanes tanh_delta_in_lanes(Py_ssize_t size, const double* by_h, const double* h,
                                       out_t delta) noexcept nogil:
    tanh_delta(whole(size), by_h, h, delta)


cdef void_in_lanes sigmoid_in_lanes(double* values, Py_ssize_t length) noexcept nogil:
    sigmoid_all(values, whole(length))


cdef void_in_lanes sigmoid_delta_in_lanes(Py_ssize_t size, const double* by_h, const double* h,
                                          out_t delta) noexcept nogil:
    sigmoid_delta(whole(size), by_h, h, delta)


cdef void_in_lanes relu_in_lanes(double* values, Py_ssize_t length) noexcept nogil:
    relu_all(values, whole(length))


cdef void_in_lanes relu_delta_in_lanes(Py_ssize_t size, const double* by_h, const double* h,
                                       out_t delta) noexcept nogil:
    relu_delta(whole(size), by_h, h, delta)


# ---- cells ----

cdef void_in_lanes elman_forward_in_lanes(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    if net.at.lanes == LANES:
        elman_forward(net, rows, steps)


cdef void_in_lanes elman_backward_in_lanes(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                                           bint further) noexcept nogil:
    if net.at.lanes == LANES:
        elman_backward(net, rows, steps, by_state, further)


cdef void_in_lanes gru_forward_in_lanes(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    if net.at.lanes == LANES:
        gru_forward(net, rows, steps)


cdef void_in_lanes gru_backward_in_lanes(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                                         bint further) noexcept nogil:
    if net.at.lanes == LANES:
        gru_backward(net, rows, steps, by_state, further)


cdef void_in_lanes lstm_forward_in_lanes(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    if net.at.lanes == LANES:
        lstm_forward(net, rows, steps)


cdef void_in_lanes lstm_backward_in_lanes(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                                          bint further) noexcept nogil:
    if net.at.lanes == LANES:
        lstm_backward(net, rows, steps, by_state, further)


# ---- outputs and losses ----

cdef void_in_lanes predict_linear_in_lanes(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                           Py_ssize_t stride) noexcept nogil:
    if net.at.lanes == LANES:
        predict_linear(net, rows, steps, result, stride)


cdef void_in_lanes predict_sigmoid_in_lanes(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                            Py_ssize_t stride) noexcept nogil:
    if net.at.lanes == LANES:
        predict_sigmoid(net, rows, steps, result, stride)


cdef void_in_lanes predict_softmax_in_lanes(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                            Py_ssize_t stride) noexcept nogil:
    class_probabilities(net, rows, steps, result, stride, LANES)


cdef void_in_lanes binary_cross_entropy_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                                 const double* targets) noexcept nogil:
    binary_numbers(net, rows, steps, targets, LANES)


cdef void_in_lanes half_squared_error_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                               const double* targets) noexcept nogil:
    half_squared_numbers(net, rows, steps, targets, LANES)


cdef void_in_lanes cross_entropy_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                          const double* targets) noexcept nogil:
    class_numbers(net, rows, steps, targets, LANES)


# ---- the rows ----

cdef Activation[3] ACTIVATIONS_IN_LANES
ACTIVATIONS_IN_LANES[:] = [
    Activation(b"tanh", tanh_in_lanes, tanh_delta_in_lanes, True),
    Activation(b"sigmoid", sigmoid_in_lanes, sigmoid_delta_in_lanes, True),
    Activation(b"relu", relu_in_lanes, relu_delta_in_lanes, False),
]

cdef Cell[3] CELLS_IN_LANES
CELLS_IN_LANES[:] = [
    Cell(b"elman", elman_forward_in_lanes, elman_backward_in_lanes),
    Cell(b"gru", gru_forward_in_lanes, gru_backward_in_lanes),
    Cell(b"lstm", lstm_forward_in_lanes, lstm_backward_in_lanes),
]

cdef Output[3] OUTPUTS_IN_LANES
OUTPUTS_IN_LANES[:] = [
    Output(b"linear", predict_linear_in_lanes, NULL, decide_values),
    Output(b"sigmoid", predict_sigmoid_in_lanes, sigmoid_slope, decide_ones),
    Output(b"softmax", predict_softmax_in_lanes, NULL, decide_class),
]

cdef Loss[3] LOSSES_IN_LANES
LOSSES_IN_LANES[:] = [
    Loss(b"binary_cross_entropy", binary_cross_entropy_in_lanes),
    Loss(b"half_squared_error", half_squared_error_in_lanes),
    Loss(b"cross_entropy", cross_entropy_in_lanes),
]
