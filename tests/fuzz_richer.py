"""Good files for the fuzzer that use the rarer fields of each kind: what a first file of a user leaves out."""

import json
from collections.abc import Mapping

from foreign_files import ZIGZAG_ACCELERATOR

LAYERS = """\
name: rich
parameter_bits: 8
activation_bits: 8
weight_bits: 4
input_bits: 8
output_bits: 16
accumulator_bits: 24
mappings:
  - {layers: "c*", accelerator: pascal, unroll: {K: 8}, tile: {K: 8}, order: [K, C, FY, FX, B, OX*OY]}
  - {layers: gate_i, accelerator: pavlov, unroll: {K: 16}}
layers:
  - {name: conv, operator: conv2d, dims: {B: 2, K: 16, C: 8, OY: 8, OX: 8, FY: 3, FX: 3}, stride: [1, 2], padding: same,
     bias: true, input_zeros: 0.3, output_zeros: 0.1, weight_bits: 2}
  - {name: wise, operator: conv2d, dims: {B: 2, G: 16, OY: 6, OX: 2, FY: 3, FX: 3}, inputs: [conv], dilation: [1, 1],
     input_size: [8, 8], input_bytes: 4096, output_bytes: 256}
  - {name: more, operator: add, elements: 2048, inputs: [conv], vector_ops: 4096, input_bytes: 4096}
  - {name: gate_i, operator: input_gate, dims: {K: 32, C: 64}, steps: 4, group: g, gate: a, inputs: [wise]}
  - {name: gate_h, operator: hidden_gate, dims: {K: 32, C: 32}, steps: 4, recurrent: true, group: g, gate: a,
     inputs: [gate_i], parameter: shared}
  - {name: table, operator: embedding, elements: 32, parameter_bytes: 4096, gathered_bytes: 64}
  - {name: last, operator: linear, dims: {K: 32, C: 32}, inputs: [gate_h], parameter: shared, input_bytes: 256}
"""
SHAPE = {"layers": 1, "intermediate": 64, "heads": 2, "kv_heads": 1, "head_dim": 16, "vocab": 100}
GENERATES = """\
name: small_llm
model: mensa_sim.workload.models.decoder:Decoder
arguments: {layers: 1, hidden: 32, intermediate: 64, heads: 2, kv_heads: 1, head_dim: 16, vocab: 100,
  tied_embeddings: false, attention_window: 4, window_every: 2, qk_norm: true, norms_per_layer: 4}
generate: {prompt_tokens: 8, new_tokens: 3, conversations: 2,
  speculation: {draft: ./draft.yaml, tokens: 2, acceptance: 0.7}}
weight_bits: 4
weight_group: {group: 32, scale_bits: 16, zero_bits: 4}
embedding_bits: 8
head_bits: 6
activation_bits: 16
kv_bits: 8
"""
DRAFT = """\
name: draft
model: mensa_sim.workload.models.decoder:Decoder
arguments: {layers: 1, hidden: 32, intermediate: 64, heads: 2, kv_heads: 1, head_dim: 16, vocab: 100}
generate: {prompt_tokens: 8, new_tokens: 3}
"""
CONFIGURED = "name: c\nmodel: case.json\ngenerate: {prompt_tokens: 4, new_tokens: 2}\n"
CONFIGURATION = json.dumps(
    {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "num_hidden_layers": 1,
        "vocab_size": 100,
        "head_dim": 16,
        "tie_word_embeddings": True,
        "max_position_embeddings": 128,
        "rope_scaling": {"type": "linear", "factor": 2.0},
        "rms_norm_eps": 1e-5,
    },
    indent=1,
)
SYSTEM = """\
name: rich
memories:
  lpddr4: {kind: lpddr4, bandwidth_bytes_per_s: 32000000000, efficiency: 0.75, channels: 4, word_bits: 64}
  stack:
    kind: hbm2
    bandwidth_bytes_per_s: 307200000000
    efficiency: 0.75
    channels: 8
    capacity_bytes: 6000000000
    exclusive: true
    power_limit_mw: 9000
    ports:
      bank: {kind: hbm2_bank, bandwidth_bytes_per_s: 1228800000000, efficiency: 0.75, power_limit_mw: 20000}
  home: {kind: sram, bandwidth_bytes_per_s: 64000000000, efficiency: 1.0, capacity_bytes: 65536, reached_by: [pascal],
    access_bits: 256, read_pj_per_bit: 0.05, write_pj_per_bit: 0.06, leakage_mw: 1, source: me}
accelerators:
  - {spec: pascal.yaml, memory: lpddr4, set: {clock_hz: 250000000}}
  - {spec: pavlov.yaml, memory: stack}
  - {spec: hbm_pim.yaml, memory: stack.bank}
links:
  - {between: [lpddr4, stack], bandwidth_bytes_per_s: 32000000000, energy_pj_per_bit: 0.8, latency_ps: 100000}
  - {between: [pascal, pavlov], bandwidth_bytes_per_s: 50000000000, energy_pj_per_bit: 1.2, latency_ps: 20000}
scheduling: {scheduler: mensa, objective: edp, flow: homes}
source: me
"""
HOSTED = """\
name: hosted
memories:
  usb3: {kind: host_ddr, bandwidth_bytes_per_s: 500000000, efficiency: 0.818}
  ddr: {kind: host_ddr, bandwidth_bytes_per_s: 25600000000, efficiency: 1.0}
accelerators:
  - {spec: coral.yaml, memory: usb3, set: {clock_hz: 250000000, parameter_store.balanced: false}}
  - {spec: cortex_a57.yaml, memory: ddr}
host:
  cpu: cortex_a57
  overhead_ps: 275000000
  in_bytes_per_s: 318000000
  out_bytes_per_s: 30500000
  instruction_bytes_per_layer: 2200
  output_channel_multiple: 4
scheduling: {scheduler: first, objective: latency}
"""
SCENARIO = """\
name: talks
duration_s: 0.01
policy: priority
prefetch: false
activations: false
parameters: first-fit
streams:
  - name: talk
    workload: ./draft.yaml
    arrivals: {kind: poisson, rate_per_s: 5000, requests: 3}
    deadline_ms: 1
    conversation:
      prompt_tokens: {kind: lognormal, least: 2, most: 16, median: 6, sigma: 0.5}
      new_tokens: {kind: uniform, least: 1, most: 4}
      token_deadline_ms: 0.5
      context_step: 8
      batch: 2
    pins: {"steps:*": pascal}
  - {name: eyes, workload: ./tiny.yaml, arrivals: {kind: one, offset_ms: 0.1}, priority: 3, schedule: placed.yaml}
"""
SPACE = """\
name: wide
system: mensa_g
workloads: [./tiny.yaml]
parameters:
  placement:
    options:
      paper: {}
      all_near: {accelerators.pascal.memory: stacked}
      fewer: {accelerators.jacquard: null}
      more: {accelerators.first: {spec: edge_tpu, memory: lpddr4}}
  clock:
    fields: [accelerators.pascal.clock_hz, accelerators.pavlov.clock_hz]
    linear: {low: 250000000, high: 1000000000, step: 250000000}
  technology.vdd_v: {values: [0.7, 0.8]}
  objective: {values: [edp, latency]}
conditions:
  - area_mm2 <= 9.0
  - clock >= 2 * 125000000
objectives: [{metric: energy_pj}, {metric: latency_ps}, {metric: area_mm2}]
over: geometric_mean
sampler: {name: nsga2, seed: 0, batch: 4}
trials: 2
references: [mensa_g]
"""
SCENARIO_SPACE = """\
name: served
system: mensa_g
scenarios: [./served.yaml]
parameters:
  scheduler: {values: [mensa, greedy]}
  memories.lpddr4.bandwidth_bytes_per_s: {powers_of_two: {low: 4294967296, high: 8589934592}}
objectives: [{metric: scenario.p99_ps}, {metric: scenario.mean_power_mw}, {metric: scenario.deadline_misses}]
sampler: {name: quasi_random, seed: 0}
trials: 1
"""
SERVED = "name: served\nstreams:\n  - {name: a, workload: ./tiny.yaml, arrivals: {kind: one}, deadline_ms: 1}\n"
DATA_SHEET = """\
name: my_card
library: from_ampere
processors: 48
cache_bytes: 4194304
bytes_per_s: 448000000000
peak_flops_per_s: 19170000000000
clock_hz: 1560000000
base_clock_hz: 900000000
power_w: 140
node_nm: 8
source: me
"""
RUN_COLUMNS = (
    "device,memory_bandwidth_gb_s,shape,bits_per_weight,prompt_tokens,new_tokens,context,batch,"
    "prefill_tok_s,decode_tok_s,energy_j_per_token,power_scope\n"
)
RUNS = RUN_COLUMNS + "".join(
    f"board,50,m{hidden},4,{prompt},4,{context},1,{fill},{rate},{energy},rail\n"
    for hidden, context, rate, prompt, fill, energy in ((32, 9, 90, 8, 300, 0.5), (64, 99, 40, "", "", ""))
)
SHAPES = json.dumps({f"m{hidden}": {**SHAPE, "hidden": hidden} for hidden in (32, 64)}, indent=1)
CHAIN = """\
name: chain
layers:
  - {name: one, operator: conv2d, dims: {K: 16, C: 8, OY: 64, OX: 64, FY: 3, FX: 3}}
  - {name: two, operator: conv2d, dims: {K: 16, C: 16, OY: 64, OX: 64, FY: 3, FX: 3}, padding: same, inputs: [one]}
  - {name: three, operator: conv2d, dims: {K: 8, C: 16, OY: 64, OX: 64}, inputs: [two]}
  - {name: four, operator: linear, dims: {K: 8, C: 32768}, inputs: [three]}
"""
"""Four pieces on four chiplets, or three layers by rows."""
REFERENCE: Mapping[str, str] = {
    "pcie_stacks": "stack,hidden_layers,width,onchip_mib,offchip_mib,latency_ms\nconv3x3_64x64x3,2,32,0.07,0.0,2.1\n"
    "dense_64_in_10_out,2,32,0.01,0.0,0.2\n",
    "usb_operator_sweep": "model,host_power_mode,device,latency_ms,onchip_used_MiB\n"
    "conv_32x7_L2,10W,edgetpu_usb3,7.8,0.02\ndense_64u_L2,10W,edgetpu_usb2,0.8,\nin_8x8x3_out_4x4x8,10W,edgetpu_usb3,0.8,\n",
    "compiler_cycles": "path,compiler_estimated_cycles,onchip_param_bytes,repo\n"
    "o/model_conv_8x8x3x32x7x2_edgetpu.tflite,9,8,me\no/mobilenet_v1_0.25_128_quant_edgetpu.tflite,9,8,me\n",
    "compiled_memory": "file,cached_param_bytes_onchip\nmobilenet_v1_0.25_128_quant_edgetpu.tflite,9\n",
    "desktop_500mhz": "model,latency_ms\nmobilenet_v1_0.25_128,0.36\n",
    "dev_board_micro_grid": "alpha,depth,measured_latency_ms,measured_energy_mJ,cached_param_bytes\n0.25,2,9,7,\n",
}
"""Files of a reference folder."""
TIMINGS = "K,C,OX,median_us\n" + "".join(f"{k},{k + 8},{k % 5 + 1},{k * k / 1000 + 10}\n" for k in range(8, 200, 8))
BESIDE: Mapping[str, str] = {
    "chain.yaml": CHAIN,
    "draft.yaml": DRAFT,
    "configured.yaml": CONFIGURED,
    "served.yaml": SERVED,
    "runs.csv": RUNS,
    "shapes.json": SHAPES,
    "zigzag.yaml": ZIGZAG_ACCELERATOR,
}
"""What files to mutate name."""
