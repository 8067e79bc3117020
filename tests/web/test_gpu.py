"""WebGPU makes the pixels that WebAssembly makes, and WebAssembly makes them where it fails.

With METAMER_GPU_EVERY=1 in the environment and pytest's `-s` all conformance streams are compared,
and counted.
"""

import json
import os
from collections import Counter

import pytest

from metamer.bitstreams.check import LIST
from tests.web.base import CROP, DECODERS, LOSSLESS, PHOTOGRAPH, TILED
from tests.web.conftest import headless_chromium
from tests.web.test_pages import quiet, run

STREAMS = json.loads(LIST.read_text())
# levels that WebGPU's pixels of a stream are off, and whether WebGPU made them
COMPARE = """
const { Store, decode } = await import("/metamer/src/codec.js");
const store = new Store(new URL("/models/", location));
const load = async (name) => new Uint8Array(await (await fetch(`/streams/${name}.mtm`)).arrayBuffer());
const off = (one, other) => one.data.reduce((most, level, i) => Math.max(most, Math.abs(level - other.data[i])), 0);
const compare = async (stem, options, gpu = "any") => {
    const bytes = await load(stem), wanted = await decode(bytes, store, { ...options, gpu: false });
    const made = await decode(bytes, store, { ...options, gpu });
    return [off(made, wanted), made.gpu];
};"""


@pytest.fixture(scope="module")
def gpu(tmp_path_factory, server):
    """Chromium with an adapter in software, where it has one."""
    flags = (
        "enable-unsafe-webgpu",
        "enable-features=Vulkan",
        "use-webgpu-adapter=swiftshader",
    )
    with headless_chromium(tmp_path_factory.mktemp("gpu"), *flags) as running:
        running.get(server.address + "element.html")
        if not run(running, "return Boolean(await navigator.gpu?.requestAdapter())"):
            pytest.skip("no WebGPU adapter here")
        yield running


@pytest.fixture
def page(gpu, server):
    """A page that nothing has been loaded in yet."""
    gpu.get(server.address + "element.html")
    yield gpu
    quiet(gpu)


def test_conformance_streams(page):
    """One in nine, or in METAMER_GPU_EVERY: adapters in software are slow."""
    within: Counter = Counter()
    for stem in sorted(STREAMS)[:: int(os.environ.get("METAMER_GPU_EVERY", "9"))]:
        levels, on_gpu = run(page, COMPARE + "return compare(given)", stem)
        assert levels <= 1 and on_gpu != stem.startswith("00000000"), stem
        within[levels] += 1
    print(f"streams by how many levels they are off: {dict(within)}")


def test_decoders_and_parts(page):
    sliding = [{"realism": 0.4}] if "realism" in DECODERS else []
    for stem, options in (
        *((PHOTOGRAPH, {"decoder": name}) for name in DECODERS),
        *((PHOTOGRAPH, options) for options in sliding),
        (TILED, {"region": [1000, 3, 60, 20]}),
    ):
        levels, on_gpu = run(page, COMPARE + "return compare(...given)", [stem, options])
        assert levels <= 1 and on_gpu, options


def test_previews_and_what_needs_no_networks_are_made_without(page):
    cases = [[PHOTOGRAPH, {"preview": True}], [LOSSLESS, {}]]
    for case in cases:
        assert run(page, COMPARE + "return compare(...given)", case) == [0, False]


def test_no_software_unless_asked_for(page):
    script = """
        const asked = [];
        const open = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = function (...given) { asked.push(1); return open.call(this, ...given); };
        return [await compare(given, {}, "auto"), asked.length];"""
    assert run(page, COMPARE + script, PHOTOGRAPH) == [[0, False], 0]


# what goes wrong, before the first picture or between two, and how many of three WebGPU makes
FAULTS = {
    "no adapter": ("navigator.gpu.requestAdapter = async () => null", "", [False, False, False]),
    "no device": (
        "GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error('none'))",
        "",
        [False, False, False],
    ),
    "shaders that are refused": (
        "const make = GPUDevice.prototype.createShaderModule; GPUDevice.prototype.createShaderModule ="
        " function ({ code }) { return make.call(this, { code: `${code} what is this` }); }",
        "",
        [False, False, False],
    ),
    "shaders that calculate otherwise": (
        "const make = GPUDevice.prototype.createShaderModule; GPUDevice.prototype.createShaderModule ="
        " function ({ code }) { return make.call(this, { code: code.replace('* 255 + 0.5', '* 250') }); }",
        "",
        [False, False, False],
    ),
    "too little memory": (
        "Object.defineProperty(GPUSupportedLimits.prototype, 'maxBufferSize', { value: 1 << 16 })",
        "",
        [False, False, False],
    ),
    "a lost device": ("", "devices.at(-1).destroy()", [True, False, False]),
    "a buffer that is refused": (
        "",
        "const make = GPUDevice.prototype.createBuffer; GPUDevice.prototype.createBuffer ="
        " function (given) { return make.call(this, { ...given, usage: 0 }); }",
        [True, False, False],
    ),
    "an exception": (
        "",
        "GPUDevice.prototype.createBindGroup = () => { throw new Error('no') }",
        [True, False, False],
    ),
    "a device that is lost while it works": (
        "",
        "const map = GPUBuffer.prototype.mapAsync; GPUBuffer.prototype.mapAsync ="
        " function (mode) { devices.at(-1).destroy(); return map.call(this, mode); }",
        [True, False, False],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_cost_no_picture(page, fault):
    before, fault_script, on_gpu = FAULTS[fault]
    script = """
        const devices = [], open = GPUAdapter.prototype.requestDevice, made = [];
        GPUAdapter.prototype.requestDevice = async function (...given) {
            devices.push(await open.call(this, ...given));
            return devices.at(-1);
        };
        for (let time = 0; time < 3; time++) {
            made.push(await compare(given, {}));
            if (time === 0) { %s; }
        }
        return [made, devices.length];"""
    results, devices = run(page, f"{before};{COMPARE}{script}" % fault_script, CROP)
    assert [used_gpu for _, used_gpu in results] == on_gpu
    assert max(levels for levels, _ in results) <= 1
    assert devices <= 1  # what has failed is not asked again


def test_small_buffers_make_small_windows(page):
    """A device that has little room at a time makes the same picture in parts."""
    script = """
        const room = 1200000;
        Object.defineProperty(GPUSupportedLimits.prototype, "maxStorageBufferBindingSize", { value: room });
        const sizes = [], make = GPUDevice.prototype.createBuffer, map = GPUBuffer.prototype.mapAsync;
        let read = 0;
        GPUDevice.prototype.createBuffer = function (given) { sizes.push(given.size); return make.call(this, given); };
        GPUBuffer.prototype.mapAsync = function (mode) { read++; return map.call(this, mode); };
        return [await compare(given, {}), Math.max(...sizes) <= room, read];"""
    # one for what is tried first
    assert run(page, COMPARE + script, PHOTOGRAPH) == [[0, True], True, 3]


def test_the_worker_takes_the_wish(page):
    """And refuses others."""
    script = """
        const { configure, decode } = await import("/metamer/src/index.js");
        configure({ models: "/models/" });
        const bytes = new Uint8Array(await (await fetch(`/streams/${given}.mtm`)).arrayBuffer());
        const [one, other] = [await decode(bytes, { gpu: "any" }), await decode(bytes, { gpu: false })];
        const most = one.data.reduce((most, level, i) => Math.max(most, Math.abs(level - other.data[i])), 0);
        return [most, await decode(bytes, { gpu: "perhaps" }).catch(({ message }) => message)];"""
    levels, problem = run(page, script, PHOTOGRAPH)
    assert levels <= 1 and "gpu must be" in problem
