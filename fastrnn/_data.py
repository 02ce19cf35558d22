"""The caller's values to checked float64 buffers, and results back in the caller's kind.

| given                                                  | given back                        |
|--------------------------------------------------------|-----------------------------------|
| list, tuple, range, generator and other iterables      | list                              |
| array.array                                            | array.array, rows as a memoryview |
| memoryview                                             | memoryview                        |
| NumPy array or memory map, other objects with __array__ | NumPy array                      |
| pandas Series or DataFrame                             | one of both, with the same index  |
| torch tensor                                           | torch tensor on the same device   |
| list of sequences                                      | list of what each would give      |
| array of three dimensions                              | array                             |

Where there is one result a sequence, an array (N, T, F) gives an array (N,) or (N, output_size), and any one sequence a
plain number, or a row: a list or an array of one dimension, of pandas a Series.

Of pandas a result keeps what is still true of it. Predictions and hidden states stand at the steps of the inputs: they
have the index, and no names, for they are no columns of what was given. What generate() gives are the next values of
the very columns of the inputs: it has their names, and an index that goes on, by the frequency of a DatetimeIndex,
PeriodIndex or TimedeltaIndex (its own, or the one that pandas infers) or by the step of a RangeIndex; else it counts
from 0. Class numbers that were fed back as ones among zeros are other columns, without names.

fastrnn imports none of these libraries: whoever holds an object of theirs has imported them.
"""

from __future__ import annotations

import sys
from itertools import chain, islice
from math import inf, isfinite, isinf

from fastrnn._backend import core
from fastrnn._checks import attribute, dimensions, doubles, number, real, type_name

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from fastrnn._kinds import Spec

# The formats of a native double: memoryview knows "d" alone, ctypes and others spell out the byte order.
DOUBLE = ("d", "@d", "=d", "<d" if sys.byteorder == "little" else ">d")

NO_SEQUENCE = (str, bytes, dict, set, frozenset)  # iterables that are none, or not of numbers
FLAT = (float, int, *NO_SEQUENCE)  # what depth() does not look into
RAW = ("bytes", "bytearray", "mmap")  # buffers of bytes, not of numbers

CHUNK = 8192  # elements taken from an iterator at a time: few enough to stay in the CPU's cache
BLOCK = 1 << 20  # elements converted at a time: between two blocks Ctrl-C is heard
DEEPEST = 4  # levels that depth() counts: a list of sequences of rows has 3
LARGEST = sys.float_info.max


# ---- numbers, rows and sequences ----


def take(values: Any, name: str) -> memoryview[float]:
    """`values` as a one-dimensional, contiguous float64 buffer of finite numbers.

    That is the caller's own memory where it is one already, and else a copy. TypeError and ValueError name `name` and
    the first bad position.
    """
    return _take(values, name, None)


def take_state(values: Any, name: str = "state") -> memoryview[float]:
    """take(), of numbers that can be infinite: a state of relu can, and a network goes on from it as in one go."""
    try:
        return take(values, name)
    except ValueError:
        listed = values.tolist() if hasattr(values, "tolist") else values
        if not isinstance(listed, (list, tuple)):
            raise
        infinite = {i: float(x) for i, x in enumerate(listed) if _is_infinite(x)}
        for i, x in enumerate(listed):
            if isinstance(x, float) and x != x:
                raise ValueError(f"{name}[{i}] must be a number, not {x}") from None
        if not infinite:
            raise
    numbers = take([0.0 if i in infinite else x for i, x in enumerate(listed)], name)
    for i, x in infinite.items():
        numbers[i] = x
    return numbers


def _is_infinite(value: Any) -> bool:
    try:
        return isinf(value)
    except (TypeError, ValueError, OverflowError):  # no number; a signaling NaN; an int too large
        return False


def take_rows(values: Any, name: str, width: int, finite: bool = True) -> memoryview[float]:
    """The same of a sequence of rows of `width` numbers, T x width, or with a width of 1 of T numbers too.

    The buffer is flat, row after row. finite: NaN and infinity are refused; if not, what is masked is NaN.
    """
    return _take(values, name, width, finite)


def take_column(values: Any, name: str) -> memoryview[float]:
    """take(), of T rows of one number too."""
    values = _opened(values, name)
    is_column = depth(values) == 2 and row_length(values) == 1
    return take_rows(values, name, 1) if is_column else take(values, name)


def take_table(values: Any, name: str, shape: tuple[int, ...]) -> memoryview[float]:
    """The same of what has a fixed shape, (rows,) or (rows, columns)."""
    rows, columns = shape if len(shape) == 2 else (*shape, 1)
    given = attribute(values, "shape") if dimensions(values) is not None else None
    if isinstance(given, tuple) and tuple(given) not in (shape, shape if columns > 1 else (rows,)):
        raise ValueError(f"{name} must have shape {shape}, not {tuple(given)}")
    if len(shape) == 1 and depth(values) > 1:
        raise ValueError(f"{name} must have shape {shape}: numbers in a row, not rows of numbers")
    numbers = take(values, name) if len(shape) == 1 else take_rows(values, name, columns)
    if len(numbers) != rows * columns:
        of = "numbers" if len(shape) == 1 else "rows"
        raise ValueError(f"{name} must have {rows} {of}, not {len(numbers) // columns}")
    return numbers


def take_sequences(values: Any, name: str, width: int, several: bool = False, finite: bool = True) -> Sequences:
    """The same of one such sequence, or of several: a list of them, or an array of three dimensions.

    With a width of 1 a list of lists of one number each could be both, and is one sequence unless `several`; an array
    (N, T) is several sequences if `several`.
    """
    values = _opened(values, name)
    levels = depth(values)
    if levels == 2 and width == 1 and isinstance(values, (list, tuple)):
        several = several or any(_length(row) != 1 for row in values)
    elif levels == 2 and width == 1 and several:
        length = row_length(values) or 0
        numbers = take_rows(values, name, length, finite)
        return Sequences(name, width, numbers, [length] * values.shape[0], several=True)
    elif levels > 3:
        raise ValueError(f"{name} is nested too deep: it must be a sequence of rows, or a list of such sequences")
    else:
        several = levels == 3
    if not several:
        numbers = take_rows(values, name, width, finite)
        return Sequences(name, width, numbers, [len(numbers) // width])
    sequences = list(values)
    parts = [take_rows(sequence, f"{name}[{i}]", width, finite) for i, sequence in enumerate(sequences)]
    numbers, end = zeros("d", sum(map(len, parts))), 0
    for part in parts:
        for start in range(0, len(part), BLOCK):
            block = part[start : start + BLOCK]
            numbers[end : end + len(block)] = block
            end += len(block)
    return Sequences(name, width, numbers, [len(part) // width for part in parts], sequences, several=True)


class Sequences:
    """One or several sequences, one after the other in a flat buffer.

    name : what errors call them.
    width : numbers of a row; `lengths` counts rows.
    given : the caller's sequences, where there are several and results are to be in the kind of each.
    each : whether these are no sequences, but one row for each.
    """

    def __init__(
        self,
        name: str,
        width: int,
        numbers: memoryview[float],
        lengths: list[int],
        given: list[Any] | None = None,
        several: bool = False,
        each: bool = False,
    ) -> None:
        self.name, self.width, self.numbers, self.lengths = name, width, numbers, lengths
        self.given, self.several, self.each = given, several, each

    def renamed(self, name: str) -> Sequences:
        """The same under another name."""
        return Sequences(name, self.width, self.numbers, self.lengths, self.given, self.several, self.each)

    def name_of(self, i: int) -> str:
        """What an error calls a sequence."""
        return f"{self.name}[{i}]" if self.several else self.name

    def place(self, position: int) -> str:
        """What an error calls a position in `numbers`."""
        i = 0
        while position >= self.lengths[i] * self.width:
            position -= self.lengths[i] * self.width
            i += 1
        if self.each:
            return self.name_of(i) if self.width == 1 else f"{self.name_of(i)}[{position}]"
        return _place(self.name_of(i), position, self.width)

    def refuse_empty(self) -> None:
        """Where something is to be given for every sequence, each needs a step."""
        if 0 in self.lengths:
            which = self.name_of(self.lengths.index(0))
            raise ValueError(f"{which} is empty: with return_sequences=False every sequence needs a step")


def _take(values: Any, name: str, width: int | None, finite: bool = True) -> memoryview[float]:
    """take(), for a width of None, and take_rows()."""
    if hasattr(values, "__array__"):
        values = _from_array(values, name, width, finite)
    try:
        view = memoryview(values)
    except TypeError:
        return _copy(values, name, finite) if width is None else _copy_rows(values, name, width, finite)
    _check_shape(name, view.shape, width)
    if view.format == "B" and type(values).__name__ in RAW:
        raise TypeError(
            f"{name} is raw bytes ({type(values).__name__}), not numbers; if they are those of float64 values, "
            f"pass memoryview({name}).cast('d')"
        )
    if view.nbytes == 0:
        return zeros("d", 0)
    if view.format not in DOUBLE or not view.c_contiguous:
        if view.ndim == 1:
            return _copy(values, name, finite)
        return _copy_rows(_listed(view, name), name, width or 1, finite)
    numbers = view.cast("B").cast("d")
    if not core.is_aligned(numbers):
        numbers = memoryview(bytearray(numbers)).cast("d")
    position = core.find_not_finite(numbers) if finite else -1
    if position >= 0:
        raise ValueError(f"{_place(name, position, width)} must be finite, not {numbers[position]}")
    return numbers


def zeros(form: Literal["d", "q"], length: int) -> memoryview[Any]:
    """A new buffer of zeros: form "d" for float64, "q" for int64."""
    return memoryview(bytearray(8 * length)).cast(form)


def result_for(like: Any, form: Literal["d", "q"], length: int, name: str = "inputs") -> memoryview[Any]:
    """A new buffer, "d" or "q", to be filled and then given back by give().

    What does not fit into memory is a MemoryError that blames `name`, and what fits no memory a ValueError.
    """
    try:
        if hasattr(like, "__array__") and "numpy" in sys.modules:
            return memoryview(sys.modules["numpy"].empty(length, form))  # in huge pages: zeros() pays for small ones
        return zeros(form, length)
    except (MemoryError, OverflowError, ValueError):
        error = MemoryError if 8 * length <= sys.maxsize else ValueError
        raise error(f"{name} is too large: {length} numbers do not fit into memory") from None


def parts_of(result: memoryview[Any]) -> Any:
    """What parts of a result for several are cut from, each to be given back by give(): with NumPy, an array.

    Parts of an array take half as long as memoryviews that become arrays, and no work of the garbage collector.
    """
    return sys.modules["numpy"].asarray(result) if "numpy" in sys.modules else result


def give(
    result: Any,
    like: Any,
    shape: tuple[int, ...] | None = None,
    *,
    rows: Literal["same", "next", "other"] = "same",
    same_columns: bool = False,
) -> Any:
    """`result`, a buffer of result_for(), in the kind of `like`; without a copy where the kind allows.

    shape: of the result; None is flat. For pandas, rows: whether its rows are those of `like`, follow them, or are none
    of its; same_columns: whether its columns are those of `like`.
    """
    shape = shape or (len(result),)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and type(like) is numpy.ndarray:  # the most common, first
        return (result if type(result) is numpy.ndarray else numpy.asarray(result)).reshape(shape)
    result = memoryview(result)  # a part of one is an array: see parts_of()
    libraries = {str(base.__module__).partition(".")[0] for base in type(like).__mro__}
    if "torch" in libraries and hasattr(like, "device"):
        torch = sys.modules["torch"]
        dtype = torch.float64 if result.format == "d" else torch.int64
        values = result if len(result) else []  # torch takes no empty buffer
        return torch.asarray(values, dtype=dtype).reshape(shape).to(like.device)
    if "pandas" in libraries and hasattr(like, "index"):
        pandas = sys.modules["pandas"]
        index = like.index if rows == "same" else _continued(like.index, shape[0]) if rows == "next" else None
        names = None if not same_columns else like.columns if hasattr(like, "columns") else [like.name]
        values = numpy.asarray(result).reshape(shape)
        if len(shape) == 1:
            return pandas.Series(values, index=index, name=None if names is None else names[0])
        return pandas.DataFrame(values, index=index, columns=names)
    if hasattr(like, "__array__") and numpy is not None:
        return numpy.asarray(result).reshape(shape)
    if "array" in libraries and len(shape) == 1:
        array = sys.modules["array"].array(result.format)
        array.frombytes(result.cast("B"))
        return array
    if len(shape) > 1 and len(result):
        result = result.cast("B").cast(result.format, shape)
    return result if isinstance(like, memoryview) or "array" in libraries else result.tolist()


def _continued(index: Any, steps: int) -> Any:
    """The `steps` that follow a pandas index; None where it does not say how it goes on."""
    import warnings  # here: pandas has it

    pandas = sys.modules["pandas"]
    if isinstance(index, pandas.RangeIndex) and len(index):
        first = index[-1] + index.step
        return pandas.RangeIndex(first, first + index.step * steps, index.step, name=index.name)
    for kind, range_of in (
        (pandas.DatetimeIndex, pandas.date_range),
        (pandas.PeriodIndex, pandas.period_range),
        (pandas.TimedeltaIndex, pandas.timedelta_range),
    ):
        if isinstance(index, kind) and len(index):
            with warnings.catch_warnings():  # pandas tells of the type that a frequency will have
                warnings.simplefilter("ignore")
                frequency = index.freq or attribute(index, "inferred_freq")
            try:
                return frequency and range_of(index[-1], periods=steps + 1, freq=frequency, name=index.name)[1:]
            except (ValueError, OverflowError):  # beyond the last date that there is
                return None
    return None


def _from_array(values: Any, name: str, width: int | None, finite: bool) -> Any:
    """What `values`, an object with __array__, holds: a contiguous float64 NumPy array, or a list."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and type(values) is numpy.ndarray:  # the most common, first
        array = values
        _check_shape(name, array.shape, width)
    else:
        try:
            given = values.__array__()
            numpy = sys.modules.get("numpy")  # after it: some import NumPy there
            if not isinstance(given, getattr(numpy, "ndarray", ())):
                raise TypeError(f"its __array__() gives {type_name(given)}, not a NumPy array")
        except Exception as error:  # torch where a gradient is recorded, or where NumPy lacks the dtype or is not there
            try:
                return values.tolist()
            except Exception:
                what = str(error) or type_name(error)
                raise TypeError(f"{name} ({type_name(values)}) cannot be read as numbers: {what}") from error
        array = numpy.asarray(given)  # no subclass: its attributes could be anything
        _check_shape(name, array.shape, width)
        for holder in (values, given):  # NumPy's masked arrays give no mask with __array__()
            mask = None if attribute(holder, "filled") is None else numpy.asarray(attribute(holder, "mask"))
            if mask is not None and mask.dtype == bool and mask.any():
                if finite:
                    raise ValueError(f"{_place(name, mask.argmax(), width)} is masked: every step needs a number")
                array = numpy.where(mask, numpy.nan, array)
    if array.dtype.kind == "O":  # Python objects, each to be looked at
        return array.tolist()
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    if array.dtype == "float64" and array.flags.c_contiguous:
        return array
    numbers = numpy.empty(array.shape)
    rows = max(1, BLOCK // (width or 1))
    for start in range(0, len(array), rows):
        numbers[start : start + rows] = array[start : start + rows]
    return numbers


def _copy(values: Any, name: str, finite: bool) -> memoryview[float]:
    """The numbers of any iterable, in a buffer of our own."""
    if type(values) is list:  # what a subclass holds is for its iterator to say
        numbers = zeros("d", len(values))
        _copy_list(values, numbers, name, 0, None, finite)
        return numbers
    collected = bytearray()
    try:
        iterator = _iterate(values, name)
        while chunk := list(islice(iterator, CHUNK)):
            numbers = zeros("d", len(chunk))
            _copy_list(chunk, numbers, name, len(collected) // 8, None, finite)
            collected += numbers.cast("B")
    except NotImplementedError:  # from a memoryview
        raise TypeError(f"{name} is a buffer of a format that Python cannot read: make it float64 first") from None
    return memoryview(collected).cast("d")


def _copy_rows(values: Any, name: str, width: int, finite: bool) -> memoryview[float]:
    """The numbers of any iterable of rows, in a buffer of our own."""
    iterator = _iterate(values, name)
    first = list(islice(iterator, 1))
    if width == 1 and not (first and depth(first[0])):
        return _copy(values if type(values) is list else chain(first, iterator), name, finite)
    collected = bytearray()
    iterator = chain(first, iterator)
    while rows := list(islice(iterator, max(1, CHUNK // width))):
        chunk: list[Any] = []
        for row in rows:
            if not isinstance(row, (list, tuple)):
                place = f"{name}[{(len(collected) // 8 + len(chunk)) // width}]"
                if not depth(row):
                    raise ValueError(f"{place} must be a row of {_numbers(width)}, not {type_name(row)}")
                row = _take(row, place, None, finite).tolist()
            if len(row) != width:
                place = f"{name}[{(len(collected) // 8 + len(chunk)) // width}]"
                raise ValueError(f"{place} must have {_numbers(width)}, not {len(row)}")
            chunk += row
        if len(chunk) != len(rows) * width:  # a row of the caller's own type
            raise ValueError(f"{name} has a row with more or fewer numbers than its len()")
        numbers = zeros("d", len(chunk))
        _copy_list(chunk, numbers, name, len(collected) // 8, width, finite)
        collected += numbers.cast("B")
    return memoryview(collected).cast("d")


def _opened(values: Any, name: str) -> Any:
    """What is to be looked into before it is taken: arrays of objects are lists, and so are iterators of sequences."""
    if hasattr(values, "__array__"):
        if attribute(attribute(values, "dtype"), "kind") == "O" and hasattr(values, "tolist"):
            return values.tolist()
    elif isinstance(values, memoryview) and values.ndim == 3:
        return _listed(values, name)  # Python cannot take it apart
    elif not (isinstance(values, (list, tuple, *NO_SEQUENCE)) or _is_buffer(values)):
        iterator = _iterate(values, name)
        first = list(islice(iterator, 1))
        values = chain(first, iterator)
        if first and depth(first[0]) > 0:
            return list(values)
    return values


def row_length(values: Any) -> int | None:
    """How long the rows of a table are, by its shape or by the first."""
    if dimensions(values) is not None:
        shape = attribute(values, "shape")
        return shape[1] if isinstance(shape, tuple) and len(shape) == 2 else None
    return _length(next(iter(values), ()))


def _listed(view: memoryview[Any], name: str) -> list[Any]:
    try:
        return view.tolist()
    except NotImplementedError:
        raise TypeError(f"{name} is a buffer of a format that Python cannot read: make it float64 first") from None


def depth(values: Any) -> int:
    """How deep its numbers lie, by the first of them: 0 for a number, 1 for a sequence of numbers.

    More than DEEPEST levels are not counted: a list can be nested in itself.
    """
    levels = 0
    while isinstance(values, (list, tuple)) and levels < DEEPEST:
        levels += 1
        first: Any = 0.0
        for first in values:
            if not isinstance(first, (list, tuple)) or first:
                break
        values = first
    inside = dimensions(values)  # first: arrays are what is given most
    if inside is None:
        if isinstance(values, FLAT):
            return levels
        is_iterable = hasattr(values, "__iter__") and not isinstance(values, type)  # a class has that of its instances
        inside = 1 if is_iterable or _is_buffer(values) else 0
    return levels + inside


def _length(row: Any) -> int | None:
    """None where only a walk would tell, and for what is no row."""
    try:
        return len(row)
    except TypeError:
        return None


def is_writable(values: Any) -> bool:
    """Whether float64 numbers can be put into `values`, an array."""
    return _is_buffer(values) and not memoryview(values).readonly and memoryview(values).format == "d"


def _is_buffer(values: Any) -> bool:
    try:
        memoryview(values)
    except TypeError:
        return False
    return True


def _place(name: str, position: int, width: int | None) -> str:
    """What an error calls a position in a flat buffer."""
    if (width or 1) == 1:
        return f"{name}[{position}]"
    return f"{name}[{position // width}][{position % width}]"  # type: ignore[operator]


def _numbers(width: int) -> str:
    return f"{width} number{'s' if width > 1 else ''}"


def _iterate(values: Any, name: str) -> Iterator[Any]:
    if isinstance(values, NO_SEQUENCE):
        raise TypeError(f"{name} must be a sequence of numbers, not a {type(values).__name__}")
    try:
        return iter(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of numbers, not {type_name(values)}") from None


def _copy_list(
    values: list[Any], out: memoryview[float], name: str, offset: int, width: int | None, finite: bool
) -> None:
    """Copy a list to a buffer of its length; `offset` is where it starts in the caller's values, for the errors.

    width: of the rows that it was made of; None for none.
    """
    position = 0
    while position < len(out):
        stop = min(len(out), position + BLOCK)
        if len(values) == len(out):
            position = core.copy_numbers(values, position, stop, out)
            if position == stop:
                continue
            place = _place(name, offset + position, width)
            out[position] = _element(values[position], place, name, width, finite)
            position += 1
        if len(values) != len(out):  # an element of the caller's own type, or a signal handler, can do anything
            raise RuntimeError(f"{name} changed while it was read")


def _element(value: Any, element: str, name: str, width: int | None, finite: bool) -> float:
    """One number that is no plain finite float or int: the float it stands for, or the error."""
    if isinstance(value, (list, tuple)) or dimensions(value):
        if width is not None:
            raise ValueError(f"{name} is nested too deep: a row is of numbers, and {element} is a {type_name(value)}")
        raise ValueError(
            f"{element} is a {type(value).__name__}: {name} must be flat, one number a step. For one column of a table "
            f"pass [row[0] for row in {name}]"
        )
    return number(value, element) if finite else real(value, element)


def _check_shape(name: str, shape: tuple[int, ...] | None, width: int | None) -> None:
    """Of an array: (T,) where that will do, or (T, width)."""
    shape = shape or ()
    if (len(shape) == 1 and (width or 1) == 1) or (len(shape) == 2 and shape[1] == width):
        return
    if not shape:
        raise ValueError(f"{name} is a single number; it must be a sequence, one number a step")
    if width is None:
        raise ValueError(
            f"{name} has shape {shape}; it must be one-dimensional, one number a step. Pass one column, {name}[:, 0], "
            f"or all values in a row, {name}.ravel()"
        )
    raise ValueError(
        f"{name} has shape {shape}; it must be {'(T,) or ' if width == 1 else ''}(T, {width}), "
        f"{_numbers(width)} a step. Several sequences are a list of such, or an array (N, T, {width})"
    )


# ---- what is to be learnt from ----


class Examples:
    """Sequences and what is to be given for them, one after the other in flat float64 buffers.

    inputs, targets : rows of numbers; a target for every step or, where return_sequences is False, for every sequence.
    lengths : the steps of each sequence.
    weights : None, or finite numbers from 0 on, not all 0. Where one is 0, targets are any numbers, and NaN.
    by_step : whether the weights are one a step, and not one a sequence.
    several : whether the caller gave a list of sequences.
    """

    def __init__(self, x: Sequences, y: Sequences, w: Sequences | None) -> None:
        self.x, self.y = x, y
        self.inputs, self.lengths, self.several = x.numbers, x.lengths, x.several
        self.targets = y.numbers
        self.weights = None if w is None else w.numbers
        self.by_step = w is None or not w.each


def take_examples(spec: Spec, inputs: Any, targets: Any, sample_weight: Any = None, name: str = "") -> Examples:
    """What a network of this kind can learn from; TypeError and ValueError name the first bad position.

    sample_weight : in the shape of the steps, or one number for every sequence; None weighs all alike.
    name : what errors put before the names of the three, such as "validation".
    """
    names = _names(name)
    x = take_sequences(inputs, names[0], spec.input_size)
    if spec.return_sequences:
        y = _take_steps(targets, names[1], spec, x)
    else:
        x.refuse_empty()
        y = _take_one_each(targets, names[1], spec.target_size, x, spec.classes)
    if not sum(x.lengths):
        raise ValueError(f"{x.name} and {y.name} are empty: there is nothing to learn from")
    return _weighted(spec, x, y, sample_weight, names[2])


def take_again(spec: Spec, examples: Examples, sample_weight: Any, name: str) -> Examples:
    """take_examples() of the same inputs and targets, in the same buffers, with other weights."""
    names = _names(name)
    return _weighted(spec, examples.x.renamed(names[0]), examples.y.renamed(names[1]), sample_weight, names[2])


def _names(name: str) -> list[str]:
    return [f"{name} {what}".lstrip() for what in ("inputs", "targets", "sample_weight")]


def _weighted(spec: Spec, x: Sequences, y: Sequences, sample_weight: Any, name: str) -> Examples:
    w = None if sample_weight is None else _take_weights(sample_weight, name, spec, x)
    _check_targets(spec, y, w)
    return Examples(x, y, w)


def check_target(spec: Spec, target: memoryview[float], name: str) -> None:
    """Hold the target of one step, finite numbers, to what the loss can take."""
    low, high = spec.targets
    if low == -inf and high == inf:
        return
    position = core.find_bad_target(target, None, 1, low, high, spec.classes)
    if position >= 0:
        raise _out_of_range(spec, target[position], f"{name}[{position}]" if len(target) > 1 else name)


ONE_EACH = "a network made with return_sequences=False takes one for each sequence"


def _take_steps(targets: Any, name: str, spec: Spec, x: Sequences) -> Sequences:
    """A target for every step of the sequences x."""
    if isinstance(targets, (int, float)) or dimensions(targets) == 0:
        raise ValueError(f"{name} is a single number; it must be a sequence, one target a step ({ONE_EACH})")
    y = take_sequences(targets, name, spec.target_size, x.several, finite=False)
    if x.several and not y.several:
        raise ValueError(
            f"{x.name} is a list of sequences, and {name} is not: it must have one for each, one for every step "
            f"({ONE_EACH})"
        )
    _check_alike(x, y, ". A class is one number a step, not a row" if spec.classes else "", f" ({ONE_EACH})")
    return y


def _take_one_each(values: Any, name: str, width: int, x: Sequences, classes: bool = False) -> Sequences:
    """A row of `width` numbers for each of the sequences x; for one that is not in a list the row alone will do."""
    values = _opened(values, name) if depth(values) else values
    levels = depth(values)
    wanted = "the number of a class" if classes else "a number" if width == 1 else f"a row of {width} numbers"
    wanted = f"{name} must be {wanted} for {'each' if x.several else 'the whole'} sequence"
    if not x.several and levels == 0 and width == 1:
        numbers = doubles([real(values, name)])
    elif not x.several and levels == 1 and width > 1:
        numbers = _take(values, name, None, finite=False)
        if len(numbers) != width:
            raise ValueError(f"{wanted}, and it has {len(numbers)}")
    elif levels > 2 or (levels == 2 and width == 1 and row_length(values) != 1):
        raise ValueError(f"{wanted}, not several: return_sequences is False")
    else:
        numbers = take_rows(values, name, width, finite=False)
    count = len(numbers) // width
    if count != len(x.lengths):
        if x.several:
            raise ValueError(f"{x.name} has {len(x.lengths)} sequences, and {name} {count}: it must be one for each")
        raise ValueError(f"{wanted}, and it has {count}: return_sequences is False")
    return Sequences(name, width, numbers, [1] * count, several=x.several, each=True)


def _take_weights(values: Any, name: str, spec: Spec, x: Sequences) -> Sequences:
    """A weight for every step of the sequences x, or for each sequence."""
    values = _opened(values, name) if depth(values) else values
    if not spec.return_sequences or depth(values) == (1 if x.several else 0):
        w = _take_one_each(values, name, 1, x)
    else:
        w = take_sequences(values, name, 1, x.several, finite=False)
        _check_alike(x, w)
    most = LARGEST / max(1, len(w.numbers))  # so that they can be added up
    position = core.find_bad_target(w.numbers, None, 1, 0.0, most, False)
    if position >= 0:
        value = w.numbers[position]
        fault = "must not be negative" if value < 0.0 else f"must be at most {most:.3g}, to be added up"
        fault = f"{fault}, and it is {value}" if isfinite(value) else f"must be finite, not {value}"
        raise ValueError(f"{w.place(position)} {fault}")
    if w.each:
        counts = any(weight and length for weight, length in zip(w.numbers, x.lengths, strict=True))
    else:
        counts = core.find_bad_target(w.numbers, None, 1, 0.0, 0.0, False) >= 0
    if not counts:
        raise ValueError(f"{name} is 0 at every step: there is nothing to learn from")
    return w


def _check_alike(x: Sequences, y: Sequences, hint: str = "", hint_for_one: str = "") -> None:
    """Hold y to as many sequences as x, of the same lengths."""
    if y.several and not x.several:
        raise ValueError(f"{x.name} is one sequence, and {y.name} a list of sequences: both must be alike{hint}")
    if len(x.lengths) != len(y.lengths):
        raise ValueError(f"{x.name} has {len(x.lengths)} sequences, and {y.name} {len(y.lengths)}")
    for i, (of_x, of_y) in enumerate(zip(x.lengths, y.lengths, strict=True)):
        if of_x != of_y:
            which = f"{x.name_of(i)} and {y.name_of(i)}"
            told = hint_for_one if of_y == 1 else ""
            raise ValueError(f"{which} must be of one length, not {of_x} and {of_y}{told}")


def _check_targets(spec: Spec, y: Sequences, w: Sequences | None) -> None:
    """Hold targets to what the loss can take, wherever their weight is not 0."""
    low, high = spec.targets
    low, high = max(low, -LARGEST), min(high, LARGEST)  # which infinity and NaN are not within
    if w is None or w.each == y.each:
        weights = None if w is None else w.numbers
        position = core.find_bad_target(y.numbers, weights, y.width, low, high, spec.classes)
    else:
        start, position = 0, -1
        for length, weight in zip(y.lengths, w.numbers, strict=True):
            stop = start + length * y.width
            if weight:
                position = core.find_bad_target(y.numbers[start:stop], None, 1, low, high, spec.classes)
            if position >= 0:
                position += start
                break
            start = stop
    if position < 0:
        return
    value, place = y.numbers[position], y.place(position)
    if isfinite(value):
        raise _out_of_range(spec, value, place)
    whose = "its sequence" if y.each else "its step"
    way_out = f": give {whose} a sample_weight of 0 to leave it out" if y.several or not y.each else ""
    raise ValueError(f"{place} must be finite, not {value}{way_out}")


def _out_of_range(spec: Spec, value: float, place: str) -> ValueError:
    kind = "the number of a class, " if spec.classes else ""
    low, high = spec.targets
    way_out = ": give it a sample_weight of 0 to leave it out" if spec.classes and value == -1.0 else ""
    return ValueError(f"{place} must be {kind}from {low:g} to {high:g}, not {value:.17g}{way_out}")
