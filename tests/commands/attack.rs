//! Inputs that were made to do harm: each is refused with its reason, and costs no more memory than it deserves.

use super::{edgezen, refused};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const BLOCKS: &str = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,8,1,8,1)";

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attack").join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs edgezen with its data going to `stdout`, which may be full or closed.
fn printing_to(stdout: impl Into<Stdio>, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    command.args(args).stdout(stdout).stderr(Stdio::piped()).output().unwrap()
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_usage_errors() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let word = OsStr::from_bytes(b"b\xff.json");
    for command in ["info", "predict", "score", "measure", "profile", "search", "dataset", "--bad"] {
        let output = Command::new(env!("CARGO_BIN_EXE_edgezen")).arg(command).arg(word).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_an_error_and_a_closed_one_is_not() {
    for args in
        [&["--version"][..], &["--help"], &["predict", "--help"], &["info", BLOCKS], &["completions", "bash"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = printing_to(full, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let output = printing_to(closed, args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stderr_changes_no_exit_code() {
    for args in [&["experiment", "tabel1"][..], &["--bad"], &["dataset", "bad"], &["info", "absent.onnx"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_edgezen"))
            .args(args)
            .stdout(Stdio::null())
            .stderr(full)
            .status();
        assert_eq!(status.unwrap().code(), Some(2), "{args:?}");
    }
}

#[test]
fn journals_of_more_configurations_than_any_plan_are_refused() {
    for name in ["journal-configurations-1e12.jsonl", "journal-configurations-2e64.jsonl"] {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("data/journal.jsonl");
        fs::create_dir(journal.parent().unwrap()).unwrap();
        fs::copy(case(name), &journal).unwrap();
        for more in [&[][..], &["--resume"]] {
            let args = [&["profile", "--device", "simulated", "-o", "data"], more].concat();
            refused(dir.path(), &args, 7, &["journal.jsonl"]);
        }
    }
}

#[test]
fn plans_of_networks_that_nobody_has_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, word) in
        [("plan-block-1e9.json", "resolution 1000000000"), ("plan-classes.json", "2147483647 classes")]
    {
        let path = case(name);
        let args = ["profile", "--device", "simulated", "--plan", text(&path), "--rounds", "1", "-o", "data"];
        refused(dir.path(), &args, 7, &[word]);
    }
}

#[test]
fn networks_larger_than_the_memory_are_refused_with_what_they_take() {
    let dir = tempfile::tempdir().unwrap();
    let path = case("huge-net.txt");
    let net = text(&path);
    for args in [
        &["score", "--engine", "exact", net, "--resolution", "32"][..],
        &["score", "--proxy", "naswot", net, "--resolution", "32"],
        &["score", "--proxy", "grad-norm", net, "--resolution", "32"],
        &["score", "--proxy", "synflow", net, "--resolution", "32"],
        &["score", "--proxy", "te-nas", net, "--resolution", "32"],
        &["measure", "--device", "host", net, "--resolution", "32"],
    ] {
        refused(dir.path(), args, 1, &["GB", "free"]);
    }
}

/// A gzipped file of `part`, `times` over.
fn bomb(path: &Path, head: &str, part: &str, times: usize) {
    let mut zip = flate2::write::GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
    zip.write_all(head.as_bytes()).unwrap();
    for _ in 0..times {
        zip.write_all(part.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn small_files_that_unpack_to_large_tables_are_refused_with_the_bound() {
    let dir = tempfile::tempdir().unwrap();
    let predict =
        |table: &str| ["predict", "--device", "pixel2", "--kernels", table, "-o", "o.csv"].map(str::to_owned);
    bomb(&dir.path().join("head.csv.gz"), "", &"a,".repeat(1 << 16), 100);
    bomb(
        &dir.path().join("rows.csv.gz"),
        "kind,in_c,out_c,in_h,latency_ms\n",
        &"conv,8,8,8,1.0\n".repeat(70_000),
        30,
    );
    for (table, word) in [("head.csv.gz", "1.05MB"), ("rows.csv.gz", "8000000 cells")] {
        let args = predict(table);
        refused(dir.path(), &args.each_ref().map(String::as_str), 7, &[table, word]);
        assert!(!dir.path().join("o.csv").exists());
    }
}

#[cfg(unix)]
#[test]
fn devices_and_folders_are_no_files() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["zero.csv", "zero.csv.gz", "zero.parquet", "zero.onnx", "zero.txt", "zero.json"] {
        std::os::unix::fs::symlink("/dev/zero", dir.path().join(name)).unwrap();
    }
    fs::create_dir(dir.path().join("folder.csv")).unwrap();
    let kernels = |table| ["predict", "--device", "pixel2", "--kernels", table, "-o", "o.csv"];
    for table in ["zero.csv", "zero.csv.gz", "zero.parquet"] {
        refused(dir.path(), &kernels(table), 7, &["it is a device"]);
    }
    refused(dir.path(), &kernels("folder.csv"), 7, &["it is a folder"]);
    for args in [
        &["predict", "--device", "pixel2", "zero.onnx"][..],
        &["predict", "--device", "pixel2", "zero.txt"],
        &["info", "zero.txt"],
        &["predict", "--predictor", "zero.json", "resnet18"],
        &["profile", "--device", "simulated", "--plan", "zero.json", "-o", "data"],
        &[
            "export",
            BLOCKS,
            "--resolution",
            "32",
            "--format",
            "onnx",
            "--weights",
            "/dev/zero",
            "-o",
            "w.onnx",
        ],
    ] {
        refused(dir.path(), args, 7, &["it is a device"]);
    }
}

#[test]
fn a_panic_of_the_decoder_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    let dataset = fs::read_dir(shipped).unwrap().map(|entry| entry.unwrap().path());
    let dataset = dataset.into_iter().find(|path| path.join("environment.json").exists()).unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::copy(dataset.join("environment.json"), dir.path().join("data/environment.json")).unwrap();
    fs::copy(case("dataset-samples-40.parquet"), dir.path().join("data/samples.parquet")).unwrap();
    for args in [&["dataset", "info", "data"][..], &["fit", "--data", "data", "-o", "p.json"]] {
        refused(dir.path(), args, 7, &["samples.parquet"]);
    }
}

#[test]
fn times_that_nobody_measured_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, word) in [("trtexec-1e300.json", "1e300"), ("trtexec-not-utf8.json", "not text")] {
        let net = format!("resnet18={}", text(&case(name)));
        let args = [
            "dataset",
            "import",
            "--format",
            "trtexec",
            "--device",
            "t4",
            "--precision",
            "fp16",
            "--batch",
            "1",
        ];
        refused(dir.path(), &[&args[..], &[&net, "-o", "data"]].concat(), 7, &[word]);
        assert!(!dir.path().join("data/samples.parquet").exists());
    }
    for latency in ["0", "1e-9", "1e300", "NaN", "-1"] {
        fs::write(
            dir.path().join("t.csv"),
            format!("kind,in_c,out_c,in_h,latency_ms\nconv,8,8,8,{latency}\n"),
        )
        .unwrap();
        let args = ["evaluate", "--predictor", "pixel2@tflite@fp32", "--data", "t.csv"];
        refused(dir.path(), &args, 7, &["latency_ms"]);
    }
}

#[test]
fn weights_that_no_network_was_trained_to_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, word) in [("negative-variance.safetensors", "running_var"), ("nan.safetensors", "NaN")] {
        let path = case(name);
        let args = ["export", BLOCKS, "--resolution", "32", "--classes", "4", "--se", "--format", "onnx"];
        refused(dir.path(), &[&args[..], &["--weights", text(&path), "-o", "o.onnx"]].concat(), 7, &[word]);
        assert!(!dir.path().join("o.onnx").exists());
    }
}

#[test]
fn a_deep_network_is_predicted_and_a_bottomless_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let deep =
        |blocks: usize| format!("SuperConvK3BNRELU(3,8,2,1){}", "SuperResIDWE2K3(8,8,1,8,1)".repeat(blocks));
    fs::write(dir.path().join("deep.txt"), deep(2_000)).unwrap();
    let output = edgezen(dir.path(), &["predict", "--device", "pixel2", "deep.txt", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(dir.path().join("bottomless.txt"), "SuperResK3K3(3,3,1,8,1000)".repeat(101)).unwrap();
    refused(dir.path(), &["predict", "--device", "pixel2", "bottomless.txt"], 2, &["101000 layers"]);
}

/// A run that was interrupted, and its checkpoint.
fn interrupted(dir: &Path) -> serde_json::Value {
    let args =
        ["search", "--device", "pixel2", "--latency", "80ms", "--iterations", "100000000", "--threads", "1"];
    let more = ["--population", "16", "--checkpoint-every", "1ms", "--out", "run"];
    let mut search = Command::new(env!("CARGO_BIN_EXE_edgezen"));
    let mut search = search
        .args([&args[..], &more].concat())
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = dir.join("run/checkpoint");
    let saved = std::iter::repeat_with(|| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let text = fs::read_to_string(&path).ok()?;
        let value: serde_json::Value = serde_json::from_str(text.split_once('\n')?.1).ok()?;
        let enough = value["search"]["networks"].as_array()?.len() > 4;
        enough.then_some(value)
    });
    let saved = saved.take(3_000).flatten().next();
    search.kill().unwrap();
    search.wait().unwrap();
    saved.unwrap()
}

fn bits(value: f64) -> u64 {
    value.to_bits()
}

#[test]
fn a_checkpoint_with_a_right_checksum_and_impossible_values_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = interrupted(dir.path());
    let forge = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = good.clone();
        change(&mut value["search"]);
        let body = value.to_string();
        let sum: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(dir.path().join("run/checkpoint"), format!("{sum}\n{body}\n")).unwrap();
    };
    type Change = &'static dyn Fn(&mut serde_json::Value);
    let changes: [(&str, Change); 10] = [
        ("latency", &|search| {
            for net in search["networks"].as_array_mut().unwrap() {
                net["latencies"] = serde_json::json!([[
                    bits(-1e6),
                    bits(f64::NAN),
                    bits(f64::INFINITY),
                    bits(7.0),
                    bits(0.0)
                ]]);
            }
        }),
        ("score", &|search| search["networks"][0]["score"] = bits(f64::NAN).into()),
        ("high score", &|search| search["networks"][0]["score"] = bits(1e9).into()),
        ("iteration", &|search| search["iteration"] = 1_000_000_000_000_000_u64.into()),
        ("params", &|search| search["networks"][0]["params"] = bits(1.0).into()),
        ("structure", &|search| search["networks"][0]["net"] = "SuperConvK3BNRELU(3,8,2,1000000)".into()),
        ("counts", &|search| search["scored"] = u64::MAX.into()),
        ("phases", &|search| search["phases"][0] = bits(f64::NEG_INFINITY).into()),
        ("front", &|search| search["fronts"][0][0][1] = bits(1e-300).into()),
        ("history", &|search| search["history"] = serde_json::json!([[u64::MAX, bits(1.0), bits(1.0)]])),
    ];
    for (_, change) in changes {
        forge(change);
        refused(
            dir.path(),
            &["search", "--resume", "--out", "run", "--threads", "1"],
            7,
            &["the checkpoint cannot be used"],
        );
    }
}
