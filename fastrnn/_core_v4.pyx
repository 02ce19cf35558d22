# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: auto_pickle=False, autotestdict=False, freethreading_compatible=True
# cython: embedsignature=True, embedsignature.format=clinic, binding=False
"""The compiled core once more, for CPUs of the level x86-64-v4 (AVX-512), whose lanes take wider vectors."""
include "_core.pyx"
