//! Tools that somebody described: what is measured with them, in every command that measures, and what is said where one of
//! them does not work. Small scripts stand in for the programs, and print what these print.

#![cfg(unix)]

use serde_json::Value;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A small network with a depthwise convolution, a residual sum and a classifier.
const NET: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)SuperConvK1BNRELU(8,16,1,1)";

/// A folder with descriptions of tools, their programs, and nothing else that is installed.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::fs::create_dir(dir.path().join("tools")).unwrap();
        Place { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a program that is a shell script.
    fn program(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Adds the tool `mine`, whose program is `script`: it gets the file, the threads and the runs.
    fn mine(&self, script: &str, more: &str) {
        self.program("mine-bench", script);
        let text = format!(
            "schema = 1\nid = \"mine\"\nabout = \"a stand-in\"\nformat = \"onnx\"\nruns = 2\nprecisions = [\"fp32\", \"int8\"]\n\
             most_threads = 2\ncommand = [\"mine-bench\", \"{{model}}\", \"{{threads}}\", \"{{runs}}\"]\n{more}\n\
             [latency]\npattern = 'mean (\\S+) us'\nunit = \"us\"\n"
        );
        std::fs::write(self.path().join("tools/mine.toml"), text).unwrap();
    }

    /// Adds a description that is shipped.
    fn shipped(&self, name: &str) {
        std::fs::copy(shipped().join(name), self.path().join("tools").join(name)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new(env!("CARGO_BIN_EXE_edgezen"))
            .args(args)
            .current_dir(self.path())
            .env("EDGEZEN_RUNTIMES", self.path().join("tools"))
            .env("XDG_DATA_HOME", self.path())
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .env_remove("VIRTUAL_ENV")
            .output()
            .unwrap()
    }

    /// The JSON of a command that must succeed; 3 says that this computer is busy.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(matches!(output.status.code(), Some(0 | 3)), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error} {output:?}"))
    }

    /// The errors of a command that must fail with `code`, each of `words` among them.
    fn refused(&self, args: &[&str], code: i32, words: &[&str]) {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{args:?} does not say {word:?}: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }

    fn file(&self, name: &str) {
        let output = self.run(&["export", NET, "--resolution", "32", "-o", name]);
        assert!(output.status.success(), "{output:?}");
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runtimes")
}

/// A text as the argument of a `printf` that prints it.
fn printed(text: &str) -> String {
    text.lines().fold(String::new(), |mut script, line| {
        let _ = writeln!(script, "printf '%s\\n' '{line}'");
        script
    })
}

/// What the programs print, shortened, from their own documentation; the times fit the scripts that print it.
const BENCHMARK_MODEL: &str = "INFO: Loaded model net.tflite
INFO: Initialized session in 4.125ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=171 first=5421 curr=2913 min=2727 max=5421 avg=2950.34 std=109
INFO: Running benchmark for at least 50 iterations and at least 0 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=1413 curr=1402 min=1399 max=1600 avg=1.4125e+03 std=12 p5=1400 median=1405 p95=1500
INFO: Inference timings in us: Init: 4125, First inference: 5421, Warmup (avg): 2950.34, Inference (avg): 1.4125e+03
INFO: Memory footprint delta from the start of the tool (MB): init=4.21094 overall=46.0859";
const PERF_TEST: &str = "Setting intra_op_num_threads to 2
Session creation time cost: 0.0102016 s
First inference time cost: 2 ms
Total inference time cost: 0.0928695 s
Total inference requests: 50
Average inference time cost total: 1.857390 ms
Number of inferences per second: 538.184
Avg CPU usage: 96 %
Peak working set size: 36696064 bytes
Min Latency: 0.00183404 s
P50 Latency: 0.00185674 s
P999 Latency: 0.00190312 s";
const BENCHNCNN: &str = "loop_count = 50
num_threads = 2
powersave = 0
gpu_device = -1
cooling_down = 0
net.ncnn.param  min =    1.60  max =   77.94  avg =    1.75";

#[test]
fn the_shipped_descriptions_call_their_programs_and_read_what_these_print() {
    let place = Place::new();
    place.file("net.tflite");
    place.file("net.onnx");
    let rest = "sleep 0.12\n";
    // Each stand-in refuses other arguments than the real program takes.
    place.program(
        "benchmark_model",
        &format!(
            "case \"$*\" in *\" --num_threads=2 --num_runs=50 --min_secs=0\") ;; *) exit 9;; esac\n\
             [ \"$(head -c 8 \"${{1#--graph=}}\" | tail -c 4)\" = TFL3 ] || exit 8\n{rest}{}",
            // As newer versions do, on the standard error.
            printed(BENCHMARK_MODEL).replace('\n', " >&2\n")
        ),
    );
    place.program(
        "onnxruntime_perf_test",
        &format!(
            "[ \"$1 $2 $3 $4 $5 $6 $7 $8 $9\" = '-I -e cpu -m times -r 50 -x 2' ] || exit 9\n\
             shift 9; [ $1 = -D ] && [ -s \"$2\" ] && [ $# = 2 ] || exit 8\n{rest}{}",
            printed(PERF_TEST)
        ),
    );
    place.program("pnnx", "[ \"$2\" = 'inputshape=[1,3,32,32]' ] || exit 9\n: > \"${7#ncnnparam=}\"");
    place.program(
        "benchncnn",
        &format!(
            "[ \"$1 $2 $3 $4 $5\" = '50 2 0 -1 0' ] && [ -f \"${{6#param=}}\" ] && [ $7 = 'shape=[32,32,3]' ] || exit 9\n\
             {rest}{}",
            printed(BENCHNCNN).replace('\n', " >&2\n")
        ),
    );
    for (id, file, latency, first, load, memory) in [
        ("benchmark_model", "net.tflite", 1.4125, Some(5.421), Some(4.125), None),
        ("onnxruntime_perf_test", "net.onnx", 1.85674, Some(2.0), Some(10.2016), Some(36.696_064)),
        ("benchncnn", "net.onnx", 1.75, None, None, None),
    ] {
        place.shipped(&format!("{id}.toml"));
        let device = format!("host@{id}");
        let rows = place.json(&["measure", "--device", &device, "--threads", "2", "--resolution", "32", NET]);
        let of_file = place.json(&["measure", "--device", &format!("{device}@2t"), file]);
        for row in [&rows[0], &of_file[0]] {
            assert_eq!(row["device"], format!("{device}@fp32@2t"), "{row}");
            assert_eq!((&row["timed_by"], &row["outputs"]), (&"tool".into(), &"unchecked".into()), "{row}");
            assert_eq!(
                (&row["runs_per_sample"], &row["runs"], &row["launches"]),
                (&50.into(), &5.into(), &5.into())
            );
            let near = |field: &str, wanted: Option<f64>| match (row[field].as_f64(), wanted) {
                (Some(found), Some(wanted)) => assert!((found - wanted).abs() < 1e-4, "{field}: {row}"),
                (found, wanted) => assert_eq!(found, wanted, "{field}: {row}"),
            };
            near("median_ms", Some(latency));
            near("first_ms", first);
            near("load_ms", load);
            near("peak_memory_mb", memory);
        }
    }
}

#[test]
fn the_text_says_who_measured_and_what_is_unchecked() {
    let place = Place::new();
    place.mine("sleep 0.01; echo mean 1500 us", "");
    place.file("net.onnx");
    let output = place.run(&["measure", "--device", "host@mine", "net.onnx"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for word in ["host@mine@fp32", "1.50", "timed by the tool itself", "2 runs a sample", "outputs unchecked"]
    {
        assert!(out.contains(word), "{word}: {out}");
    }
    assert!(err.contains("note: mine times itself") && err.contains("unchecked"), "{err}");
    let list = place.json(&["devices"]);
    let runtimes = list["runtimes"].as_array().unwrap();
    let mine = runtimes.iter().find(|runtime| runtime["name"] == "mine").unwrap();
    assert!(mine["version"].as_str().unwrap().starts_with("sha256-") && mine["missing"].is_null(), "{mine}");
    assert_eq!(mine["about"], "a stand-in");
}

/// The whole loop: what a tool says is profiled, fitted, validated and searched by, in floats and in integers.
#[test]
fn every_command_that_measures_takes_a_tool() {
    let place = Place::new();
    // A network takes the longer the larger its file is.
    let script = "n=$((150000 + $(wc -c < \"$1\") / 20)); sleep 0.02; printf 'mean %d.%03d us\\n' $((n / 1000)) $((n % 1000))";
    place.mine(script, "");
    let profiled = place.json(&["profile", "--device", "host@mine", "--samples", "24", "--rounds", "1"]);
    assert_eq!(
        (&profiled["identity"], &profiled["outputs"]),
        (&"host@mine@fp32".into(), &"unchecked".into()),
        "{profiled}"
    );
    assert_eq!(profiled["timed_by"], "tool", "{profiled}");
    let data = std::fs::read_to_string(place.path().join("datasets/host@mine/environment.json")).unwrap();
    let data: Value = serde_json::from_str(&data).unwrap();
    let tool = &data["environment"]["timed_by_tool"];
    assert_eq!((&tool["outputs"], &tool["runs_per_call"]), (&"unchecked".into(), &2.into()), "{data}");
    assert!(data["identity"]["runtime_version"].as_str().unwrap().starts_with("sha256-"), "{data}");
    place.json(&["fit", "--data", "datasets/host@mine"]);
    assert!(place.path().join("predictors/host@mine@fp32.json").is_file());

    let file = place.path().join("tools/mine.toml");
    let by_path = format!("host@{}", file.display());
    for device in ["host@mine", &by_path] {
        let validated = place.json(&["validate", "--device", device, "zennet_cifar10_model_size05M_res32"]);
        let row = &validated["rows"][0];
        assert!(row["measured_ms"].as_f64().unwrap() > 0.1, "{validated}");
        assert_eq!(row["outputs"], "unchecked", "{validated}");
    }
    let search = [
        "search",
        "--device",
        "host@mine",
        "--latency",
        "2ms",
        "--resolution",
        "32",
        "--classes",
        "10",
        "--iterations",
        "300",
        "--verify",
        "1",
        "--out",
        "run",
    ];
    let found = place.json(&search);
    assert_eq!(found["verified"][0]["outputs"], "unchecked", "{found}");

    let rows = place.json(&[
        "measure",
        "--device",
        "host@mine@int8",
        "--resolution",
        "32",
        NET,
        "mobilenet_v3_small",
    ]);
    assert_eq!(rows[0]["device"], "host@mine@int8");
    // A network of the zoo is written in integers as well: its file is a quarter as large.
    let floats = place.json(&["measure", "--device", "host@mine", "mobilenet_v3_small"]);
    let excess = |row: &Value| row["median_ms"].as_f64().unwrap() - 0.150;
    assert!(excess(&rows[1]) < 0.4 * excess(&floats[0]), "{} {}", rows[1], floats[0]);
}

#[test]
fn a_tool_that_does_not_work_is_described() {
    let place = Place::new();
    place.file("net.onnx");
    place.file("net.tflite");
    let measure = ["measure", "--device", "host@mine", "net.onnx"];
    place.mine("echo nearly; echo >&2 'cannot open'; exit 3", "");
    place.refused(
        &measure,
        1,
        &["mine-bench failed", "3", "cannot open", "nearly", "net.onnx", "by hand", "mine.toml"],
    );
    place.mine("sleep 0.01; echo average 3 us", "");
    place.refused(&measure, 1, &["the latency is not in the output", "mean (", "average 3 us", "pattern"]);
    place.mine("sleep 0.01; echo mean soon us", "");
    place.refused(&measure, 1, &["soon", "no number"]);
    place.mine("echo mean 60000000 us", "");
    place.refused(&measure, 1, &["2 runs of", "longer than the whole call", "unit"]);
    place.mine("sleep 1000", "time_limit_s = 1");
    place.refused(&measure, 1, &["did not end within 1 s", "time_limit_s"]);
    place.mine("sleep 0.01; echo mean 3000 us", "");
    std::fs::remove_file(place.path().join("bin/mine-bench")).unwrap();
    place.refused(&measure, 1, &["there is no program mine-bench in PATH", "install"]);
    let list = place.json(&["devices"]);
    let runtimes = list["runtimes"].as_array().unwrap();
    let mine = runtimes.iter().find(|runtime| runtime["name"] == "mine").unwrap();
    assert!(mine["version"].is_null() && mine["missing"].as_str().unwrap().contains("mine-bench"), "{mine}");

    place.mine("sleep 0.01; echo mean 3000 us", "colour = \"red\"");
    place.refused(&measure, 7, &["mine.toml", "colour", "docs/runtimes.md"]);
    place.mine("sleep 0.01; echo mean 3000 us", "");
    place.refused(&["measure", "--device", "host@mine", "net.tflite"], 2, &["net.tflite", "mine", ".onnx"]);
    place.refused(&["measure", "--device", "host@mine@4t", "net.onnx"], 2, &["4 threads", "at most 2"]);
    place.refused(&["measure", "--device", "host@mine@fp16", "net.onnx"], 2, &["fp16", "int8"]);
    place.refused(&["measure", "--device", "host@yours", "net.onnx"], 2, &["yours", "mine", "tract"]);
    place.refused(&["measure", "--device", "host@./no.toml", "net.onnx"], 2, &["no.toml", "no such file"]);
}

#[test]
fn threads_are_said_once() {
    let place = Place::new();
    place.mine("[ $2 = 2 ] || exit 1; sleep 0.01; echo mean 3000 us", "");
    place.file("net.onnx");
    for args in [&["host@mine", "--threads", "2"][..], &["host@mine@2t"], &["host@mine@2t", "--threads", "2"]]
    {
        let rows = place.json(&[&["measure", "net.onnx", "--device"], args].concat());
        assert_eq!(rows[0]["device"], "host@mine@fp32@2t");
    }
    let both = ["measure", "--device", "host@mine@2t", "--threads", "1", "net.onnx"];
    place.refused(&both, 2, &["2 threads", "--threads 1"]);
    place.refused(&["measure", "--device", "host", "--threads", "2", NET], 2, &["2 threads", "tract"]);
    place.refused(&["measure", "--device", "host", "--threads", "0", NET], 2, &["--threads"]);
}

/// ONNX Runtime and LiteRT through their own Python packages, where `EDGEZEN_PYTHON` names a Python that has them.
#[test]
fn a_real_program_is_measured() {
    let Some(python) = std::env::var_os("EDGEZEN_PYTHON") else {
        println!("skipped: EDGEZEN_PYTHON names no Python with onnxruntime and ai-edge-litert");
        return;
    };
    let place = Place::new();
    place.program("python3", &format!("exec '{}' \"$@\"", Path::new(&python).display()));
    for (id, file, package) in
        [("onnxruntime+python", "net.onnx", "1."), ("litert+python", "net.tflite", "2.")]
    {
        place.file(file);
        place.shipped(&format!("{id}.toml"));
        std::fs::copy(shipped().join("python_loop.py"), place.path().join("tools/python_loop.py")).unwrap();
        let device = format!("host@{id}");
        let rows = place.json(&["measure", "--device", &device, "--resolution", "32", NET, file]);
        for row in rows.as_array().unwrap() {
            assert_eq!(
                (&row["device"], &row["timed_by"]),
                (&format!("{device}@fp32").into(), &"tool".into()),
                "{row}"
            );
            for field in ["median_ms", "first_ms", "load_ms"] {
                assert!(row[field].as_f64().unwrap() > 0.0, "{field}: {row}");
            }
            assert!(!cfg!(target_os = "linux") || row["peak_memory_mb"].as_f64().unwrap() > 1.0, "{row}");
        }
        let list = place.json(&["devices"]);
        let found =
            list["runtimes"].as_array().unwrap().iter().find(|runtime| runtime["name"] == id).unwrap();
        assert!(found["version"].as_str().unwrap().starts_with(package), "{found}");
    }
}

/// Every file in the folder is one that a user can copy.
#[test]
fn shipped_descriptions_can_be_read() {
    use edgezen::device::tool::Tools;
    let entries = Tools::new(vec![shipped()]).entries();
    assert!(entries.len() >= 5);
    for entry in entries {
        let tool = entry.tool.unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        let text = std::fs::read_to_string(&tool.file).unwrap().replace("\n# ", " ");
        // What nobody has tried says so.
        assert!(
            text.contains("Not tried with the real program") || entry.name.ends_with("+python"),
            "{}",
            entry.name
        );
    }
}
