"""Files of other tools, small and written for the tests of the converters."""

ZIGZAG_ACCELERATOR = """
name: core
memories:
  rf:
    {size: 16, r_cost: 0.02, w_cost: 0.03, area: 1, latency: 1, operands: [O], served_dimensions: [D2], ports: [
      {name: r_port_1, type: read, bandwidth_min: 16, bandwidth_max: 16, allocation: ["O, tl"]},
      {name: w_port_1, type: write, bandwidth_min: 16, bandwidth_max: 16, allocation: ["O, fh"]}]}
  sram:
    {size: 8192, r_cost: 6.4, w_cost: 12.8, area: 1, latency: 1, operands: [I1, I2, O], served_dimensions: [D1, D2],
      ports: [{name: rw_port_1, type: read_write, bandwidth_min: 32, bandwidth_max: 64, allocation: ["O, tl"]}]}
  dram:
    {size: 1000000, r_cost: 640, w_cost: 320, area: 0, latency: 1, operands: [I1, I2, O], served_dimensions: [D1, D2],
      ports: [{name: rw_port_1, type: read_write, bandwidth_min: 64, bandwidth_max: 64, allocation: ["O, tl"]}]}
operational_array: {unit_energy: 0.5, unit_area: 1, dimensions: [D1, D2], sizes: [8, 4]}
"""
ZIGZAG_OLDER = """
name: core
multipliers: {multiplier_energy: 0.5, multiplier_area: 1, dimensions: [D1, D2], sizes: [8, 4]}
memories:
  rf: {size: 16, r_bw: 16, w_bw: 16, r_cost: 0.02, w_cost: 0.03, area: 1, r_port: 1, w_port: 1, rw_port: 0, latency: 1,
    operands: [O], ports: [{fh: w_port_1, tl: r_port_1, fl: w_port_1, th: r_port_1}], served_dimensions: [D2]}
  sram: {size: 8192, r_port: 0, w_port: 0, rw_port: 1, r_bw: 64, w_bw: 64, min_r_granularity: 32, min_w_granularity: 32,
    r_cost: 6.4, w_cost: 12.8, operands: [I1, I2, O], served_dimensions: [D1, D2],
    ports: [{fh: rw_port_1, tl: rw_port_1}, {fh: rw_port_1, tl: rw_port_1}, {fh: rw_port_1, tl: rw_port_1}]}
  dram: {size: 1000000, r_bw: 64, w_bw: 64, r_cost: 640, w_cost: 320, rw_port: 1, operands: [I1, I2, O],
    ports: [{fh: rw_port_1, tl: rw_port_1}], served_dimensions: [D1, D2]}
"""
"""The same accelerator as the tool's repository wrote such at first."""

ZIGZAG_MAPPING = """
- name: default
  spatial_mapping: {D1: ["K, 8"], D2: ["C, 2", "FX, 2"]}
  memory_operand_links: {O: O, W: I2, I: I1}
"""

ZIGZAG_WORKLOAD = """
- id: 0
  name: stem
  operator_type: Conv
  equation: O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]
  dimension_relations: [ix=2*ox+1*fx, iy=2*oy+3*fy]
  loop_dims: [B, K, C, OY, OX, FY, FX]
  loop_sizes: [1, 16, 3, 10, 12, 5, 3]
  operand_precision: {W: 4, I: 8, O: 16, O_final: 8}
  operand_source: {I: 0, W: 0}
  pr_loop_dims: [IX, IY]
  pr_loop_sizes: [24, 30]
  padding: [[1, 0], [1, 0]]
- id: 7
  name: depthwise
  operator_type: Conv
  equation: O[b][g][oy][ox]+=W[g][fy][fx]*I[b][g][iy][ix]
  dimension_relations: [ix=1*ox+1*fx, iy=1*oy+1*fy]
  loop_dims: [B, G, OY, OX, FY, FX]
  loop_sizes: [1, 16, 10, 12, 3, 3]
  operand_precision: {W: 4, I: 8, O: 16, O_final: 8}
  operand_source: {I: 0, W: 7}
- id: 8
  operator_type: Add
  equation: O[b][g][oy][ox]=W[b][g][oy][ox]+I[b][g][oy][ox]
  loop_dims: [B, G, OY, OX]
  loop_sizes: [1, 16, 10, 12]
  operand_precision: {W: 8, I: 8, O: 16, O_final: 8}
  operand_source: {W: 0, I: 7}
- id: 9
  name: pool
  operator_type: Pooling
  equation: O[b][g][oy][ox]+=W[fx][fy]*I[b][g][iy][ix]
  dimension_relations: [ix=2*ox+1*fx, iy=2*oy+1*fy]
  loop_dims: [B, G, OY, OX, FX, FY]
  loop_sizes: [1, 16, 5, 6, 2, 2]
  operand_precision: {I: 8, W: 0, O: 16, O_final: 8}
  operand_source: {I: 8, W: 9}
- id: 10
  name: head
  operator_type: Gemm
  equation: O[b][d][k]+=I[b][d][c]*W[c][k]
  loop_dims: [C, D, K, B]
  loop_sizes: [480, 1, 10, 1]
  operand_precision: {W: 4, I: 8, O: 16, O_final: 8}
  operand_source: {I: 9, W: 10}
- id: 11
  name: product
  operator_type: Gemm
  equation: O[b][h][d][k]+=I[b][h][d][c]*W[b][h][c][k]
  loop_dims: [C, D, K, B, H]
  loop_sizes: [64, 128, 32, 2, 12]
  operand_precision: {W: 4, I: 8, O: 16, O_final: 8}
  operand_source: {I: 11, W: 11}
"""

TIMELOOP = """
architecture:
  version: 0.4
  nodes:
  - !Container
    name: system
    attributes: {technology: "45nm", global_cycle_seconds: 2e-9}
  - !Component
    name: DRAM
    class: DRAM
    attributes: {type: LPDDR4, width: 64, datawidth: 8}
  - !Component
    name: global_buffer
    class: smartbuffer_SRAM
    attributes: {depth: 16384, width: 64, datawidth: 8, read_bandwidth: 16, write_bandwidth: 8}
    constraints:
      dataspace: {keep: [Inputs, Outputs], bypass: [Weights]}
  - !Container
    name: column
    spatial: {meshX: 14}
    constraints:
      spatial: {permutation: [N, C, P, R, S, Q, M], factors: [N=1, C=1, P=1, R=1, S=1], split: 7}
  - !Container
    name: PE
    spatial: {meshY: 12}
    constraints:
      spatial: {permutation: [N, P, Q, R, S, C, M], factors: [N=1, P=1, Q=1, R=1], split: 4}
  - !Parallel
    nodes:
    - !Component
      name: inputs
      class: smartbuffer_RF
      attributes: {depth: 12, width: 16, datawidth: 8, read_bandwidth: 2, write_bandwidth: 2}
      constraints: {dataspace: {keep: [Inputs]}, temporal: {permutation: [N]}}
    - !Component
      name: weights
      class: storage
      subclass: regfile
      attributes: {depth: 192, width: 16, datawidth: 8}
      constraints: {dataspace: {keep: [Weights]}}
    - !Component
      name: sums
      class: smartbuffer_RF
      attributes: {depth: 16, width: 16, datawidth: 16}
      constraints: {dataspace: {keep: [Outputs]}}
  - !Component
    name: mac
    class: intmac
    attributes: {multiplier_width: 8, adder_width: 24}
problem:
  version: 0.4
  instance: {C: 3, M: 32, N: 2, P: 11, Q: 12, R: 5, S: 3, Wstride: 2, densities: {}}
  shape:
    name: conv2D
    coefficients:
    - {name: Wstride, default: 1}
    - {name: Hstride, default: 1}
    - {name: Wdilation, default: 1}
    - {name: Hdilation, default: 2}
    dimensions: [C, M, R, S, N, P, Q]
    data_spaces:
    - {name: Weights, projection: [[[C]], [[M]], [[R]], [[S]]]}
    - name: Inputs
      projection: [[[N]], [[C]], [[R, Wdilation], [P, Wstride]], [[S, Hdilation], [Q, Hstride]]]
    - {name: Outputs, projection: [[[N]], [[M]], [[Q]], [[P]]], read_write: true}
mapper: {algorithm: random}
"""

SCALE_SIM_CONFIGURATION = """
[general]
run_name = systolic

[architecture_presets]
ArrayHeight:    64
ArrayWidth:     32
IfmapSramSzkB:  6144
FilterSramSzkB: 4096
OfmapSramSzkB:  2048
IfmapOffset:    0
Bandwidth : 10
Dataflow : ws

[run_presets]
InterfaceBandwidth: USER
"""

SCALE_SIM_CONVOLUTIONS = """Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, \
Strides,, Target
stem,226,224,7,5,3,64,2, NPU
point,28,28,1,1,64,128,1, NPU
"""

SCALE_SIM_PRODUCTS = "Layer,M,N,K,\nqkv,128,1536,512,\n"

SCALE_SIM_DEPTHWISE = """Layer_Name, IFMAP height, IFMAP width, Filter height, Filter width, Channels, \
Num Filters, Stride
,,,,,,,
stem, 224, 224, 3, 3, 3, 32, 2,
block_DP, 114, 114, 3, 3, 32, 1, 1, 2:4,

point, 112, 112, 1, 1, 32, 64, 1,
"""

SCALE_SIM_VERSION_1 = """
[general]
run_name = "edge"
[architecture_presets]
ArrayHeight: 12
ArrayWidth: 14
IfmapSramSz: 108
FilterSramSz: 64
OfmapSramSz: 32
Dataflow: OS
"""

TIMELOOP_OLDER = """
architecture:
  version: 0.3
  subtree:
  - name: system
    attributes: {global_cycle_seconds: 2e-9}
    local:
    - {name: DRAM, class: DRAM, attributes: {width: 64, word-bits: 8}}
    subtree:
    - name: chip
      local:
      - name: global_buffer
        class: smartbuffer_SRAM
        attributes: {memory_depth: 16384, memory_width: 64, word_bits: 8, read_bandwidth: 16, write_bandwidth: 8}
      - {name: between, class: dummy_storage, attributes: {depth: 1, width: 1, meshX: 1}}
      - {name: "columns[1..14]", class: dummy_storage, attributes: {depth: 1, width: 1, meshX: 14, meshY: 1}}
      subtree:
      - name: PE[0..167]
        local:
        - {name: inputs, class: smartbuffer_RF, attributes: {depth: 12, width: 16, meshX: 14}}
        - {name: weights, class: storage, subclass: regfile, attributes: {depth: 192, width: 16, meshX: 14}}
        - {name: sums, class: smartbuffer_RF, attributes: {depth: 16, width: 16, word-bits: 16, meshX: 14}}
        - {name: mac, class: intmac, attributes: {multiplier_width: 8, adder_width: 24, meshX: 14}}
architecture_constraints:
  targets:
  - {target: global_buffer, type: bypass, keep: [Inputs, Outputs], bypass: [Weights]}
  - {target: between, type: spatial, permutation: NCPRSQM, factors: "N=1,C=1,P=1,R=1,S=1", split: 7}
  - {target: columns, type: spatial, permutation: NPQRSCM, factors: N=1 P=1 Q=1 R=1, split: 4}
  - {target: inputs, type: bypass, keep: [Inputs], bypass: [Weights, Outputs]}
  - {target: inputs, type: temporal, permutation: N}
  - {target: weights, type: bypass, keep: [Weights], bypass: [Inputs, Outputs]}
  - {target: sums, type: bypass, keep: [Outputs], bypass: [Weights, Inputs]}
problem:
  shape: cnn-layer
  C: 3
  M: 32
  N: 2
  P: 11
  Q: 12
  R: 5
  S: 3
  Wstride: 2
  Hdilation: 2
"""
"""What `TIMELOOP` says, as version 0.3 and the files beside the tool's results say it."""

TIMELOOP_FIRST = """
arch:
  arithmetic: {name: MACs, instances: 64, meshX: 8, word-bits: 8}
  storage:
  - {name: Registers, entries: 1, instances: 64, meshY: 8, word-bits: 8, cluster-size: 64}
  - {name: SumBuffer, entries: 128, meshX: 8, meshY: 1, word-bits: 24, cluster-size: 8, vector-access-energy: 1.2}
  - {name: Dummy, entries: 0, instances: 1, word-bits: 8}
  - {name: Buffer, sizeKB: 96, instances: 1, word-bits: 8, block-size: 16, bandwidth: 64, num-ports: 1}
  - {name: Outside, technology: DRAM, instances: 1, word-bits: 8, block-size: 64, bandwidth: 10.5}
mapspace:
  constraints: chosen
  constraints_chosen:
  - {target: Registers, type: datatype, keep: [Weights], bypass: [Inputs, Outputs]}
  - {target: SumBuffer, type: datatype, keep: [Outputs], bypass: [Weights, Inputs]}
  - {target: SumBuffer, type: spatial, factors: P1 Q1 R1 S1 C8 K1 N1, permutation: KQRSPNC}
  - {target: Buffer, type: datatype, keep: [Inputs], bypass: [Weights, Outputs]}
  - {target: Dummy, type: spatial, factors: P1 Q1 R1 S1 C1 K8 N1, permutation: KCQRSPN}
  - {target: Registers, type: utilization, min: 0.01}
problem: {R: 3, S: 3, P: 48, Q: 32, C: 4, K: 16, N: 1}
"""
"""The first form of the tool: lists of storage from the inside out, each with its instances."""
