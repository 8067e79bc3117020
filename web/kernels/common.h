/* What the kernels share. They are compiled to WebAssembly alone, without a library (build.sh). */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))

typedef uint8_t u8;
typedef uint16_t u16;
typedef int16_t i16;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;

static inline i32 clamp(i32 value, i32 low, i32 high) { return value < low ? low : value > high ? high : value; }

static inline void copy(float *to, const float *from, i32 count) {
  __builtin_memcpy(to, from, (size_t)count * sizeof(float));
}

/* y (n, outputs) = epilogue(x (n, inputs) · weightsᵀ), networks.c. */
void multiply(const float *x, i32 x_pitch, i32 n, i32 inputs, const float *weights, i32 outputs, const float *factor,
              const float *offset, i32 epilogue, float low, float high, float *y, i32 y_pitch);
