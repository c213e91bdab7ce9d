//! The other zero-shot proxies against golden values of the reference.

use crate::golden::{self, list, number, text};
use edgezen::plainnet::{Graph, notation};
use edgezen::proxy::exact::forward::weighted;
use edgezen::proxy::exact::source::{Golden, Scaling};
use edgezen::proxy::on_graph::scored_graph;
use edgezen::proxy::{grad_norm, naswot, patterns, synflow, te_nas};
use serde_json::Value;

#[track_caller]
fn close(got: f64, want: f64, relative: f64, what: &str) {
    assert!((got - want).abs() <= relative * want.abs(), "{what}: {got} against {want}");
}

fn case_graph(case: &Value) -> Graph {
    let network = notation::parse(text(case, "structure")).unwrap();
    scored_graph(&network, number(case, "resolution") as u32, number(case, "num_classes") as u32).unwrap()
}

fn source(case: &Value, graph: &Graph, scaling: Scaling) -> Golden {
    let weights: Vec<usize> = weighted(graph).iter().map(|conv| conv.weights()).collect();
    let input = number(case, "batch") as usize * graph.input().elements() as usize;
    Golden::new(number(case, "seed") as u64, 0, &weights, input, scaling)
}

#[test]
fn golden_values_of_the_other_proxies() {
    for (i, case) in list(&golden::json("scores.json")["cases"]).iter().enumerate() {
        let graph = case_graph(case);
        let (images, classes) = (number(case, "batch") as usize, number(case, "num_classes") as usize);
        let unit = source(case, &graph, Scaling::Unit);

        let patterns = patterns::of::<f32>(&graph, images, &unit).unwrap();
        let kernel = patterns.agreement();
        // Rounding decides some signs of the deep network.
        let flips = if i == 6 { 2e-3 } else { 1e-9 };
        for (got, want) in kernel.iter().flatten().zip(list(&case["naswot_K"]).iter().flat_map(list)) {
            close(*got, want.as_f64().unwrap(), flips, &format!("case {i}, NASWOT kernel"));
        }
        let got = naswot::log_determinant(&kernel).unwrap();
        close(
            got,
            number(case, "naswot_fp32"),
            if i == 6 { 1e-3 } else { 1e-6 },
            &format!("case {i}, NASWOT"),
        );
        assert_eq!(patterns.regions(), images, "case {i}: every image has a region of its own");

        let labels: Vec<usize> = (0..images).map(|image| image % classes).collect();
        let single = grad_norm::norm::<f32>(&graph, &labels, &unit).unwrap();
        let double = grad_norm::norm::<f64>(&graph, &labels, &unit).unwrap();
        println!("case {i}: grad-norm {single} {double} {}", case["gradnorm_fp32"]);
        let tolerance = if i == 6 { 0.02 } else { 1e-4 };
        close(single, number(case, "gradnorm_fp32"), tolerance, &format!("case {i}, grad-norm"));
        close(double, number(case, "gradnorm_fp32"), tolerance, &format!("case {i}, grad-norm in f64"));

        let flow = synflow::flow(&graph, &unit, synflow::Sign::Negated).unwrap();
        close(flow, number(case, "synflow_fp64"), 1e-9, &format!("case {i}, synflow"));
        let original = synflow::flow(&graph, &unit, synflow::Sign::Original).unwrap();
        assert_eq!(original, -flow);

        let want = &case["ntk_fp64"];
        let scaled = source(case, &graph, Scaling::FanIn);
        let ntk = te_nas::tangent_kernel::<f64>(&graph, images, &scaled).unwrap();
        let tolerance = if i == 6 { 1e-6 } else { 1e-8 };
        close(
            te_nas::condition(&ntk.kernel).unwrap(),
            number(want, "condition"),
            tolerance,
            &format!("case {i}"),
        );
        let values = te_nas::eigenvalues(&ntk.kernel);
        for (got, want) in values.iter().zip(list(&want["eigenvalues"])) {
            close(*got, want.as_f64().unwrap(), tolerance, &format!("case {i}, eigenvalue"));
        }
        // Left out of the file where there are many classes.
        let logits = want["logits"].as_array().into_iter().flatten();
        for (got, want) in ntk.logits.iter().zip(logits) {
            for (got, want) in got.iter().zip(list(want)) {
                assert!((got - want.as_f64().unwrap()).abs() < 1e-7, "case {i}, logit: {got} against {want}");
            }
        }
    }
}
