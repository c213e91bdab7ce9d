"""Writes tests/onnx_more: small ONNX files of kinds that tests/onnx_cases does not have, with their right
multiply-accumulates (by hand, in this file) or a word of the refusal. Needs onnx and numpy."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
random = np.random.default_rng(0)
cases = {}


def weight(name, *shape, kind=np.float32):
    values = random.standard_normal(shape) if kind == np.float32 else random.integers(0, 100, shape)
    return numpy_helper.from_array(values.astype(kind), name)


def ints(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def floats(name, *values):
    return numpy_helper.from_array(np.array(values, dtype=np.float32), name)


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def case(name, nodes, weights, macs, inputs=None, outputs="y", refused=None, resolution=None, opset=17, domains=(),
         value_info=(), unknown=None):
    outputs = [helper.make_empty_tensor_value_info(output) for output in outputs.split()]
    inputs = inputs or [value("x", [1, 3, 32, 32])]
    graph = helper.make_graph(nodes, name, inputs, outputs, list(weights), value_info=list(value_info))
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1) for domain in domains]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, FOLDER / f"{name}.onnx")
    entry = {"macs": macs, "refused": refused, "resolution": resolution, "unknown": unknown}
    cases[name] = {key: entry[key] for key in entry if entry[key] is not None}


FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "tests/onnx_more")
FOLDER.mkdir(exist_ok=True)
PAD = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
STEM = node("Conv", "x w1", "a", **PAD, strides=[2, 2])
STEM_MACS = 8 * 16 * 16 * 27
W1 = weight("w1", 8, 3, 3, 3)

# Sizes.
case("open_sides", [STEM], [W1], 8 * 160 * 240 * 27, [value("x", ["N", 3, "height", "width"])], "a", resolution="320x480")
case("open_sides_unasked", [STEM], [W1], None, [value("x", ["N", 3, "height", "width"])], "a", refused="--resolution")
case("open_sides_last", [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w1", "a", **PAD, strides=[2, 2])],
     [W1], 8 * 48 * 48 * 27, [value("x", [None, None, None, 3])], "a", resolution="96")
case("fixed_batch", [STEM, node("Reshape", "a s", "f"), node("Gemm", "f w2", "y")],
     [W1, ints("s", 4, -1), weight("w2", 2048, 10)], STEM_MACS + 20480, [value("x", [4, 3, 32, 32])])
case("side_inputs", [STEM, node("Mul", "a scale", "y")], [W1], STEM_MACS,
     [value("x", ["N", 3, 32, 32]), value("scale", [])])
case("no_batch", [node("Unsqueeze", "x at", "u"), node("Conv", "u w1", "a", **PAD, strides=[2, 2])], [W1, ints("at", 0)],
     STEM_MACS, [value("x", [3, 32, 32])], "a")
case("named_sizes", [STEM, node("Shape", "a", "s"), node("Slice", "s from to", "hw"), node("Concat", "bc hw", "target", axis=0),
                     node("Resize", "a   target", "r", mode="linear"), node("Conv", "r w2", "y", **PAD)],
     [W1, ints("from", 2), ints("to", 4), ints("bc", 1, 8), weight("w2", 4, 8, 3, 3)], STEM_MACS + 4 * 256 * 72,
     [value("x", ["batch", 3, 32, 32])])
# Fix the empty operands of Resize, which split() drops.
model = onnx.load(FOLDER / "named_sizes.onnx")
model.graph.node[4].input[:] = ["a", "", "", "target"]
onnx.save(model, FOLDER / "named_sizes.onnx")

# Windows.
case("dilated", [STEM, node("Conv", "a w2", "y", kernel_shape=[3, 3], pads=[2, 2, 2, 2], dilations=[2, 2])],
     [W1, weight("w2", 8, 8, 3, 3)], STEM_MACS + 8 * 256 * 72)
case("transposed", [STEM, node("ConvTranspose", "a w2", "y", kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])],
     [W1, weight("w2", 8, 4, 4, 4)], STEM_MACS + 256 * 8 * 4 * 16)
case("transposed_groups", [STEM, node("ConvTranspose", "a w2", "y", kernel_shape=[2, 2], strides=[2, 2], group=8)],
     [W1, weight("w2", 8, 1, 2, 2)], STEM_MACS + 256 * 8 * 4)
case("asymmetric", [node("Conv", "x w1", "a", kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2])], [W1], STEM_MACS,
     outputs="a")
case("padded", [node("Pad", "x", "p", pads=[0, 0, 0, 0, 0, 0, 1, 1]), node("Conv", "p w1", "a", kernel_shape=[3, 3], strides=[2, 2])],
     [W1], STEM_MACS, outputs="a", opset=9)
case("cropped", [STEM, node("Pad", "a pads", "p"), node("Conv", "p w2", "y", kernel_shape=[1, 1])],
     [W1, ints("pads", 0, 0, -2, -2, 0, 0, -2, -2), weight("w2", 4, 8, 1, 1)], STEM_MACS + 4 * 144 * 8)
case("average_3x3", [STEM, node("AveragePool", "a", "p", **PAD), node("Conv", "p w2", "y")], [W1, weight("w2", 4, 8, 1, 1)],
     STEM_MACS + 4 * 256 * 8)

# Forms of the same elements.
case("shuffle", [STEM, node("Reshape", "a s5", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t s4", "z"),
                 node("Conv", "z w2", "y", group=2)],
     [W1, ints("s5", 0, 2, 4, 16, 16), ints("s4", 0, -1, 16, 16), weight("w2", 8, 4, 1, 1)], STEM_MACS + 8 * 256 * 4)
case("focus", [node("Slice", f"x from{i} to ax st", f"p{i}") for i in range(4)]
     + [node("Concat", "p0 p1 p2 p3", "c", axis=1), node("Conv", "c w1", "y", **PAD)],
     [ints("from0", 0, 0), ints("from1", 1, 0), ints("from2", 0, 1), ints("from3", 1, 1), ints("to", 2**63 - 1, 2**63 - 1),
      ints("ax", 2, 3), ints("st", 2, 2), weight("w1", 8, 12, 3, 3)], 8 * 256 * 108)
case("depth", [node("SpaceToDepth", "x", "d", blocksize=4), node("Conv", "d w1", "a"), node("DepthToSpace", "a", "y", blocksize=2)],
     [weight("w1", 16, 48, 1, 1)], 16 * 64 * 48)
case("upsample", [STEM, node("Upsample", "a sc", "u"), node("Conv", "u w2", "y")], [W1, floats("sc", 1, 1, 2, 2), weight("w2", 4, 8, 1, 1)],
     STEM_MACS + 4 * 1024 * 8, opset=9)
case("channels_last", [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w1", "a", **PAD, strides=[2, 2]),
                       node("Transpose", "a", "l", perm=[0, 2, 3, 1]), node("MatMul", "l w2", "m"), node("Add", "m b2", "n"),
                       node("ReduceMean", "n", "g", axes=[1, 2], keepdims=0), node("MatMul", "g w3", "y")],
     [W1, weight("w2", 8, 32), weight("b2", 32), weight("w3", 32, 10)], STEM_MACS + 256 * 256 + 320, [value("x", ["N", 32, 32, 3])])
case("einsum", [STEM, node("Einsum", "a w2", "y", equation="bchw,cd->bdhw")], [W1, weight("w2", 8, 16)], STEM_MACS + 256 * 128)
case("gelu_and_norm", [STEM, node("Transpose", "a", "l", perm=[0, 2, 3, 1]), node("ReduceMean", "l", "m", axes=[-1]),
                       node("Sub", "l m", "d"), node("Pow", "d two", "q"), node("ReduceMean", "q", "v", axes=[-1]),
                       node("Add", "v eps", "ve"), node("Sqrt", "ve", "s"), node("Div", "d s", "n"), node("Mul", "n g", "ng"),
                       node("MatMul", "ng w2", "h"), node("Div", "h root", "e0"), node("Erf", "e0", "e1"), node("Add", "e1 one", "e2"),
                       node("Mul", "h e2", "e3"), node("Mul", "e3 half", "y")],
     [W1, floats("two", 2), floats("eps", 1e-5), weight("g", 8), weight("w2", 8, 32), floats("root", 1.4142), floats("one", 1),
      floats("half", 0.5)], STEM_MACS + 256 * 256)

# Quantised.
Q = [floats("s", 0.02), numpy_helper.from_array(np.array(0, np.uint8), "z")]
case("qdq", [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"), node("DequantizeLinear", "wq s z", "wd"),
             node("Conv", "d wd", "a", **PAD, strides=[2, 2])], Q + [weight("wq", 8, 3, 3, 3, kind=np.uint8)], STEM_MACS, outputs="a")
case("dynamic_int8", [node("DynamicQuantizeLinear", "x", "q qs qz"), node("ConvInteger", "q wq qz z", "c", **PAD, strides=[2, 2]),
                      node("Cast", "c", "f", to=FLOAT), node("Mul", "f qs", "g"), node("GlobalAveragePool", "g", "p"),
                      node("Flatten", "p", "v"), node("DynamicQuantizeLinear", "v", "vq vs vz"), node("MatMulInteger", "vq mq vz z", "y")],
     Q + [weight("wq", 8, 3, 3, 3, kind=np.uint8), weight("mq", 8, 10, kind=np.uint8)], STEM_MACS + 80)

# What depends on the image.
case("boxes_at_the_end", [STEM, node("Conv", "a w2", "c"), node("Reshape", "c sb", "b"),
                          node("ReduceMax", "c", "best", axes=[1]), node("Reshape", "best ss", "sc"),
                          node("NonMaxSuppression", "b sc", "k"), node("Gather", "k one", "y", axis=1)],
     [W1, weight("w2", 4, 8, 1, 1), ints("sb", 1, -1, 4), ints("ss", 1, 1, -1), ints("one", 1)], STEM_MACS + 4 * 256 * 8,
     unknown=["Gather", "NonMaxSuppression"])
case("conv_behind_boxes", [STEM, node("NonZero", "a", "n"), node("Cast", "n", "f", to=FLOAT), node("Unsqueeze", "f at", "u"),
                           node("Conv", "u w2", "y")], [W1, ints("at", 0, 1), weight("w2", 4, 1, 1, 1)], None, refused="NonZero")
case("foreign", [STEM, helper.make_node("Mystery", ["a"], ["m"], domain="vendor"), node("Conv", "m w2", "y")],
     [W1, weight("w2", 4, 8, 1, 1)], STEM_MACS + 4 * 256 * 8, domains=["vendor"], value_info=[value("m", [1, 8, 16, 16])],
     unknown=["vendor.Mystery"])
case("foreign_shapeless", [STEM, helper.make_node("Mystery", ["a"], ["m"], domain="vendor"), node("Conv", "m w2", "y")],
     [W1, weight("w2", 4, 8, 1, 1)], None, domains=["vendor"], refused="vendor.Mystery")
case("recurrent", [STEM, node("ReduceMean", "a", "r", axes=[2], keepdims=0), node("Transpose", "r", "t", perm=[2, 0, 1]),
                   node("LSTM", "t lw lr", "y", hidden_size=8)],
     [W1, weight("lw", 1, 32, 8), weight("lr", 1, 32, 8)], STEM_MACS + 16 * 512, unknown=["LSTM"])

with open(FOLDER / "expected.json", "w") as file:
    json.dump(cases, file, indent=1)
    file.write("\n")
