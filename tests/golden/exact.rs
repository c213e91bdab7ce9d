//! The exact engine against the golden scores and forward passes of the reference.

use crate::golden::{self, list, number, text};
use edgezen::plainnet::{Model, Variant, graph, notation, published};
use edgezen::proxy::Mode;
use edgezen::proxy::exact::forward::{Blind, Engine, Options, Statistics, weighted};
use edgezen::proxy::exact::real::Real;
use edgezen::proxy::exact::source::{Golden, Scaling};
use edgezen::proxy::exact::{Exact, Norm, Randomness, Settings, Variance, score};
use edgezen::stats;
use serde_json::Value;

#[track_caller]
pub fn close(got: f64, want: f64, absolute: f64, relative: f64, what: &str) {
    let tolerance = absolute + relative * want.abs();
    assert!((got - want).abs() <= tolerance, "{what}: {got} against {want}");
}

/// What a golden case was computed with.
pub fn settings(case: &Value, variance: Variance, norm: Norm, repeats: u32) -> Settings {
    let seed = number(case, "seed") as u64;
    let classes = number(case, "num_classes") as u32;
    Settings {
        variance,
        norm,
        batch: number(case, "batch") as u32,
        repeats,
        randomness: Randomness::Golden { seed, classes },
        ..Settings::new(Mode::Paper, 0)
    }
}

fn run<T: Real>(case: &Value, variance: Variance, norm: Norm, repeats: u32) -> Exact {
    let network = notation::parse(text(case, "structure")).unwrap();
    let resolution = number(case, "resolution") as u32;
    score::<T>(&network, resolution, &settings(case, variance, norm, repeats)).unwrap()
}

#[test]
fn golden_scores_in_double_precision() {
    for (i, case) in list(&golden::json("scores.json")["cases"]).iter().enumerate() {
        let want = &case["components_fp64"];
        let exact = run::<f64>(case, Variance::Running, Norm::L1, 1);
        let sample = &exact.samples[0];
        let check =
            |got: f64, key: &str| close(got, number(want, key), 0.0, 1e-9, &format!("case {i} {key}"));
        check(exact.score, "score_official");
        check(run::<f64>(case, Variance::Batch, Norm::L1, 1).score, "score_l1_with_batch_stats");
        check(run::<f64>(case, Variance::Batch, Norm::L2, 1).score, "score_paper_l2_with_batch_stats");
        check(sample.delta_l1, "delta_l1_mean");
        check(sample.delta_l2, "delta_l2_mean");
        check(sample.output_l1, "pre_gap_sum_abs");
        assert_eq!(sample.bn.len() as f64, number(want, "num_bn"));
        for (layer, [clean, disturbed]) in sample.bn.iter().enumerate() {
            for (got, key) in [
                (clean.biased, "mean_batch_var_biased_pass1"),
                (clean.unbiased, "mean_batch_var_unbiased_pass1"),
                (disturbed.unbiased, "mean_batch_var_unbiased_pass2"),
            ] {
                close(got, want[key][layer].as_f64().unwrap(), 0.0, 1e-9, &format!("{i} {key} {layer}"));
            }
        }
        for (got, want) in sample.output_head.iter().zip(list(&want["pre_gap_first8"])) {
            // Single values of the deep network feel rounding more than sums do.
            let tolerance = if i == 6 { 1e-7 } else { 1e-9 };
            close(*got, want.as_f64().unwrap(), 1e-12, tolerance, &format!("case {i} output"));
        }
    }
}

#[test]
fn golden_scores_in_single_precision() {
    for (i, case) in list(&golden::json("scores.json")["cases"]).iter().enumerate() {
        // In the deepest network rounding errors grow from layer to layer (docs/plainnet.md, section 5.2).
        let tolerance = if i == 6 { 0.1 } else { 1e-3 };
        let got = run::<f32>(case, Variance::Running, Norm::L1, 1).score;
        close(got, number(case, "official_function_fp32_repeat1"), tolerance, 0.0, &format!("case {i}"));
        let three = run::<f32>(case, Variance::Running, Norm::L1, 3);
        let want = &case["official_function_fp32_repeat3"];
        close(three.score, number(want, "avg_nas_score"), tolerance, 0.0, &format!("case {i}, 3 repeats"));
        close(three.std, number(want, "std_nas_score"), tolerance, 0.0, &format!("case {i}, deviation"));
        let want = number(&case["components_fp32"], "score_paper_l2_with_batch_stats");
        close(run::<f32>(case, Variance::Batch, Norm::L2, 1).score, want, tolerance, 0.0, "paper mode");
    }
}

#[test]
fn scores_with_residual_links() {
    for case in list(&golden::json("scores.json")["cases"]) {
        let want = &case["with_reslinks_fp64"];
        let Some(want_score) = want["score_official"].as_f64() else { continue };
        let network = notation::parse(text(case, "structure")).unwrap();
        let settings = Settings { variant: Variant::BUILT, ..settings(case, Variance::Running, Norm::L1, 1) };
        let exact = score::<f64>(&network, number(case, "resolution") as u32, &settings).unwrap();
        assert_eq!(exact.samples[0].bn.len() as f64, number(want, "num_bn"));
        close(exact.score, want_score, 0.0, 1e-9, text(case, "structure"));
    }
}

fn logits<T: Real>(case: &Value, statistics: Statistics) -> Vec<f64> {
    let model = Model {
        name: None,
        network: notation::parse(text(case, "structure")).unwrap(),
        resolution: number(case, "resolution") as u32,
        classes: number(case, "num_classes") as u32,
        se: case["use_se"].as_bool().unwrap(),
    };
    let graph = model.graph().unwrap();
    let batch = number(case, "batch") as usize;
    let weights: Vec<usize> = weighted(&graph).iter().map(|conv| conv.weights()).collect();
    let shapes = list(&case["conv_shapes_in_fill_order"]);
    let product = |shape: &Value| list(shape).iter().map(|d| d.as_u64().unwrap() as usize).product();
    assert_eq!(weights, shapes.iter().map(product).collect::<Vec<usize>>());
    let input = batch * graph.input().elements() as usize;
    let source = Golden::new(number(case, "seed") as u64, 0, &weights, input, Scaling::FanIn);
    let mut engine = Engine::<T>::default();
    let input = engine.input(&graph, batch, 1, 0.0, &source);
    let options = Options { statistics, rescale: false };
    let passed = engine.run(&graph, input, &source, options, &mut Blind).unwrap();
    passed.output.values()[..model.classes as usize].iter().map(|x| x.to_f64()).collect()
}

#[test]
fn logits_of_whole_networks_with_links_and_squeeze_excite() {
    for (i, case) in list(&golden::json("scores.json")["forward"]).iter().enumerate() {
        for (statistics, key) in [
            (Statistics::Fresh, "logits_eval_first_sample"),
            (Statistics::Batch, "logits_train_first_sample"),
        ] {
            let single = logits::<f32>(case, statistics);
            let double = logits::<f64>(case, statistics);
            for (class, want) in list(&case[key]).iter().enumerate() {
                let (got, want) = (double[class], want.as_f64().unwrap());
                close(got, want, 1e-11, 1e-9, &format!("case {i} {key} {class}"));
                close(single[class], want, 2e-4, 1e-4, &format!("case {i} {key} {class} in f32"));
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_score() {
    let model = published::by_name("zennet_imagenet1k_flops400M_SE_res224").unwrap();
    let settings = Settings { batch: 3, ..Settings::new(Mode::Reference, 5) };
    let score_with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| score::<f32>(&model.network, 64, &settings).unwrap())
    };
    assert_eq!(score_with(1), score_with(3));
}

#[test]
fn common_random_numbers_are_an_option() {
    let of = |structure: &str, common: bool| {
        let network = notation::parse(structure).unwrap();
        let randomness = Randomness::Seeded { seed: 7, common };
        let settings = Settings { batch: 4, randomness, ..Settings::new(Mode::Paper, 0) };
        score::<f32>(&network, 16, &settings).unwrap().samples[0].clone()
    };
    let (short, long) =
        ("SuperConvK3BNRELU(3,16,1,1)", "SuperConvK3BNRELU(3,16,1,1)SuperConvK3BNRELU(16,8,1,1)");
    assert_eq!(of(short, true).bn[0], of(long, true).bn[0]);
    assert_ne!(of(short, false).bn[0], of(long, false).bn[0]);
}

#[test]
fn grouped_convolutions_and_pooling_agree_with_plain_loops() {
    let text = "ConvKX(3,24,3,1)BN(24)RELU(24)MaxPool(24,3,2)ConvKXG4(24,36,5,2)BN(36)Swish(36)\
                ConvKXG2(36,10,1,2)ConvDW(10,7,2)BN(10)";
    let network = notation::parse(text).unwrap();
    let shape = edgezen::plainnet::Shape::square(3, 21);
    let graph = graph::body(&network.blocks, shape, Variant::BUILT).unwrap();
    let weights: Vec<usize> = weighted(&graph).iter().map(|conv| conv.weights()).collect();
    let input_len = 3 * shape.elements() as usize;
    let source = Golden::new(3, 0, &weights, input_len, Scaling::FanIn);
    let mut engine = Engine::<f64>::default();
    let input = engine.input(&graph, 3, 1, 0.0, &source);
    let options = Options { statistics: Statistics::Batch, rescale: false };
    let got = engine.run(&graph, input, &source, options, &mut Blind).unwrap().output.values();
    let want = plain::run(&graph, 3, 3, &weights);
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(&want) {
        close(*got, *want, 1e-9, 1e-9, "output");
    }
}

/// The same network in the plainest loops.
mod plain {
    use edgezen::plainnet::Graph;
    use edgezen::plainnet::graph::{Act, Op};
    use edgezen::proxy::exact::source::Golden;

    pub fn run(graph: &Graph, seed: u64, images: usize, weights: &[usize]) -> Vec<f64> {
        let mut next = 0_u64;
        let mut maps: Vec<Vec<f64>> = Vec::new();
        let draw = |at: u64| f64::from(Golden::normal(seed, at) as f32);
        let behind: usize = weights.iter().sum();
        for node in &graph.nodes {
            let (c, h, w) = (node.shape.c as usize, node.shape.h as usize, node.shape.w as usize);
            let (x, ic, ih, iw) = node.inputs.first().map_or((&[][..], 0, 0, 0), |&i| {
                let s = graph.nodes[i].shape;
                (&maps[i][..], s.c as usize, s.h as usize, s.w as usize)
            });
            let mut out = vec![0.0; images * c * h * w];
            for image in 0..images {
                for channel in 0..c {
                    for y in 0..h {
                        for column in 0..w {
                            let to = ((image * c + channel) * h + y) * w + column;
                            out[to] = match node.op {
                                Op::Input => draw((behind + to) as u64),
                                Op::Conv { kernel, stride, groups, .. } => {
                                    let (k, s, g) = (kernel as usize, stride as usize, groups as usize);
                                    let fan = ic / g * k * k;
                                    let mut sum = 0.0;
                                    for i in 0..fan {
                                        let (ci, ky, kx) = (i / (k * k), i / k % k, i % k);
                                        let from = channel / (c / g) * (ic / g) + ci;
                                        let (yy, xx) = (y * s + ky, column * s + kx);
                                        let p = (k - 1) / 2;
                                        if yy < p || xx < p || yy - p >= ih || xx - p >= iw {
                                            continue;
                                        }
                                        let scale = (1.0 / (fan as f64).sqrt()) as f32;
                                        let weight = draw(next + (channel * fan + i) as u64) as f32 * scale;
                                        sum += f64::from(weight)
                                            * x[((image * ic + from) * ih + yy - p) * iw + xx - p];
                                    }
                                    sum
                                }
                                Op::Act(Act::Relu) => x[to].max(0.0),
                                Op::Act(Act::Swish) => x[to] / (1.0 + (-x[to]).exp()),
                                Op::BatchNorm => x[to],
                                Op::MaxPool { kernel, stride } => {
                                    let (k, s) = (kernel as usize, stride as usize);
                                    let mut best = f64::NEG_INFINITY;
                                    for (ky, kx) in (0..k * k).map(|i| (i / k, i % k)) {
                                        let (yy, xx, p) = (y * s + ky, column * s + kx, (k - 1) / 2);
                                        if yy >= p && xx >= p && yy - p < ih && xx - p < iw {
                                            let from = ((image * ic + channel) * ih + yy - p) * iw;
                                            best = best.max(x[from + xx - p]);
                                        }
                                    }
                                    best
                                }
                                other => panic!("{other:?}"),
                            };
                        }
                    }
                }
            }
            if let Op::Conv { .. } = node.op {
                next += (c * ic / conv_groups(&node.op) * kernel_area(&node.op)) as u64;
            }
            if node.op == Op::BatchNorm {
                normalise(&mut out, images, c, h * w);
            }
            maps.push(out);
        }
        maps.pop().unwrap()
    }

    fn conv_groups(op: &Op) -> usize {
        if let Op::Conv { groups, .. } = op { *groups as usize } else { 1 }
    }

    fn kernel_area(op: &Op) -> usize {
        if let Op::Conv { kernel, .. } = op { (kernel * kernel) as usize } else { 1 }
    }

    fn normalise(map: &mut [f64], images: usize, channels: usize, area: usize) {
        for channel in 0..channels {
            let at = |image: usize, i: usize| (image * channels + channel) * area + i;
            let all: Vec<usize> =
                (0..images).flat_map(|image| (0..area).map(move |i| at(image, i))).collect();
            let n = all.len() as f64;
            let mean = all.iter().map(|&i| map[i]).sum::<f64>() / n;
            let variance = all.iter().map(|&i| (map[i] - mean).powi(2)).sum::<f64>() / n;
            for i in all {
                map[i] = (map[i] - mean) / (variance + 1e-3).sqrt();
            }
        }
    }
}

#[test]
fn published_networks_agree_with_the_reference_within_four_standard_errors() {
    for (name, side, repeats) in [
        ("cifar_model_size05M_res32", "32", 12),
        ("cifar_model_size1M_res32", "32", 12),
        ("imagenet1k_flops400M_res224", "64", 6),
        ("imagenet1k_flops400M_res224", "224", 3),
        ("imagenet1k_latency01ms_res224", "224", 3),
        ("resnet18_noreslink", "64", 6),
        ("resnet50_noreslink", "32", 6),
    ] {
        agrees(name, side, repeats);
    }
}

/// Some minutes on one core: `cargo test --release -- --ignored published`.
#[test]
#[ignore = "minutes"]
fn all_published_networks_agree_with_the_reference_at_all_resolutions() {
    for (name, case) in golden::json("zen_published_nets.json").as_object().unwrap() {
        for (side, want) in case["zen"].as_object().unwrap() {
            agrees(name, side, number(want, "reps").min(8.0) as u64);
        }
    }
}

fn agrees(name: &str, side: &str, repeats: u64) {
    let golden = golden::json("zen_published_nets.json");
    let want = &golden[name]["zen"][side];
    let network = match name.split_once("_noreslink") {
        Some((resnet, _)) => published::by_name(resnet).unwrap().network,
        None => notation::parse(text(&golden[name], "struct")).unwrap(),
    };
    let draws: Vec<f64> = (0..repeats)
        .map(|seed| {
            score::<f32>(&network, side.parse().unwrap(), &Settings::new(Mode::Reference, seed))
                .unwrap()
                .score
        })
        .collect();
    let (mean, std) = (stats::mean(&draws).unwrap(), stats::std_dev(&draws).unwrap());
    let (want_mean, want_std) = (number(want, "fresh_repeat1_mean"), number(want, "fresh_repeat1_std"));
    // Both deviations are estimated from few draws; the larger is the safer.
    let spread = std.max(want_std);
    let error = spread * (1.0 / repeats as f64 + 1.0 / number(want, "reps")).sqrt();
    println!("{name} at {side}: {mean:.3} ± {std:.3}, reference {want_mean:.3} ± {want_std:.3}");
    assert!((mean - want_mean).abs() < 4.0 * error, "{name}: {mean} against {want_mean}, error {error}");
}

#[test]
fn undefined_scores_say_why() {
    let one = notation::parse("SuperConvK3BNRELU(3,8,1,1)").unwrap();
    let settings = Settings { batch: 1, ..Settings::new(Mode::Paper, 0) };
    let error = score::<f32>(&one, 1, &settings).unwrap_err();
    assert!(error.to_string().contains("single value"), "{error}");
    let error = score::<f32>(&one, 8, &Settings { batch: 0, ..settings }).unwrap_err();
    assert!(error.to_string().contains("batch of 0"), "{error}");
    let empty = notation::parse("").unwrap();
    assert!(score::<f32>(&empty, 8, &settings).is_err());
    let broken = notation::parse("SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(9,8,1,1)").unwrap();
    assert!(score::<f32>(&broken, 8, &settings).is_err());
    // Nothing differs where nothing is disturbed.
    let settings = Settings { alpha: 0.0, ..settings };
    assert!(score::<f32>(&one, 8, &settings).unwrap_err().to_string().contains("differ"));
}
