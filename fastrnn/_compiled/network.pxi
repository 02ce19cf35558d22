# Part of _core.pyx: a network as the passes take it, and a row of the tape. The twin: _plain/network.py.

# ---- helpers: what a kind gives. It is taken a pass at a time, not a step at a time ----

cdef enum:
    SETTINGS = 4        # numbers that a loss or an optimizer can take


cdef struct Network

ctypedef const double* numbers_t

ctypedef void (*activate_t)(double* values, Py_ssize_t length) noexcept nogil
ctypedef void (*derive_t)(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil
ctypedef void (*forward_t)(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil
ctypedef void (*backward_t)(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                            bint further) noexcept nogil
ctypedef void (*predict_t)(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                           Py_ssize_t stride) noexcept nogil
ctypedef double (*slope_t)(double value) noexcept nogil
ctypedef void (*decide_t)(Py_ssize_t size, const double* predictions, double* decisions) noexcept nogil
ctypedef void (*loss_t)(const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil
ctypedef Py_ssize_t (*optimizer_t)(const Network* net, const double* factor, double* gradient) noexcept nogil


cdef struct Activation:
    const char* name
    activate_t activate
    derive_t derive
    bint bounded            # whether no value is larger than 1, and no derivative

cdef struct Cell:
    const char* name
    forward_t forward
    backward_t backward

cdef struct Output:
    const char* name
    predict_t predict
    slope_t slope           # of a prediction by its sum, from the prediction; NULL: 1.0, or not wanted
    decide_t decide

cdef struct Loss:
    const char* name
    loss_t loss

cdef struct Optimizer:
    const char* name
    optimizer_t propose


cdef struct Parameters:     # as they lie, or what is laid out as they are
    Matrix gates            # columns: b_hidden, w_input_hidden and, where not apart, w_hidden_hidden
    Matrix hidden           # columns of w_hidden_hidden
    Matrix own
    Matrix outputs          # rows of w_hidden_output
    Matrix b_output


cdef struct Term:           # a part of the gradient: of[k][i] is the sum over all steps of rows[k] * columns[i]
    Py_ssize_t rows         # where these stand, from the beginning of a row of the tape,
    bint rows_of_slate      # or of the slate
    Py_ssize_t columns
    bint columns_of_slate
    Matrix of


# ---- helpers: the settings of a lane ----

cdef struct Settings:
    double lr, clip, l1, min_delta      # a clip of infinity is none
    Py_ssize_t window           # 0: the whole sequence
    Py_ssize_t batch_size       # 0: all sequences
    Py_ssize_t patience         # -1: none
    double[SETTINGS] of_loss    # the settings of the loss,
    double[SETTINGS] of_optimizer   # and those of the optimizer
    uint64_t* generator         # the state of the one that shuffles; NULL: nobody does
    const double* input_mean    # and so on, one a column; NULL: what goes in or comes out is not scaled
    const double* input_scale
    const double* target_mean
    const double* target_scale


# ---- a network as the passes take it, and a row of the tape ----

cdef struct Network:
    Layout at
    Cell cell
    Activation activation
    Output output
    Loss loss
    Optimizer optimizer
    bint classes                # all outputs together are one decision, a class
    bint return_sequences       # there is a target a step; else one a sequence, for the last
    double* memory              # the parameters, then all else that learning changes
    Parameters parameters
    Term[5] terms
    Py_ssize_t terms_count
    const double* zeros         # as many as a state has
    const double* fresh         # and what looks like a row of the tape with a fresh state
    double* b_hidden            # what the sums of the gates start from,
    double* own                 # the cell's own parameters,
    double* b_output            # and what those of the output layer start from
    Matrix w_gates              # columns: w_input_hidden and w_hidden_hidden side by side, or where apart the first,
    Matrix w_hidden_hidden      # and where apart the second
    Matrix w_rows               # w_hidden_hidden as rows, packed
    Matrix w_outputs            # in lanes: columns of w_hidden_output
    const Settings* of          # one a lane
    double* taken_targets       # room for those of a pass
    double* slate


cdef struct Row:
    double* loss
    double* weight
    double* x
    double* h
    double* c
    double* trace
    double* sums
    double* gradient
    double* by_output
    double* delta
    double* delta_hidden
    double* by_own


# ---- helpers: where they lie ----

cdef inline Row row_at(const Network* net, const double* rows, Py_ssize_t t) noexcept nogil:
    cdef const Layout* at = &net.at
    cdef double* row = <double*> rows + t * at.row
    cdef double* slate = net.slate + t * at.slate
    return Row(row + at.loss, row + at.weight, row + at.x, row + at.h, row + at.c, row + at.trace, row + at.sums,
               row + at.gradient, slate + at.by_output, slate + at.delta, slate + at.delta_hidden,
               slate + at.by_own)


cdef inline Parameters parameters_at(const Layout* at, double* start) noexcept nogil:
    cdef Py_ssize_t inputs = 1 + at.input_size, step = at.lanes if at.lanes > 1 else 0
    return Parameters(
        Matrix(start + at.b_hidden, at.stride, inputs if at.apart else inputs + at.hidden_size, at.gates_width, step,
               False),
        Matrix(start + at.w_hidden_hidden, at.stride, at.hidden_size, at.gates_width, step, False),
        Matrix(start + at.own, 0, 1, at.own_width, step, False),
        Matrix(start + at.w_hidden_output, at.hidden_width, at.output_size, at.hidden_width, step, False),
        Matrix(start + at.b_output, 0, 1, at.output_width, step, False))


cdef void add_term(Network* net, Term term) noexcept nogil:
    net.terms[net.terms_count] = term
    net.terms_count += 1


cdef void settle_places(Network* net, double* memory) noexcept nogil:
    """Set all that follows from the layout and from where the memory is."""
    cdef const Layout* at = &net.at
    cdef Parameters* of = &net.parameters
    net.memory = memory
    of[0] = parameters_at(at, memory)
    net.terms_count = 0
    add_term(net, Term(at.one, False, at.delta, True, of.gates))
    if at.apart:
        add_term(net, Term(at.h, False, at.delta_hidden, True, of.hidden))
    if at.own_size:
        add_term(net, Term(at.one, False, at.by_own, True, of.own))
    add_term(net, Term(at.by_output, True, at.row + at.h, False, of.outputs))
    add_term(net, Term(at.one, False, at.by_output, True, of.b_output))


cdef inline Products products_of(const Network* net, const double* rows, const Term* term, Py_ssize_t steps,
                                 Way way) noexcept nogil:
    """The sum that a part of the gradient is, over the steps of a pass."""
    return Products((net.slate if term.rows_of_slate else rows) + term.rows,
                    net.at.slate if term.rows_of_slate else net.at.row,
                    (net.slate if term.columns_of_slate else rows) + term.columns,
                    net.at.slate if term.columns_of_slate else net.at.row, steps, way, NULL, 0)
