//! The exact Zen-Score against plain GEMMs of the same sizes: `cargo bench --bench zen [NAME…]`.
//!
//! For every convolution of a network the `gemm` crate multiplies matrices of its size (out × fan-in by
//! fan-in × positions, both passes together; depthwise layers are no matrix products and are left out).
//! Scores and GEMMs alternate, so that a busy machine slows both alike; medians, and the ratio of
//! GFLOP/s. `1024³` is the rate of that one GEMM; the last column is the time of the score where it runs at
//! 92 GFLOP/s. One thread, then two.

#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use edgezen::plainnet::{Model, Variant, published};
use edgezen::proxy::Mode;
use edgezen::proxy::exact;
use edgezen::proxy::exact::conv::Conv;
use edgezen::proxy::exact::{Settings, forward};
use edgezen::stats;
use std::time::Instant;

struct Case {
    name: &'static str,
    batch: u32,
    rounds: usize,
}

const CASES: &[Case] = &[
    Case { name: "zennet_cifar10_model_size1M_res32", batch: 16, rounds: 7 },
    Case { name: "zennet_cifar10_model_size1M_res32", batch: 2, rounds: 15 },
    Case { name: "resnet18", batch: 16, rounds: 5 },
    Case { name: "resnet50", batch: 16, rounds: 3 },
    Case { name: "zennet_imagenet1k_flops400M_SE_res224", batch: 16, rounds: 5 },
];

/// Matrices for one size of GEMM, reused by all.
struct Buffers {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

/// Seconds that `work` takes; on one thread those that it gets a core for, where the system tells, so
/// that other programs do not count.
fn seconds(threads: usize, work: impl FnOnce()) -> f64 {
    let (started, on_core) = (Instant::now(), on_core());
    work();
    match (threads, on_core, self::on_core()) {
        (1, Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    }
}

/// Seconds that this thread has been on a core.
fn on_core() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(status.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

/// All GEMMs of a network.
fn gemms(convs: &[Conv], images: usize, threads: usize, buffers: &mut Buffers) {
    let parallelism = if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
    for conv in convs {
        if is_depthwise(conv) {
            continue;
        }
        let (m, k) = (conv.output.c as usize, conv.fan_in());
        let n = images * (conv.output.h * conv.output.w) as usize;
        // Columns by the piece, each piece in the cache: the rate that a GEMM can reach, not that of memory.
        let step = ((1 << 19) / k).clamp(256, n.max(256));
        buffers.a.resize(m * k, 0.5);
        buffers.b.resize(k * step, 0.5);
        buffers.c.resize(m * step, 0.0);
        let mut from = 0;
        while from < n {
            let n = step.min(n - from);
            multiply(m, k, n, buffers, parallelism);
            from += step;
        }
    }
}

fn multiply(m: usize, k: usize, n: usize, buffers: &mut Buffers, parallelism: gemm::Parallelism) {
    let (rows, depth) = (m as isize, k as isize);
    assert!(buffers.a.len() >= m * k && buffers.b.len() >= k * n && buffers.c.len() >= m * n);
    let (a, b, c) = (buffers.a.as_ptr(), buffers.b.as_ptr(), buffers.c.as_mut_ptr());
    // SAFETY: the three buffers hold m×k, k×n and m×n values, column by column.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            rows,
            1,
            false,
            a,
            rows,
            1,
            b,
            depth,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn is_depthwise(conv: &Conv) -> bool {
    conv.groups > 1
}

fn macs(convs: &[Conv], depthwise: bool) -> f64 {
    let one = |conv: &Conv| conv.weights() as f64 * f64::from(conv.output.h * conv.output.w);
    convs.iter().filter(|conv| is_depthwise(conv) == depthwise).map(one).sum()
}

/// Peak resident memory of this process so far, in MB.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn run(case: &Case, model: &Model, threads: usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let graph = exact::network_graph(&model.network, model.resolution, Variant::SCORED).expect("a network");
    let convs = forward::weighted(&graph);
    let settings = Settings { batch: case.batch, ..Settings::new(Mode::Paper, 1) };
    let images = 2 * case.batch as usize;
    let mut buffers = Buffers { a: Vec::new(), b: Vec::new(), c: Vec::new() };
    let (mut ours, mut theirs, mut square) = (Vec::new(), Vec::new(), Vec::new());
    pool.install(|| {
        for _ in 0..case.rounds {
            ours.push(seconds(threads, || {
                exact::score::<f32>(&model.network, model.resolution, &settings).expect("a score");
            }));
            theirs.push(seconds(threads, || gemms(&convs, images, threads, &mut buffers)));
            let parallelism =
                if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
            square.push(seconds(threads, || {
                for size in [&mut buffers.a, &mut buffers.b, &mut buffers.c] {
                    size.resize(1 << 20, 0.5);
                }
                multiply(1024, 1024, 1024, &mut buffers, parallelism);
            }));
        }
    });
    let median = |values: &[f64]| stats::median(values).unwrap_or(f64::NAN);
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let flop = 2.0 * images as f64 * macs(&convs, false);
    let rate = flop / 1e9 / median(&theirs);
    let square_rate = 2.0 * 1024f64.powi(3) / 1e9 / median(&square);
    println!(
        "{:38} {:>5} {:>7} {:>9.1} {:>9.1} {:>7.1} {:>7.1} {:>6.0} % {:>6.0} % {:>12.1}",
        case.name,
        case.batch,
        threads,
        1e3 * median(&ours),
        1e3 * median(&theirs),
        rate,
        square_rate,
        100.0 * median(&theirs) / median(&ours),
        100.0 * least(&theirs) / least(&ours),
        // What the score would take where a GEMM runs at 92 GFLOP/s on each core.
        1e3 * median(&ours) * square_rate / (92.0 * threads as f64),
    );
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if wanted.iter().any(|name| name == "memory") {
        let model = published::by_name("resnet50").expect("published");
        exact::score::<f32>(&model.network, 224, &Settings::new(Mode::Paper, 1)).expect("a score");
        println!("resnet50 at 224, batch 16: peak {:.0} MB", peak_mb().unwrap_or(f64::NAN));
        return;
    }
    println!(
        "{:38} {:>5} {:>7} {:>9} {:>9} {:>7} {:>7} {:>8} {:>8} {:>12}",
        "network",
        "batch",
        "threads",
        "score ms",
        "GEMM ms",
        "GFLOP/s",
        "1024³",
        "ratio",
        "of best",
        "ms at 92"
    );
    for threads in [1, 2] {
        for case in CASES {
            if !wanted.is_empty() && !wanted.iter().any(|name| case.name.contains(name.as_str())) {
                continue;
            }
            let model = published::by_name(case.name).expect("published");
            run(case, &model, threads);
        }
    }
}
