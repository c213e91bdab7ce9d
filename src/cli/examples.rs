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
pub const SCORE: &str = "Examples:\n  edgezen score resnet18 resnet50 mobilenet_v2\n  edgezen score resnet18 --engine exact --repeats 4\n  edgezen score resnet18 --engine exact --error 0.1";
pub const SEARCH: &str = "Examples:\n  edgezen search --device pixel2 --latency 30ms\n  edgezen search --device v100 --latency 0.8ms --flops 2G --out runs/mine\n  edgezen search --space mobilenet --flops 400M --resolution 224\n  edgezen search --resume --out runs/mine";
pub const MEASURE: &str = "Examples:\n  edgezen measure --device host resnet18 model.onnx\n  edgezen measure --device pixel2 mobilenet_v2\n  edgezen measure --device jetson-orin --host orin --energy mobilenet_v2";
pub const VALIDATE: &str = "Examples:\n  edgezen validate --device host resnet18 mobilenet_v2\n  edgezen validate --device host runs/mine --top 5";
pub const REPORT: &str = "Examples:\n  edgezen report runs/mine --open\n  edgezen report runs/mine -o mine.html\n  edgezen report runs/mine runs/larger --calibration anb.json\n  edgezen report runs/train";
pub const EXPORT: &str = "Examples:\n  edgezen export mobilenet_v2 -o mobilenet_v2.onnx\n  edgezen export mobilenet_v2 -o mobilenet_v2.tflite --int8\n  edgezen export runs/mine -o mine.py\n  edgezen export runs/mine --format pytorch -o mine\n  edgezen export efficientnet_b0 -o efficientnet_b0.json";
pub const IMPORT_WEIGHTS: &str = "Examples:\n  edgezen import-weights runs/mine out/model_best.pth.tar -o best.safetensors\n  edgezen import-weights runs/mine out/checkpoint.pth --ema -o best.safetensors";
pub const JOBS: &str = "Examples:\n  edgezen jobs plan resnet18 resnet50 -o jobs -- score --engine exact --repeats 8\n  edgezen jobs plan --seeds 20 -o jobs -- search --device pixel2 --latency 80ms\n  edgezen jobs run jobs/job-00000.json\n  edgezen jobs merge jobs -o scores.json";
pub const DEPLOY: &str = "Examples:\n  edgezen deploy runs/mine --weights runs/train/best.safetensors --device host@litert@int8 --data pictures -o deployed\n  edgezen deploy resnet18 --weights best.safetensors --device host@onnxruntime --data pictures -o deployed";

pub const DEVICES_LIST: &str = "Examples:\n  edgezen devices list\n  edgezen devices list --json";
pub const DEVICES_SHOW: &str =
    "Examples:\n  edgezen devices show galaxy_s25\n  edgezen devices show device-profiles/pixel2.toml";
pub const DEVICES_DOCTOR: &str =
    "Examples:\n  edgezen devices doctor\n  edgezen devices doctor --serial 712KPBF1235565";
pub const DEVICES_POOL: &str =
    "Examples:\n  edgezen devices pool pool.toml\n  edgezen devices pool pool.toml --tag desk";
pub const DEVICES_DESCRIBE: &str = "Examples:\n  edgezen devices describe\n  edgezen devices describe --serial 712KPBF1235565 -o device-profiles/mine.toml";
pub const DATASET: &str = "Examples:\n  edgezen dataset info datasets/host@tract\n  edgezen dataset export datasets/host@tract --only kernels -o kernels.csv";
pub const DATASET_INFO: &str = "Examples:\n  edgezen dataset info datasets/host@tract";
pub const DATASET_IMPORT: &str = "Examples:\n  edgezen dataset import --format help-ofa --device v100 --batch 64 datasets/tables/help-ofa/latency.csv.gz -o datasets/mine\n  edgezen dataset import --format trtexec --device v100 resnet18=runs.json -o datasets/v100@tensorrt-networks";
pub const DATASET_ACCURACIES: &str =
    "Examples:\n  edgezen dataset accuracies published.csv.gz --columns params -o accuracies.csv";
pub const DATASET_EXPORT: &str =
    "Examples:\n  edgezen dataset export datasets/host@tract --only networks -o networks.csv";
pub const DATASET_MERGE: &str =
    "Examples:\n  edgezen dataset merge datasets/host@tract datasets/host@tract-refined -o datasets/both";
pub const PREDICTORS_LIST: &str = "Examples:\n  edgezen predictors list";
pub const PREDICTORS_INFO: &str =
    "Examples:\n  edgezen predictors info pixel2\n  edgezen predictors info mine.json";
pub const PREDICTORS_VERIFY: &str =
    "Examples:\n  edgezen predictors verify\n  edgezen predictors verify mine.json";
pub const PREDICTORS_ADD: &str = "Examples:\n  edgezen predictors add predictors/host@tract@fp32.json";
pub const PREDICTORS_PAGE: &str = "Examples:\n  edgezen predictors page";
pub const PREDICTORS_WHERE: &str =
    "Examples:\n  edgezen predictors where\n  edgezen predictors where host pixel2";
pub const NETWORKS_LIST: &str = "Examples:\n  edgezen networks list";
pub const NETWORKS_SHOW: &str = "Examples:\n  edgezen networks show mobilenet_v3_large --json";
pub const CALIBRATE: &str = "Examples:\n  edgezen calibrate --accuracies datasets/accuracies/accel_nasbench.csv.gz --samples 50 -o anb.json";
pub const EXPERIMENT: &str = "Examples:\n  edgezen experiment fig4\n  edgezen experiment accuracy";
pub const FIG2: &str = "Examples:\n  edgezen experiment fig2 --repeats 4";
pub const THEOREM1: &str = "Examples:\n  edgezen experiment theorem1";
pub const TABLE2: &str = "Examples:\n  edgezen experiment table2 --resolution 224 --batch 16";
pub const FIG1: &str = "Examples:\n  edgezen experiment fig1 --iterations 48000";
pub const FIG4: &str = "Examples:\n  edgezen experiment fig4";
pub const TABLE3: &str = "Examples:\n  edgezen experiment table3 --iterations 96000";
pub const SEARCHED: &str = "Examples:\n  edgezen experiment searched";
pub const ACCURACY: &str = "Examples:\n  edgezen experiment accuracy\n  edgezen experiment accuracy --accuracies mine.csv --sampled 0";
pub const JOBS_PLAN: &str = "Examples:\n  edgezen jobs plan --nets-from nets.txt --parts 200 -o jobs -- score --engine exact --repeats 8\n  edgezen jobs plan --seeds 20 -o jobs -- search --device pixel2 --latency 80ms\n  edgezen jobs plan -o jobs -- finalists runs/mine -k 6 --data pictures";
pub const JOBS_RUN: &str = "Examples:\n  edgezen jobs run jobs/job-00000.json\n  edgezen jobs run --threads 4 jobs/job-00000.json jobs/job-00001.json";
pub const JOBS_STATUS: &str = "Examples:\n  edgezen jobs status jobs";
pub const JOBS_MERGE: &str = "Examples:\n  edgezen jobs merge jobs -o scores.json";
pub const COMPLETIONS: &str = "Examples:\n  edgezen completions bash\n  edgezen completions zsh";
pub const MANUAL: &str =
    "Examples:\n  edgezen manual\n  edgezen manual jobs plan\n  edgezen manual --man man";
#[cfg(feature = "torch")]
pub const TRAIN: &str = "Examples:\n  edgezen train runs/mine --data pictures\n  edgezen train runs/mine --data pictures --find-rate --out runs/rates\n  edgezen train resnet18 --data cifar-10-batches-bin --recipe paper --out runs/train";
#[cfg(feature = "torch")]
pub const FINALISTS: &str = "Examples:\n  edgezen finalists runs/mine -k 6 --data pictures";
#[cfg(feature = "torch")]
pub const TABLE1: &str = "Examples:\n  edgezen experiment table1 --data cifar-10-batches-bin --device cuda:0";
#[cfg(feature = "torch")]
pub const RANDOM: &str = "Examples:\n  edgezen experiment random --data cifar-10-batches-bin";
