// The synthesis on WebGPU: the layers that the kernels have, with the weights that lie in their memory. It makes pixels alone, and
// all is done without it where there is none, where it fails or is lost, or where it does not make what the kernels make.

import { WINDOW } from "../format/tiles.js";
import { PANEL } from "./engine.js";
import { GROUP, SHADERS, TILE } from "./shaders.js";
import { BLOCK } from "./synthesis.js";

export const WISHES = ["auto", "any", false]; // an adapter unless it is one in software, any, none
const PLAIN = 0,
  SPREAD = 1,
  BLOCKS = 2; // where outputs are placed
const ENTRIES = ["multiply", "depthwise", "compand", "across", "down", "to_pixels"];
const FILTERS = ["validation", "out-of-memory", "internal"]; // of errors
const TRIAL = 6, // positions a side of what is tried first
  TRIAL_QUALITY = 128,
  REACH = 32, // of its latents, in sixteenths of a step
  NEAR = 1; // levels that it may be off by
const AS_IS = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);

const devices = new Map(); // by wish; null for good after one has failed

function opened(wish) {
  if (!devices.has(wish))
    devices.set(
      wish,
      open(wish).catch(() => null),
    );
  return devices.get(wish);
}

/** A device with its pipelines, or null. */
async function open(wish) {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter();
  if (!adapter || (wish === "auto" && (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter))) return null;
  const device = await adapter.requestDevice();
  device.lost.then(() => devices.set(wish, null));
  device.pushErrorScope("validation"); // or else it is a message in the console
  const module = device.createShaderModule({ code: SHADERS });
  device.popErrorScope();
  const made = await Promise.all(
    ENTRIES.map((entryPoint) => device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint } })),
  );
  return { wish, device, pipelines: Object.fromEntries(ENTRIES.map((name, i) => [name, made[i]])) };
}

/** The same synthesis on WebGPU, or null. synthesis: as `Store.synthesis` has it; what is made is kept there. */
export async function onGpu(synthesis, wish) {
  const gpu = wish && (await opened(wish));
  if (!gpu) return null;
  if (synthesis.onGpu?.gpu !== gpu) synthesis.onGpu = new GpuSynthesis(gpu, synthesis);
  return (await synthesis.onGpu.works()) ? synthesis.onGpu : null;
}

class GpuSynthesis {
  #layers;
  #works;

  constructor(gpu, { network, receptiveField }) {
    this.gpu = gpu;
    this.network = network;
    const { finer, width, latents } = network,
      { maxBufferSize, maxStorageBufferBindingSize } = gpu.device.limits;
    const numbers = Math.max(3 * BLOCK * BLOCK, 2 * finer * finer * width, latents); // that a position has at most in one buffer
    const side = Math.floor(Math.sqrt(Math.min(maxBufferSize, maxStorageBufferBindingSize) / (4 * numbers)));
    /** Positions a side of the largest window that fits. */
    this.window = Math.min(WINDOW, side - 2 * receptiveField);
  }

  /** Whether it fits, and makes of noise what the kernels make; tried once. */
  works() {
    this.#works ??= this.window > 0 && this.#tried();
    return this.#works;
  }

  async #tried() {
    const count = TRIAL * TRIAL * this.network.latents,
      values = Int32Array.from({ length: count }, (_, i) => ((Math.imul(i, 0x9e3779b1) >>> 16) % (2 * REACH + 1)) - REACH);
    const part = { top: 3, left: 5, height: BLOCK * TRIAL - 4, width: BLOCK * TRIAL - 9 };
    const given = [values, TRIAL, TRIAL, TRIAL_QUALITY, part, AS_IS, false];
    const made = await this.pixels(...given),
      wanted = this.network.pixels(...given);
    return made?.every((level, i) => Math.abs(level - wanted[i]) <= NEAR) ?? false;
  }

  /** As `Synthesis.pixels`; null where it fails, and then this device is not asked again. */
  async pixels(...given) {
    const buffers = [];
    try {
      const { device } = this.gpu;
      for (const filter of FILTERS) device.pushErrorScope(filter);
      let made, problems;
      try {
        made = this.#submit(buffers, ...given);
      } finally {
        problems = FILTERS.map(() => device.popErrorScope());
      }
      for (const problem of await Promise.all(problems)) if (problem) throw problem;
      await made.mapAsync(GPUMapMode.READ);
      return new Uint8Array(made.getMappedRange()).slice();
    } catch {
      devices.set(this.gpu.wish, null);
      return null;
    } finally {
      for (const buffer of buffers) buffer.destroy();
    }
  }

  /** Has the device work; returns the buffer that pixels will be read from. buffers: takes all that are done with then. */
  #submit(buffers, values, height, width, quality, part, turn, grey) {
    const { network, gpu } = this,
      { device, pipelines } = gpu,
      { finer, detail, latents, width: features } = network;
    const [n, rows, columns] = [height * width, finer * height, finer * width],
      fine = rows * columns;
    const room = (count, usage = GPUBufferUsage.STORAGE) => {
      const buffer = device.createBuffer({ size: 4 * count, usage });
      buffers.push(buffer);
      return buffer;
    };
    const put = (array, usage) => {
      buffers.push(filled(device, array, usage));
      return buffers.at(-1);
    };
    const encoder = device.createCommandEncoder(),
      pass = encoder.beginComputePass();
    const run = (name, [across, down, deep = 1], buffers) => {
      const pipeline = pipelines[name],
        entries = buffers.flatMap((buffer, binding) => (buffer ? { binding, resource: { buffer } } : []));
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      pass.dispatchWorkgroups(Math.ceil(across), Math.ceil(down), deep);
    };
    const shape = (n, columns, inputs, outputs, { size = 1, placement = PLAIN, relu = false, adds = false } = {}) =>
      put(Uint32Array.of(n, columns, inputs, outputs, size, placement, relu, adds), GPUBufferUsage.UNIFORM);
    const multiply = ({ inputs, outputs, weights, rescale }, n, columns, x, y, how) =>
      run("multiply", [outputs / TILE, n / TILE], [shape(n, columns, inputs, outputs, how), x, weights, rescale, y]);

    const { step, factor, gain, stem } = network.prepare(quality),
      layers = (this.#layers ??= this.#uploaded());
    const [latent, companded, planes] = [latents, latents, 3 * BLOCK * BLOCK].map((size) => room(n * size));
    const [x, near, wide] = [features, features, layers.widest].map((size) => room(fine * size));
    const scales = put(Float32Array.of(...step, ...factor, ...gain));
    run("compand", [latents / GROUP, n / GROUP], [shape(n, width, 0, latents), put(values), scales, latent, companded]);
    multiply({ ...layers.stem, rescale: put(stem) }, n, width, companded, x, { size: finer, placement: SPREAD });
    for (const { depthwise, expand, project } of layers.blocks) {
      const channels = [features / 4 / GROUP, fine / GROUP];
      run("depthwise", channels, [shape(fine, columns, 0, features), x, depthwise, null, near]);
      multiply(expand, fine, columns, near, wide, { relu: true });
      multiply(project, fine, columns, wide, x, { adds: true });
    }
    const filter = () => {
      const whole = shape(n, width, 0, 0);
      run("across", [width / GROUP, (3 * BLOCK * height) / GROUP], [whole, planes, layers.crossing]);
      run("down", [(BLOCK * width) / GROUP, height / GROUP, 3], [whole, planes, layers.crossing]);
    };
    multiply(layers.basis, n, width, latent, planes, { size: BLOCK, placement: BLOCKS });
    if (finer > 1) filter();
    multiply(layers.head, fine, columns, x, planes, { size: detail, placement: BLOCKS, adds: true });
    if (finer === 1) filter();
    const place = Uint32Array.of(part.top, part.left, part.height, part.width, BLOCK * height, BLOCK * width, grey, 0),
      count = part.height * part.width;
    const parameters = put(Uint32Array.of(...place, ...new Uint32Array(turn.buffer)), GPUBufferUsage.UNIFORM);
    const pixels = room(count, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC),
      read = room(count, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    run("to_pixels", [part.width / GROUP, part.height / GROUP], [parameters, planes, pixels]);
    pass.end();
    encoder.copyBufferToBuffer(pixels, 0, read, 0, 4 * count);
    device.queue.submit([encoder.finish()]);
    return read;
  }

  /** Weights that no quality changes, out of the kernels' memory. */
  #uploaded() {
    const { network, gpu } = this,
      { engine } = network;
    const floats = (place, count) => engine.view(Float32Array, place, count);
    const layer = ({ weights, inputs, outputs, offset }) => ({
      inputs,
      outputs,
      weights: filled(gpu.device, floats(weights, Math.ceil(outputs / PANEL) * PANEL * inputs)),
      rescale: filled(gpu.device, Float32Array.of(...ones(outputs), ...(offset ? floats(offset, outputs) : zeros(outputs)))),
    });
    return {
      stem: layer(network.stem),
      basis: layer(network.basis),
      head: layer(network.head),
      crossing: filled(gpu.device, floats(network.crossing[1], BLOCK * BLOCK)),
      widest: Math.max(...network.blocks.map(({ expanded }) => expanded), 4),
      blocks: network.blocks.map(({ channels, depthwise: [weights, offset], expand, project }) => ({
        depthwise: filled(gpu.device, Float32Array.of(...floats(weights, 9 * channels), ...floats(offset, channels))),
        expand: layer(expand),
        project: layer(project),
      })),
    };
  }
}

/** A buffer that holds a typed array. */
function filled(device, array, usage = GPUBufferUsage.STORAGE) {
  const buffer = device.createBuffer({ size: array.byteLength, usage, mappedAtCreation: true });
  new array.constructor(buffer.getMappedRange()).set(array);
  buffer.unmap();
  return buffer;
}

const ones = (count) => new Float32Array(count).fill(1);
const zeros = (count) => new Float32Array(count);
