// The layers of the synthesis in WGSL, as kernels/*.c have them. Features are position-major, as there.

export const TILE = 32, // rows and outputs that a group of `multiply` makes
  GROUP = 8; // threads a side of every group

export const SHADERS = /* wgsl */ `
struct Layer {
  n: u32,         // positions
  columns: u32,   // of them
  inputs: u32,
  outputs: u32,
  size: u32,      // of blocks that outputs are placed in, a side
  placement: u32, // PLAIN: a row a position; SPREAD: (size, size, channels) to positions; BLOCKS: (3, size, size) to planes
  relu: u32,
  adds: u32,
}
const SPREAD = 1u;
const BLOCKS = 2u;

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>; // (outputs / 8, inputs, 8)
@group(0) @binding(3) var<storage, read> rescale: array<vec4f>; // a factor an output, an offset an output
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

fn place(row: u32, output: u32) -> u32 {
  let down = row / layer.columns;
  let right = row % layer.columns;
  let pitch = layer.columns * layer.size;
  if (layer.placement == SPREAD) {
    let length = layer.outputs / layer.size; // of a line of a block
    return (down * layer.size + output / length) * layer.columns * length + right * length + output % length;
  }
  if (layer.placement == BLOCKS) {
    let area = layer.size * layer.size;
    let line = (output / area * (layer.n / layer.columns) + down) * layer.size + output % area / layer.size;
    return line * pitch + right * layer.size + output % layer.size;
  }
  return row * layer.outputs + output;
}

var<workgroup> some_x: array<f32, 512>;         // (${TILE} rows, 16 inputs)
var<workgroup> some_weights: array<vec4f, 128>; // (16 inputs, ${TILE} outputs)

// y = x · weightsᵀ · factor + offset.
@compute @workgroup_size(${GROUP}, ${GROUP})
fn multiply(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u,
            @builtin(local_invocation_index) index: u32) {
  let first = ${TILE}u * group.y;
  let quarters = layer.outputs / 4;
  var sums: array<vec4f, 4>;
  for (var begin = 0u; begin < layer.inputs; begin += 16) {
    for (var i = index; i < 512; i += 64) {
      let row = first + i / 16;
      let input = begin + i % 16;
      some_x[i] = 0;
      if (row < layer.n && input < layer.inputs) { some_x[i] = x[row * layer.inputs + input]; }
    }
    for (var i = index; i < 128; i += 64) {
      let input = begin + i / 8;
      let quarter = 8 * group.x + i % 8;
      some_weights[i] = vec4f();
      if (input < layer.inputs && quarter < quarters) {
        some_weights[i] = weights[2 * (quarter / 2 * layer.inputs + input) + quarter % 2];
      }
    }
    workgroupBarrier();
    for (var input = 0u; input < 16; input++) {
      let weight = some_weights[8 * input + thread.x];
      for (var i = 0u; i < 4; i++) { sums[i] += some_x[16 * (4 * thread.y + i) + input] * weight; }
    }
    workgroupBarrier();
  }
  let quarter = 8 * group.x + thread.x;
  if (quarter >= quarters) { return; }
  for (var i = 0u; i < 4; i++) {
    let row = first + 4 * thread.y + i;
    if (row >= layer.n) { return; }
    var value = sums[i] * rescale[quarter] + rescale[quarters + quarter];
    if (layer.relu > 0) { value = max(value, vec4f()); }
    let target_place = place(row, 4 * quarter) / 4;
    if (layer.adds > 0) { value += y[target_place]; }
    y[target_place] = value;
  }
}

@group(0) @binding(1) var<storage, read> quartets: array<vec4f>;

// A depthwise 3x3 convolution, edges replicated. weights: (9, outputs), and an offset an output.
@compute @workgroup_size(${GROUP}, ${GROUP})
fn depthwise(@builtin(global_invocation_id) id: vec3u) {
  let quarters = layer.outputs / 4;
  if (id.x >= quarters || id.y >= layer.n) { return; }
  let rows = i32(layer.n / layer.columns);
  let columns = i32(layer.columns);
  let row = i32(id.y) / columns;
  let column = i32(id.y) % columns;
  var sum = weights[9 * quarters + id.x];
  for (var i = 0; i < 9; i++) {
    let near = clamp(row + i / 3 - 1, 0, rows - 1) * columns + clamp(column + i % 3 - 1, 0, columns - 1);
    sum += quartets[u32(near) * quarters + id.x] * weights[u32(i) * quarters + id.x];
  }
  y[id.y * quarters + id.x] = sum;
}

@group(0) @binding(1) var<storage, read> whole: array<i32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>; // (3, outputs): step, factor, gain
@group(0) @binding(3) var<storage, read_write> latent: array<f32>;
@group(0) @binding(4) var<storage, read_write> companded: array<f32>;

@compute @workgroup_size(${GROUP}, ${GROUP})
fn compand(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= layer.outputs || id.y >= layer.n) { return; }
  let at = id.y * layer.outputs + id.x;
  let value = f32(whole[at]) * scales[id.x];
  let scaled = value * scales[layer.outputs + id.x];
  let size = abs(scaled);
  latent[at] = value;
  companded[at] = sign(scaled) * log(size + sqrt(size * size + 1)) * scales[2 * layer.outputs + id.x];
}

@group(0) @binding(1) var<storage, read_write> planes: array<f32>; // (3, 16 · rows, 16 · columns)
@group(0) @binding(2) var<storage, read> crossing: array<f32>;     // (16, 16)

fn cross_boundary(begin: u32, pitch: u32) {
  var samples: array<f32, 16>;
  for (var i = 0u; i < 16; i++) { samples[i] = planes[begin + i * pitch]; }
  for (var i = 0u; i < 16; i++) {
    var sum = 0f;
    for (var j = 0u; j < 16; j++) { sum += samples[j] * crossing[16 * i + j]; }
    planes[begin + i * pitch] = sum;
  }
}

// The filter across vertical boundaries of blocks …
@compute @workgroup_size(${GROUP}, ${GROUP})
fn across(@builtin(global_invocation_id) id: vec3u) {
  if (id.x + 1 >= layer.columns || id.y >= 48 * (layer.n / layer.columns)) { return; }
  cross_boundary(16 * (id.y * layer.columns + id.x) + 8, 1);
}

// … and then across horizontal ones, of the plane id.z.
@compute @workgroup_size(${GROUP}, ${GROUP})
fn down(@builtin(global_invocation_id) id: vec3u) {
  let rows = layer.n / layer.columns;
  let pitch = 16 * layer.columns;
  if (id.x >= pitch || id.y + 1 >= rows) { return; }
  cross_boundary((16 * (id.z * rows + id.y) + 8) * pitch + id.x, pitch);
}

struct Part {
  top: u32,
  left: u32,
  rows: u32,
  columns: u32,
  height: u32, // of the planes
  width: u32,
  grey: u32,
  turn: array<vec4f, 3>, // what colours are turned back by
}
@group(0) @binding(0) var<uniform> part: Part;
@group(0) @binding(2) var<storage, read_write> pixels: array<u32>;

@compute @workgroup_size(${GROUP}, ${GROUP})
fn to_pixels(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= part.columns || id.y >= part.rows) { return; }
  let plane = part.height * part.width;
  let at = (part.top + id.y) * part.width + part.left + id.x;
  let turned = vec4f(vec3f(planes[at], planes[at + plane], planes[at + 2 * plane]) + 0.5, 1);
  var colour = vec3f(dot(part.turn[0], turned), dot(part.turn[1], turned), dot(part.turn[2], turned));
  if (part.grey > 0) { colour = vec3f((colour.x + colour.y + colour.z) / 3); }
  let levels = vec3u(clamp(colour * 255 + 0.5, vec3f(), vec3f(255)));
  pixels[id.y * part.columns + id.x] = levels.x | (levels.y << 8) | (levels.z << 16) | 0xff000000;
}
`;
