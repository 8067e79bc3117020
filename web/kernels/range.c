/* Range coder of bitstreams/FORMAT.md, section 4, and its passes. */
#include "common.h"

#define PRECISION 24
#define TOTAL (1u << PRECISION)
#define ESCAPE_LENGTHS 24
#define MAX_RESIDUAL (1 << 20)
#define BINS 256 /* of a table, by the highest bits of a quantile: where the search for a symbol begins */

/* Coding tables. cumulative: of table i, from starts[i] on, what comes before each symbol, and the total at the end. */
typedef struct {
  const u32 *cumulative;
  const u32 *starts;
  const i32 *reach; /* -1: the table is empty */
  u16 *bins;        /* (count, BINS + 1) */
  u32 count;
} Tables;

typedef struct {
  u64 lower, range, point;
  u32 *words;
  u32 next, count;
} Coder;

EXPORT(tables_size) u32 tables_size(void) { return sizeof(Tables); }
EXPORT(coder_size) u32 coder_size(void) { return sizeof(Coder); }

EXPORT(tables_open)
void tables_open(Tables *tables, const u32 *cumulative, const u32 *starts, const i32 *reach, u16 *bins, u32 count) {
  *tables = (Tables){cumulative, starts, reach, bins, count};
  for (u32 table = 0; table < count; table++) {
    const u32 *edges = cumulative + starts[table];
    u32 last = 2 * (u32)(reach[table] + 1) - 1, symbol = 0;
    if (reach[table] < 0) continue;
    for (u32 bin = 0; bin < BINS; bin++) {
      while (symbol < last && edges[symbol + 1] <= bin << (PRECISION - 8)) symbol++;
      bins[table * (BINS + 1) + bin] = (u16)symbol;
    }
    bins[table * (BINS + 1) + BINS] = (u16)last;
  }
}

/* words: `count` of them; all that are read beyond are zero. */
EXPORT(decoder_open) void decoder_open(Coder *coder, u32 *words, u32 count) {
  *coder = (Coder){0, ~(u64)0, 0, words, 2, count};
  coder->point = (u64)(count > 0 ? words[0] : 0) << 32 | (count > 1 ? words[1] : 0);
}

/* Whether all words are used up, as far as can be told (constriction's maybe_exhausted). */
EXPORT(decoder_exhausted) i32 decoder_exhausted(const Coder *coder) {
  if (coder->next < coder->count) return 0;
  return coder->range == ~(u64)0 || coder->point - coder->lower < ((u64)1 << 33) - 1;
}

static inline void narrow(Coder *coder, u64 scale, u32 left, u32 frequency) {
  coder->lower += scale * left;
  coder->range = scale * frequency;
  if (coder->range >> 32 == 0) {
    coder->lower <<= 32;
    coder->range <<= 32;
    coder->point = coder->point << 32 | (coder->next < coder->count ? coder->words[coder->next] : 0);
    coder->next++;
  }
}

/* -1 where no symbol has this quantile: the words are damaged. */
static inline i32 read_symbol(Coder *coder, const u32 *edges, const u16 *bins) {
  u64 scale = coder->range >> PRECISION, quantile = (coder->point - coder->lower) / scale;
  if (quantile >= TOTAL) return -1;
  u32 bin = (u32)(quantile >> (PRECISION - 8)), low = bins[bin], high = bins[bin + 1];
  while (low < high) {
    u32 middle = (low + high + 1) / 2;
    if (edges[middle] <= quantile) low = middle;
    else high = middle - 1;
  }
  narrow(coder, scale, edges[low], edges[low + 1] - edges[low]);
  return (i32)low;
}

static i32 read_uniform(Coder *coder, u32 size) {
  u64 scale = coder->range >> PRECISION, quantile = (coder->point - coder->lower) / scale;
  if (quantile >= TOTAL) return -1;
  u32 share = TOTAL / size, symbol = (u32)quantile / share;
  if (symbol >= size) symbol = size - 1;
  narrow(coder, scale, symbol * share, symbol == size - 1 ? TOTAL - symbol * share : share);
  return (i32)symbol;
}

static i32 read_escape(Coder *coder, i32 reach, i32 *residual) {
  i32 bits = read_uniform(coder, ESCAPE_LENGTHS);
  if (bits < 0) return 0;
  i32 low = bits ? read_uniform(coder, 1u << bits) : 0;
  if (low < 0) return 0;
  i32 value = reach + (1 << bits) + low;
  if (value > MAX_RESIDUAL) return 0;
  i32 sign = read_uniform(coder, 2);
  if (sign < 0) return 0;
  *residual = sign ? -value : value;
  return 1;
}

/* Elements in coding order: by table, and by place within a table. coded: (channels,), 0 for channels that are not coded, or
 * NULL. Returns how many there are. */
static u32 sort_by_table(const Tables *tables, const u8 *indices, u32 n, const u8 *coded, u32 channels, u32 *order) {
  u32 ends[257] = {0};
  for (u32 i = 0, channel = 0; i < n; i++, channel = channel + 1 == channels ? 0 : channel + 1)
    if (tables->reach[indices[i]] >= 0 && (!coded || coded[channel])) ends[indices[i] + 1]++;
  for (u32 table = 0; table < 256; table++) ends[table + 1] += ends[table];
  u32 count = ends[256];
  for (u32 i = 0, channel = 0; i < n; i++, channel = channel + 1 == channels ? 0 : channel + 1)
    if (tables->reach[indices[i]] >= 0 && (!coded || coded[channel])) order[ends[indices[i]]++] = i;
  return count;
}

/* Reads a pass: residuals (n,) for the tables `indices` (n,). order: room for n numbers. Returns 0 for damaged words. */
EXPORT(read_pass)
i32 read_pass(Coder *coder, const Tables *tables, const u8 *indices, u32 n, const u8 *coded, u32 channels, u32 *order,
              i32 *residuals) {
  __builtin_memset(residuals, 0, n * sizeof(i32));
  u32 count = sort_by_table(tables, indices, n, coded, channels, order), escapes = 0;
  for (u32 i = 0; i < count; i++) {
    u32 place = order[i], table = indices[place];
    i32 reach = tables->reach[table];
    i32 symbol = read_symbol(coder, tables->cumulative + tables->starts[table], tables->bins + table * (BINS + 1));
    if (symbol < 0) return 0;
    if (symbol == 2 * reach + 1) order[escapes++] = place; /* never ahead of i */
    else residuals[place] = symbol - reach;
  }
  for (u32 i = 0; i < escapes; i++)
    if (!read_escape(coder, tables->reach[indices[order[i]]], &residuals[order[i]])) return 0;
  return 1;
}

/* words: room for all that will be written. */
EXPORT(encoder_open) void encoder_open(Coder *coder, u32 *words) { *coder = (Coder){0, ~(u64)0, 0, words, 0, 0}; }

static void carry(Coder *coder) {
  for (u32 place = coder->next; place-- > 0 && ++coder->words[place] == 0;) {
  }
}

static void write_symbol(Coder *coder, u32 left, u32 frequency) {
  u64 scale = coder->range >> PRECISION, lower = coder->lower + scale * left;
  if (lower < coder->lower) carry(coder);
  coder->lower = lower;
  coder->range = scale * frequency;
  if (coder->range >> 32 == 0) {
    coder->words[coder->next++] = (u32)(lower >> 32);
    coder->lower <<= 32;
    coder->range <<= 32;
  }
}

static void write_uniform(Coder *coder, u32 symbol, u32 size) {
  u32 share = TOTAL / size;
  write_symbol(coder, symbol * share, symbol == size - 1 ? TOTAL - symbol * share : share);
}

/* Writes a pass. Every word that it may take must have room: two for each residual and four for each escape are enough. */
EXPORT(write_pass)
void write_pass(Coder *coder, const Tables *tables, const u8 *indices, u32 n, const u8 *coded, u32 channels, u32 *order,
                const i32 *residuals) {
  u32 count = sort_by_table(tables, indices, n, coded, channels, order), escapes = 0;
  for (u32 i = 0; i < count; i++) {
    u32 place = order[i], table = indices[place];
    i32 reach = tables->reach[table], residual = residuals[place];
    i32 outside = residual > reach || residual < -reach, symbol = outside ? 2 * reach + 1 : residual + reach;
    const u32 *edges = tables->cumulative + tables->starts[table];
    write_symbol(coder, edges[symbol], edges[symbol + 1] - edges[symbol]);
    if (outside) order[escapes++] = place;
  }
  for (u32 i = 0; i < escapes; i++) {
    i32 residual = residuals[order[i]];
    u32 excess = (u32)((residual < 0 ? -residual : residual) - tables->reach[indices[order[i]]]);
    u32 bits = 31 - (u32)__builtin_clz(excess);
    write_uniform(coder, bits, ESCAPE_LENGTHS);
    if (bits) write_uniform(coder, excess - (1u << bits), 1u << bits);
    write_uniform(coder, residual < 0, 2);
  }
}

/* Ends the words; returns how many there are. Zero bytes at the end may be left off. */
EXPORT(encoder_close) u32 encoder_close(Coder *coder) {
  if (coder->range == ~(u64)0) return 0;
  u64 point = coder->lower + (((u64)1 << 32) - 1);
  if (point < coder->lower) carry(coder);
  coder->words[coder->next++] = (u32)(point >> 32);
  return coder->next;
}

/* From what a context network gives, (n, channels) whole numbers each, to tables and centres (section 5, step 2). */
EXPORT(predict)
void predict(const float *mean, const float *scale, u32 n, u32 channels, const i16 *scale_offset, const i32 *mean_factor,
             i32 last_table, u8 *tables, i32 *centres) {
  for (u32 row = 0; row < n; row++)
    for (u32 channel = 0; channel < channels; channel++) {
      u32 place = row * channels + channel;
      tables[place] = (u8)clamp(((i32)scale[place] + scale_offset[channel]) >> 3, 0, last_table);
      centres[place] = ((i32)mean[place] * mean_factor[channel] + (1 << 13)) >> 14;
    }
}

/* Residuals to values and units (section 5, step 4), at `positions` (n,) of arrays with rows of that pitch. */
EXPORT(settle)
void settle(const i32 *residuals, const i32 *centres, const u32 *positions, u32 n, u32 channels, const i32 *known_factor,
            i32 *values, u32 value_pitch, float *units, u32 unit_pitch) {
  for (u32 row = 0; row < n; row++) {
    i32 *value_row = values + (size_t)positions[row] * value_pitch;
    float *unit_row = units + (size_t)positions[row] * unit_pitch;
    for (u32 channel = 0; channel < channels; channel++) {
      i32 value = 16 * residuals[row * channels + channel] + centres[row * channels + channel];
      value_row[channel] = value;
      unit_row[channel] = (float)clamp((clamp(value, -8191, 8191) * known_factor[channel] + (1 << 11)) >> 12, -511, 511);
    }
  }
}
