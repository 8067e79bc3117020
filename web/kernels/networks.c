/* Layers of the networks. Features are position-major: (rows · columns, channels), so that a layer over channels is a product
 * of matrices and any positions can be picked. Numbers are float32; the integer networks stay exact in it (FORMAT.md, section 2).
 */
#include "common.h"

#define PANEL 8  /* outputs that are computed together: weights are stored (outputs / 8, inputs, 8), the last filled up */
#define CHUNK 32 /* rows that are taken through all panels together, so that they stay in the nearest cache */

enum { LINEAR, RELU, INTEGER, ADD }; /* epilogues: y = v, max(v, 0), clip(⌊v⌋), y + v, of v = sum · factor + offset */

static inline v128_t finish(v128_t sum, const float *factor, const float *offset, i32 epilogue, v128_t low, v128_t high,
                            const float *y) {
  v128_t value = sum;
  if (factor) value = wasm_f32x4_mul(value, wasm_v128_load(factor));
  if (offset) value = wasm_f32x4_add(value, wasm_v128_load(offset));
  switch (epilogue) {
    case RELU: return wasm_f32x4_max(value, wasm_f32x4_const_splat(0));
    case INTEGER: return wasm_f32x4_min(wasm_f32x4_max(wasm_f32x4_floor(value), low), high);
    case ADD: return wasm_f32x4_add(wasm_v128_load(y), value);
    default: return value;
  }
}

#define STEP(row)                                                   \
  a = wasm_v128_load32_splat(x##row + k);                           \
  left##row = wasm_f32x4_add(left##row, wasm_f32x4_mul(a, b0));     \
  right##row = wasm_f32x4_add(right##row, wasm_f32x4_mul(a, b1))

/* Four rows of one panel, into four rows of eight. */
static inline void tile(const float *x0, const float *x1, const float *x2, const float *x3, i32 inputs, const float *panel,
                        v128_t sums[8]) {
  v128_t left0 = wasm_f32x4_const_splat(0), left1 = left0, left2 = left0, left3 = left0;
  v128_t right0 = left0, right1 = left0, right2 = left0, right3 = left0, a;
  for (i32 k = 0; k < inputs; k++, panel += PANEL) {
    v128_t b0 = wasm_v128_load(panel), b1 = wasm_v128_load(panel + 4);
    STEP(0);
    STEP(1);
    STEP(2);
    STEP(3);
  }
  sums[0] = left0, sums[1] = right0, sums[2] = left1, sums[3] = right1;
  sums[4] = left2, sums[5] = right2, sums[6] = left3, sums[7] = right3;
}

/* factor, offset: (outputs,) filled up to whole panels, or NULL. low, high: limits of INTEGER. */
EXPORT(multiply)
void multiply(const float *x, i32 x_pitch, i32 n, i32 inputs, const float *weights, i32 outputs, const float *factor,
              const float *offset, i32 epilogue, float low, float high, float *y, i32 y_pitch) {
  v128_t lowest = wasm_f32x4_splat(low), highest = wasm_f32x4_splat(high), sums[8];
  for (i32 first = 0; first < n; first += CHUNK) {
    i32 last = first + CHUNK < n ? first + CHUNK : n;
    const float *panel = weights;
    for (i32 output = 0; output < outputs; output += PANEL, panel += inputs * PANEL) {
      const float *factors = factor ? factor + output : NULL, *offsets = offset ? offset + output : NULL;
      for (i32 row = first; row < last; row += 4) {
        i32 rows = last - row < 4 ? last - row : 4;
        const float *here = x + (size_t)row * x_pitch; /* rows beyond the last repeat it */
        const float *x1 = here + (rows > 1 ? x_pitch : 0), *x2 = x1 + (rows > 2 ? x_pitch : 0);
        tile(here, x1, x2, x2 + (rows > 3 ? x_pitch : 0), inputs, panel, sums);
        for (i32 i = 0; i < rows; i++) {
          float *target = y + (size_t)(row + i) * y_pitch + output;
          if (outputs - output >= PANEL) {
            v128_t before = finish(sums[2 * i], factors, offsets, epilogue, lowest, highest, target);
            v128_t after = finish(sums[2 * i + 1], factors ? factors + 4 : NULL, offsets ? offsets + 4 : NULL, epilogue,
                                  lowest, highest, target + 4);
            wasm_v128_store(target, before);
            wasm_v128_store(target + 4, after);
          } else {
            float part[PANEL];
            copy(part, target, outputs - output);
            wasm_v128_store(part, finish(sums[2 * i], factors, offsets, epilogue, lowest, highest, part));
            wasm_v128_store(part + 4, finish(sums[2 * i + 1], factors ? factors + 4 : NULL, offsets ? offsets + 4 : NULL,
                                             epilogue, lowest, highest, part + 4));
            copy(target, part, outputs - output);
          }
        }
      }
    }
  }
}

/* (n, 9 · channels): the 3x3 neighbours, row by row, of each of `positions` (n,), edges replicated. */
EXPORT(neighbours)
void neighbours(const float *x, i32 pitch, i32 height, i32 width, i32 channels, const u32 *positions, i32 n, float *y) {
  for (i32 i = 0; i < n; i++) {
    i32 row = (i32)positions[i] / width, column = (i32)positions[i] % width;
    for (i32 down = -1; down <= 1; down++)
      for (i32 right = -1; right <= 1; right++, y += channels) {
        i32 place = clamp(row + down, 0, height - 1) * width + clamp(column + right, 0, width - 1);
        copy(y, x + (size_t)place * pitch, channels);
      }
  }
}

/* One row's columns first … last − 1 of a depthwise 3x3 convolution, edges replicated. weights: (9, channels); channels: a
 * multiple of 4. */
static void depthwise(const float *x, i32 height, i32 width, i32 channels, i32 row, i32 first, i32 last, const float *weights,
                      const float *offset, float *y) {
  for (i32 column = first; column < last; column++, y += channels) {
    const float *around[9];
    for (i32 i = 0; i < 9; i++)
      around[i] = x + ((size_t)clamp(row + i / 3 - 1, 0, height - 1) * width +
                       clamp(column + i % 3 - 1, 0, width - 1)) * channels;
    for (i32 c = 0; c < channels; c += 4) {
      v128_t sum = wasm_v128_load(offset + c);
      for (i32 i = 0; i < 9; i++)
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(around[i] + c), wasm_v128_load(weights + i * channels + c)));
      wasm_v128_store(y + c, sum);
    }
  }
}

/* A residual block: y = x + project(relu(expand(depthwise(x)))). work: room for CHUNK · (channels + expanded) numbers. */
EXPORT(block)
void block(const float *x, i32 height, i32 width, i32 channels, i32 expanded, const float *depthwise_weights,
           const float *depthwise_offset, const float *expand_weights, const float *expand_offset, const float *project_weights,
           const float *project_offset, float *work, float *y) {
  float *wide = work + CHUNK * channels;
  for (i32 row = 0; row < height; row++)
    for (i32 first = 0; first < width; first += CHUNK) {
      i32 last = first + CHUNK < width ? first + CHUNK : width, n = last - first;
      size_t place = ((size_t)row * width + first) * channels;
      depthwise(x, height, width, channels, row, first, last, depthwise_weights, depthwise_offset, work);
      multiply(work, channels, n, channels, expand_weights, expanded, NULL, expand_offset, RELU, 0, 0, wide, expanded);
      copy(y + place, x + place, n * channels);
      multiply(wide, expanded, n, expanded, project_weights, channels, NULL, project_offset, ADD, 0, 0, y + place, channels);
    }
}

/* ln of a normal positive number, to a unit in the last place or two (Cephes, logf). */
static inline float logarithm(float x) {
  u32 bits;
  __builtin_memcpy(&bits, &x, 4);
  i32 exponent = (i32)(bits >> 23) - 126;
  bits = (bits & 0x007fffff) | 0x3f000000;
  float m;
  __builtin_memcpy(&m, &bits, 4); /* 0.5 … 1 */
  i32 small = m < 0.70710678f;
  exponent -= small;
  m = (small ? m + m : m) - 1;
  float e = (float)exponent, z = m * m;
  float y = 7.0376836292e-2f;
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  return m + (y * m * z + e * -2.12194440e-4f - 0.5f * z) + e * 0.693359375f;
}

/* y = asinh(x · factor), for rows of that many channels. */
EXPORT(compress)
void compress(const float *x, i32 n, i32 channels, const float *factor, float *y, i32 y_pitch) {
  for (i32 row = 0; row < n; row++, x += channels, y += y_pitch)
    for (i32 c = 0; c < channels; c++) {
      float value = x[c] * factor[c], size = __builtin_fabsf(value);
      y[c] = __builtin_copysignf(logarithm(size + __builtin_sqrtf(size * size + 1)), value);
    }
}

/* y = x · factor, whole numbers to float32. */
EXPORT(dequantise) void dequantise(const i32 *x, i32 n, i32 channels, const float *factor, float *y) {
  for (i32 row = 0; row < n; row++, x += channels, y += channels)
    for (i32 c = 0; c < channels; c++) y[c] = (float)x[c] * factor[c];
}
