//! ONNX Runtime and LiteRT on 64-bit Arm cores: the runner for glibc, started through its own loader in qemu, computes in each
//! of them what tract computes. Latencies mean nothing here.

use super::arm::{PLAN, TARGET, arm_runner, copy_runner, journal_of, started};
use super::loopback::{Desk, Phone, errors, parts_are_here};
use edgezen::engine::{Engine, Tract};
use edgezen::measurement::Subject;
use edgezen::plainnet::graph::Act;
use edgezen::plainnet::{Kernel, KernelKind, Model, published};
use edgezen_runner::protocol::{Job, Reply, VERSION};
use edgezen_runner::{Measured, Outputs, Policy, Running, Work};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const SEED: u64 = 5;

/// The runner with its C library, and the libraries of the runtimes.
struct Parts {
    runner: PathBuf,
    libraries: PathBuf,
}

impl Parts {
    /// `None` where one of them is not here or cannot be started here; says so.
    fn here() -> Option<Parts> {
        let folders = edgezen_lab::device::runtimes::folders();
        let libraries = folders.iter().map(|folder| folder.join("aarch64")).find(|folder| folder.is_dir());
        let parts = Parts { runner: arm_runner(), libraries: libraries.unwrap_or_default() };
        let answer = parts.start().arg("--version").output();
        if parts.libraries.is_dir() && answer.is_ok_and(|output| output.status.success()) {
            return Some(parts);
        }
        let message = "skipped: no Arm runner for glibc, nothing that runs it, or no libraries for it (scripts/setup-arm, \
                       scripts/setup-runtimes aarch64)";
        assert!(std::env::var_os("EDGEZEN_REQUIRE_ARM_RUNTIMES").is_none(), "{message}");
        eprintln!("{message}");
        None
    }

    /// The command that starts the runner through its loader.
    fn start(&self) -> Command {
        let mut command = started(&self.runner);
        command.arg("--libraries").arg(&self.libraries);
        command
    }

    /// Has the runner measure `subjects`, and gives the version of the runtime with the results.
    fn measured(&self, running: &Running, subjects: &[Subject]) -> (String, Vec<Measured>) {
        let policy = Policy {
            warmup_min_runs: 1,
            warmup_min_ns: 0,
            warmup_max_ns: 0,
            min_runs: 2,
            max_runs: 2,
            max_ns: 0,
            patience_ns: 0,
            ..Policy::HOST
        };
        let dir = tempfile::tempdir().unwrap();
        let jobs = dir.path().join("jobs");
        let lines = subjects.iter().enumerate().map(|(index, subject)| {
            let job = Job {
                protocol: VERSION,
                id: index.to_string(),
                work: Work::Subject(subject.clone()),
                running: running.clone(),
                compare: true,
                batch: 1,
                seed: SEED,
                policy,
            };
            serde_json::to_string(&job).unwrap() + "\n"
        });
        std::fs::write(&jobs, lines.collect::<String>()).unwrap();
        let output = self.start().arg("--jobs").arg(&jobs).output().unwrap();
        assert!(output.status.success(), "{running:?}: {}", errors(&output));
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut replies = lines.lines().map(|line| serde_json::from_str::<Reply>(line).unwrap());
        let Some(Reply::Ready { runtimes, target, .. }) = replies.next() else { panic!("{lines}") };
        assert_eq!(target, "aarch64-linux");
        let here = runtimes.into_iter().find(|here| here.name == running.runtime).unwrap();
        let measured = replies.zip(subjects).map(|(reply, subject)| match reply {
            Reply::Done { measured, .. } => {
                let known = if running.runtime == "tract" { Outputs::Reference } else { Outputs::Compared };
                assert_eq!(measured.outputs, Some(known));
                *measured
            }
            // Among others: that the outputs are not tract's.
            other => panic!("{running:?}, {subject}: {other:?}"),
        });
        let measured: Vec<Measured> = measured.collect();
        assert_eq!(measured.len(), subjects.len(), "{running:?}: {}", errors(&output));
        (here.version.unwrap_or_else(|| panic!("{:?}", here.missing)), measured)
    }
}

fn kernel(kind: KernelKind, channels: (u32, u32), side: u32, window: (u32, u32), act: Act) -> Subject {
    Subject::Kernel(Kernel {
        kind,
        batch: 1,
        in_c: channels.0,
        out_c: channels.1,
        in_h: side,
        in_w: side,
        kernel: window.0,
        stride: window.1,
        groups: if kind == KernelKind::Dwconv { channels.0 } else { 1 },
        act,
        residual: false,
        window: None,
    })
}

/// Kernels of several kinds, and two networks.
fn subjects() -> (Vec<Subject>, Vec<Subject>) {
    let residual = match kernel(KernelKind::Conv, (16, 16), 8, (1, 1), Act::Relu) {
        Subject::Kernel(kernel) => Subject::Kernel(Kernel { residual: true, ..kernel }),
        other => other,
    };
    let kernels = vec![
        kernel(KernelKind::Conv, (8, 24), 9, (3, 2), Act::Relu),
        kernel(KernelKind::Conv, (24, 40), 7, (1, 1), Act::HardSwish),
        kernel(KernelKind::Dwconv, (16, 16), 8, (5, 1), Act::Relu6),
        kernel(KernelKind::Linear, (64, 10), 1, (1, 1), Act::None),
        kernel(KernelKind::Pool, (16, 16), 7, (1, 1), Act::None),
        residual,
    ];
    let networks = [("zennet_cifar10_model_size05M_res32", 32), ("mobilenet_v2", 32)];
    let networks = networks.into_iter().map(|(name, resolution)| {
        Subject::network(&Model { resolution, ..published::by_name(name).unwrap() }, 1)
    });
    (kernels, networks.collect())
}

/// What the outputs of a run of tract on this computer add up to.
fn tract_here(subject: &Subject) -> f64 {
    Tract.load(&subject.graph().unwrap(), 1, SEED).unwrap().run_once().unwrap()
}

#[test]
fn both_runtimes_compute_on_arm_what_tract_computes_here() {
    let Some(parts) = Parts::here() else { return };
    let (kernels, networks) = subjects();
    let all = [networks.clone(), kernels].concat();
    let of = |runtime: &str, precision: &str, threads| Running {
        runtime: runtime.into(),
        precision: precision.into(),
        threads,
    };
    let near = |what: &str, subject: &Subject, measured: &Measured| {
        let (there, here) = (measured.timing.checksum.unwrap(), tract_here(subject));
        assert!((there - here).abs() <= 1e-3 * here.abs().max(1.0), "{what}, {subject}: {there} and {here}");
    };
    // The runtimes are compared with tract on the same cores, which is therefore compared with tract here.
    let (_, measured) = parts.measured(&Running::tract(), &all);
    for (subject, measured) in all.iter().zip(&measured) {
        near("tract", subject, measured);
    }
    for (runtime, threads) in [("onnxruntime", 1), ("litert", 2)] {
        let (version, measured) = parts.measured(&of(runtime, "fp32", threads), &all);
        assert!(version.starts_with(|digit: char| digit.is_ascii_digit()), "{runtime} {version}");
        // Kernels are timed in graphs that hold them several times, and LiteRT's inputs have the channels last, so that these
        // sums alone are those of tract. Everything else is compared in the runner.
        if runtime == "onnxruntime" {
            for (subject, measured) in networks.iter().zip(&measured) {
                near(runtime, subject, measured);
            }
        }
        let (same, measured) = parts.measured(&of(runtime, "int8", 1), &all);
        assert_eq!(same, version);
        assert!(measured.iter().all(|measured| measured.timing.checksum.is_some_and(f64::is_finite)));
    }
}

/// An Arm phone, measured in LiteRT with integers: the libraries are pushed, and the loader among them starts the runner.
#[test]
fn arm_phones_are_measured_in_litert() {
    if !parts_are_here() {
        return;
    }
    let Some(parts) = Parts::here() else { return };
    let (desk, mut phone) = (Desk::new(), Phone::pixel2());
    phone.architecture("arm64-v8a", "aarch64");
    phone.start();
    phone.plug_in(&desk);
    desk.hurry();
    let run = |device: &str, libraries: &Path, out: &str| {
        std::fs::write(desk.folder.path().join("small.json"), PLAN).unwrap();
        let arguments =
            ["profile", "--device", device, "--plan", "small.json", "--rounds", "1", "-o", out, "--json"];
        let mut command = desk.edgezen(&arguments);
        command.env_remove("EDGEZEN_RUNNER").env("EDGEZEN_RUNTIMES", libraries);
        command.output().unwrap()
    };
    copy_runner(&parts.runner, &desk, TARGET);
    // The library for these cores is not here.
    let nowhere = desk.folder.path().join("nowhere");
    let output = run("pixel2@litert@int8", &nowhere, "none");
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    for word in ["libLiteRt.so", "scripts/setup-runtimes aarch64", "--device pixel2@tract"] {
        assert!(errors(&output).contains(word), "{word}: {}", errors(&output));
    }

    let output = run("pixel2@litert@int8", parts.libraries.parent().unwrap(), "data");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["identity"], &report["configurations"]), (&"pixel2@litert@int8".into(), &4.into()));
    let journal = journal_of(&desk, "data");
    let environment = &journal[0]["environment"];
    for fact in ["runner_sha256", "c_library_sha256", "runtime_library_sha256"] {
        assert!(environment[fact].is_string(), "{fact}: {environment}");
    }
    // The same runner measures in tract as well, through the same loader.
    let output = run("pixel2@tract", &nowhere, "tract");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(journal_of(&desk, "tract")[0]["environment"]["runtime_library_sha256"].is_null());
}
