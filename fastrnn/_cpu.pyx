# cython: language_level=3, auto_pickle=False, autotestdict=False, freethreading_compatible=True, binding=False
"""What the CPU can do. A core for a CPU that is not this one cannot be imported to find out: that could crash."""

cdef extern from "_cpu.h":
    bint fastrnn_has_v3() nogil
    bint fastrnn_has_v4() nogil


def has_v3():
    """Whether the CPU and the operating system offer x86-64-v3."""
    return fastrnn_has_v3()


def has_v4():
    """Whether they offer x86-64-v4 as well."""
    return fastrnn_has_v4()
