#ifndef FASTRNN_CPU_H
#define FASTRNN_CPU_H
/* Whether the CPU and the operating system offer x86-64-v3, or v4, as the x86-64 psABI defines them. Bits by Intel's
   manual, vol. 2A, CPUID, and of what the system saves, XCR0, vol. 1, 13.3. */
#if !defined(__x86_64__) && !defined(_M_X64)
#error "x86-64-v3 and v4 are for 64-bit x86 alone"
#endif
#include <stdint.h>

#ifdef _MSC_VER
#include <intrin.h>
static void fastrnn_cpuid(uint32_t leaf, uint32_t registers[4]) { __cpuidex((int *)registers, (int)leaf, 0); }
static uint64_t fastrnn_saved_by_system(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void fastrnn_cpuid(uint32_t leaf, uint32_t registers[4]) {
    __cpuid_count(leaf, 0, registers[0], registers[1], registers[2], registers[3]);
}
static uint64_t fastrnn_saved_by_system(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

enum { EAX, EBX, ECX, EDX };

static int fastrnn_has_v3(void) {
    /* SSE3, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C */
    const uint32_t leaf_1 = 1u << 0 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 | 1u << 23
                            | 1u << 27 | 1u << 28 | 1u << 29;
    const uint32_t leaf_7 = 1u << 3 | 1u << 5 | 1u << 8;    /* BMI1, AVX2, BMI2 */
    const uint32_t extended = 1u << 0 | 1u << 5;            /* LAHF-SAHF, LZCNT */
    uint32_t registers[4];
    fastrnn_cpuid(0, registers);
    if (registers[EAX] < 7)
        return 0;
    fastrnn_cpuid(1, registers);
    if ((registers[ECX] & leaf_1) != leaf_1)
        return 0;
    fastrnn_cpuid(7, registers);
    if ((registers[EBX] & leaf_7) != leaf_7)
        return 0;
    fastrnn_cpuid(0x80000000u, registers);
    if (registers[EAX] < 0x80000001u)
        return 0;
    fastrnn_cpuid(0x80000001u, registers);
    if ((registers[ECX] & extended) != extended)
        return 0;
    return (fastrnn_saved_by_system() & 6) == 6;            /* XMM and YMM registers */
}

static int fastrnn_has_v4(void) {
    const uint32_t leaf_7 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;   /* AVX512F, DQ, CD, BW, VL */
    uint32_t registers[4];
    if (!fastrnn_has_v3())
        return 0;
    fastrnn_cpuid(7, registers);
    if ((registers[EBX] & leaf_7) != leaf_7)
        return 0;
    return (fastrnn_saved_by_system() & 0xe6) == 0xe6;      /* masks and ZMM registers too */
}
#endif
