//! Examples of the commands, which their `--help` shows at its end.

pub const DEVICES: &str =
    "Examples:\n  edgezen devices\n  edgezen devices show pixel2\n  edgezen devices doctor";
pub const PROFILE: &str = "Examples:\n  edgezen profile --device host --samples 200\n  edgezen profile --device pixel2 --serial 712KPBF1235565 --space mobilenet\n  edgezen profile --device host --resume";
pub const FIT: &str = "Examples:\n  edgezen fit --data datasets/host@tract\n  edgezen fit --data datasets/host@tract -o mine.json";
pub const TRANSFER: &str =
    "Examples:\n  edgezen transfer --from pixel2@tflite --device simulated --samples 15";
pub const PREDICTORS: &str = "Examples:\n  edgezen predictors\n  edgezen predictors info v100@tensorrt@fp16";
pub const NETWORKS: &str = "Examples:\n  edgezen networks\n  edgezen networks show mobilenet_v3_large --json";
pub const PREDICT: &str = "Examples:\n  edgezen predict --device pixel2 resnet50 mobilenet_v3_large model.onnx\n  edgezen predict --device v100 resnet50 --breakdown --latency 1ms\n  edgezen predict --device pixel2 runs/pixel2-30ms-seed0\n  edgezen predict --device v100 --kernels kernels.csv -o predicted.csv";
pub const EVALUATE: &str = "Examples:\n  edgezen evaluate --predictor mine.json --data networks.csv\n  edgezen evaluate --siblings --data networks.csv --of galaxy_s25";
pub const INFO: &str = "Examples:\n  edgezen info resnet50\n  edgezen info model.onnx --resolution 320x480\n  edgezen info zennet_imagenet1k_flops400M_SE_res224 --resolution 192 --json";
pub const SCORE: &str = "Examples:\n  edgezen score resnet18 resnet50 mobilenet_v2\n  edgezen score resnet18 --engine exact --repeats 4";
pub const SEARCH: &str = "Examples:\n  edgezen search --device pixel2 --latency 30ms\n  edgezen search --device v100 --latency 0.8ms --flops 2G --out runs/mine\n  edgezen search --space mobilenet --flops 400M --resolution 224\n  edgezen search --resume --out runs/mine";
pub const MEASURE: &str = "Examples:\n  edgezen measure --device host resnet18 model.onnx\n  edgezen measure --device pixel2 mobilenet_v2";
pub const VALIDATE: &str = "Examples:\n  edgezen validate --device host resnet18 mobilenet_v2\n  edgezen validate --device host runs/mine --top 5";
pub const REPORT: &str = "Examples:\n  edgezen report runs/mine\n  edgezen report runs/mine -o mine.html";
pub const EXPORT: &str = "Examples:\n  edgezen export mobilenet_v2 -o mobilenet_v2.onnx\n  edgezen export mobilenet_v2 -o mobilenet_v2.tflite --int8\n  edgezen export runs/mine -o mine.py\n  edgezen export runs/mine --format pytorch -o mine\n  edgezen export efficientnet_b0 -o efficientnet_b0.json";
pub const IMPORT_WEIGHTS: &str = "Examples:\n  edgezen import-weights runs/mine out/model_best.pth.tar -o best.safetensors\n  edgezen import-weights runs/mine out/checkpoint.pth --ema -o best.safetensors";
pub const JOBS: &str = "Examples:\n  edgezen jobs plan resnet18 resnet50 -o jobs -- score --engine exact --repeats 8\n  edgezen jobs plan --seeds 20 -o jobs -- search --device pixel2 --latency 80ms\n  edgezen jobs run jobs/job-00000.json\n  edgezen jobs merge jobs -o scores.json";
pub const DEPLOY: &str = "Examples:\n  edgezen deploy runs/mine --weights runs/train/best.safetensors --device host@litert@int8 --data pictures -o deployed\n  edgezen deploy resnet18 --weights best.safetensors --device host@onnxruntime --data pictures -o deployed";

/// All of them, for the test that tries them.
#[cfg(test)]
pub const ALL: &[&str] = &[
    DEVICES,
    PROFILE,
    FIT,
    TRANSFER,
    PREDICTORS,
    NETWORKS,
    PREDICT,
    EVALUATE,
    INFO,
    SCORE,
    SEARCH,
    MEASURE,
    VALIDATE,
    REPORT,
    EXPORT,
    IMPORT_WEIGHTS,
    JOBS,
    DEPLOY,
];
