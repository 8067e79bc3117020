/* Between planes (3, height, width) and rows of blocks, the boundary filter, and pixels. */
#include "common.h"

/* planes[c][size · row + i][size · column + j] of three planes ← (adds to) blocks (columns, 3 · size²); heights and widths: in
 * blocks. */
EXPORT(place_blocks)
void place_blocks(const float *blocks, i32 size, i32 row, i32 height, i32 width, i32 adds, float *planes) {
  size_t pitch = (size_t)width * size, plane = pitch * height * size;
  for (i32 column = 0; column < width; column++)
    for (i32 line = 0; line < 3 * size; line++, blocks += size) {
      float *target = planes + line / size * plane + (size_t)(row * size + line % size) * pitch + (size_t)column * size;
      for (i32 i = 0; i < size; i++) target[i] = adds ? target[i] + blocks[i] : blocks[i];
    }
}

/* The inverse: blocks of a row of blocks. */
EXPORT(take_blocks)
void take_blocks(const float *planes, i32 size, i32 row, i32 height, i32 width, float *blocks) {
  size_t pitch = (size_t)width * size, plane = pitch * height * size;
  for (i32 column = 0; column < width; column++)
    for (i32 line = 0; line < 3 * size; line++, blocks += size)
      copy(blocks, planes + line / size * plane + (size_t)(row * size + line % size) * pitch + (size_t)column * size, size);
}

/* A (16, 16) filter across every vertical and horizontal boundary of 16x16 blocks, in place. crossing: as `multiply` has
 * weights; rows: the same, (16, 16), row by row. work: room for a row. */
EXPORT(filter)
void filter(float *planes, i32 height, i32 width, const float *crossing, const float *rows, float *work) {
  if (width > 16)
    for (i32 line = 0; line < 3 * height; line++) {
      float *inner = planes + (size_t)line * width + 8;
      multiply(inner, 16, width / 16 - 1, 16, crossing, 16, NULL, NULL, 0, 0, 0, work, 16);
      copy(inner, work, width - 16);
    }
  for (i32 line = 0; line < 3 * height; line += height)
    for (i32 top = line + 8; top < line + height - 8; top += 16)
      for (i32 column = 0; column < width; column += 4) {
        float *here = planes + (size_t)top * width + column;
        v128_t samples[16];
        for (i32 i = 0; i < 16; i++) samples[i] = wasm_v128_load(here + (size_t)i * width);
        for (i32 i = 0; i < 16; i++) {
          v128_t sum = wasm_f32x4_const_splat(0);
          for (i32 j = 0; j < 16; j++)
            sum = wasm_f32x4_add(sum, wasm_f32x4_mul(samples[j], wasm_v128_load32_splat(rows + 16 * i + j)));
          wasm_v128_store(here + (size_t)i * width, sum);
        }
      }
}

/* RGBA, opaque, of the part of the planes that begins at (top, left). affine: (3, 4), what colours are turned back by, on top
 * of which comes 0.5. grey: the mean of the three for each. */
EXPORT(to_pixels)
void to_pixels(const float *planes, i32 height, i32 width, i32 top, i32 left, i32 rows, i32 columns, const float *affine,
               i32 grey, u8 *pixels) {
  size_t plane = (size_t)height * width;
  for (i32 row = 0; row < rows; row++)
    for (i32 column = 0; column < columns; column++, pixels += 4) {
      const float *here = planes + (size_t)(top + row) * width + left + column;
      float r = here[0] + 0.5f, g = here[plane] + 0.5f, b = here[2 * plane] + 0.5f, colour[3];
      for (i32 c = 0; c < 3; c++) {
        const float *line = affine + 4 * c;
        colour[c] = line[0] * r + line[1] * g + line[2] * b + line[3];
      }
      if (grey) colour[0] = colour[1] = colour[2] = (colour[0] + colour[1] + colour[2]) / 3;
      for (i32 c = 0; c < 3; c++) {
        float level = colour[c] * 255 + 0.5f;
        pixels[c] = (u8)(level < 0 ? 0 : level > 255 ? 255 : level);
      }
      pixels[3] = 255;
    }
}

/* Planes (3, height, width), less 0.5, of RGBA pixels (rows, columns), edges replicated; affine: what colours are turned by. */
EXPORT(from_pixels)
void from_pixels(const u8 *pixels, i32 rows, i32 columns, i32 height, i32 width, const float *affine, float *planes) {
  size_t plane = (size_t)height * width;
  for (i32 row = 0; row < height; row++)
    for (i32 column = 0; column < width; column++) {
      const u8 *here = pixels + 4 * ((size_t)clamp(row, 0, rows - 1) * columns + clamp(column, 0, columns - 1));
      float r = here[0] / 255.0f, g = here[1] / 255.0f, b = here[2] / 255.0f;
      for (i32 c = 0; c < 3; c++) {
        const float *line = affine + 4 * c;
        planes[c * plane + (size_t)row * width + column] = line[0] * r + line[1] * g + line[2] * b + line[3] - 0.5f;
      }
    }
}
