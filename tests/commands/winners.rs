//! What `edgezen search` maximises and hands over: ensembles of scores, winners among finalists, a head that is varied.

use crate::commands::{edgezen, edgezen_json, refused};
use crate::golden::{list, number, text};
use serde_json::Value;
use std::path::Path;

const SPACE: [&str; 7] = ["search", "--space", "mobilenet", "--flops", "300M", "--iterations", "4000"];

fn search(dir: &Path, more: &[&str]) -> Value {
    edgezen_json(dir, &[&SPACE[..], more, &["--json"]].concat())
}

#[test]
fn an_ensemble_is_searched_by_with_any_threads_and_after_an_interruption() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let ensemble = ["--proxy", "zen+params+macs", "--params", "6M"];
    let one = search(dir, &[&ensemble[..], &["--threads", "1", "--out", "one"]].concat());
    let two = search(dir, &[&ensemble[..], &["--threads", "2", "--out", "two"]].concat());
    assert_eq!(text(&one, "proxy"), "zen+params+macs");
    for field in ["best", "front", "scored", "rejected"] {
        assert_eq!(one[field], two[field], "{field}");
    }
    assert!(number(&one["best"], "params") <= 6e6 && !list(&one["front"]).is_empty());
    assert!(one.get("winner").is_none(), "an ensemble hands over its greatest score");
    // Prolonged, it goes on with the same reference networks.
    let more = ["search", "--resume", "--out", "one", "--iterations", "6000", "--json"];
    let more = edgezen_json(dir, &more);
    assert!(number(&more["best"], "score") >= number(&one["best"], "score"));
    let page = edgezen_json(dir, &["report", "one", "--json"]);
    let page = std::fs::read_to_string(dir.join(text(&page, "report"))).unwrap();
    assert!(page.contains("zen+params+macs"));
    let other = search(dir, &[&ensemble[..], &["--seed", "1", "--out", "other"]].concat());
    assert_ne!(other["best"], two["best"]);
    for (proxy, word) in
        [("zen+naswot", "closed forms"), ("zen+zen", "twice"), ("zen+", "unknown"), ("zen+colour", "colour")]
    {
        refused(dir, &[&SPACE[..], &["--proxy", proxy, "--out", "no"]].concat(), 2, &[word]);
    }
    refused(dir, &[&SPACE[..], &ensemble, &["--batch", "4"]].concat(), 2, &["--batch"]);
    refused(dir, &[&SPACE[..], &ensemble, &["--rescore", "exact"]].concat(), 2, &["no exact engine"]);
}

#[test]
fn the_winner_is_one_of_the_finalists_and_the_greatest_score_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let usual = search(dir, &["--out", "usual"]);
    let greatest = search(dir, &["--winner", "score", "--out", "greatest"]);
    assert!(greatest.get("winner").is_none());
    let winner = &usual["winner"];
    assert_eq!((text(&usual, "proxy"), text(winner, "by")), ("zen", "zen+stage-params"));
    assert_eq!(winner["greatest"]["net"], greatest["best"]["net"]);
    assert_eq!(usual["front"], greatest["front"], "the search itself is the same");
    let (best, most) = (number(&usual["best"], "score"), number(&greatest["best"], "score"));
    assert!(best <= most && best >= 0.95 * most && number(winner, "finalists") > 1.0, "{best} of {most}");
    assert!(number(&usual["best"], "flops") <= 3e8);
    // The score that is reported is the Zen-Score.
    let net = text(&usual["best"], "net");
    let score = number(&edgezen_json(dir, &["score", net, "--json"])[0], "score");
    assert!((score - best).abs() < 1e-9);
    let shown = edgezen_json(dir, &["search", "--resume", "--out", "usual", "--json"]);
    assert_eq!((&shown["best"], &shown["winner"]), (&usual["best"], &usual["winner"]));
    let text_of = edgezen(dir, &["search", "--resume", "--out", "usual"]);
    let text_of = String::from_utf8_lossy(&text_of.stdout).into_owned();
    assert!(text_of.contains("--winner score takes"), "{text_of}");
    // Presets, and the rules of the paper, hand over the greatest score.
    let preset =
        ["search", "--preset", "Zen_NAS_ImageNet_flops400M", "--iterations", "500", "--out", "p", "--json"];
    assert!(edgezen_json(dir, &preset).get("winner").is_none());
    assert!(search(dir, &["--optimiser", "paper", "--out", "paper"]).get("winner").is_none());
    refused(dir, &[&SPACE[..], &["--winner", "naswot"]].concat(), 2, &["closed forms"]);
    refused(dir, &[&SPACE[..], &["--winner", "greatest"]].concat(), 2, &["greatest"]);
}

#[test]
fn a_head_is_varied_where_it_takes_most_of_a_budget() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let args = ["search", "--space", "mobilenet", "--params", "1M", "--iterations", "4000", "--out", "small"];
    let output = edgezen(dir, &args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("last convolution is varied"), "{said}");
    let found = edgezen_json(dir, &["search", "--resume", "--out", "small", "--json"]);
    assert!(number(&found["best"], "params") <= 1e6);
    let head = text(&found["best"], "net").rsplit("SuperConvK1BNRELU(").next().unwrap().to_owned();
    let width: u32 = head.split(',').nth(1).unwrap().parse().unwrap();
    assert!((8..2048).contains(&width), "{head}");
    let plan = std::fs::read_to_string(dir.join("small/run.toml")).unwrap();
    assert!(plan.contains("varied_head = 2048"), "{plan}");
    // Larger budgets leave it alone, and so do presets.
    search(dir, &["--params", "6M", "--out", "large"]);
    let plan = std::fs::read_to_string(dir.join("large/run.toml")).unwrap();
    assert!(!plan.contains("varied_head"));
    let preset =
        ["search", "--preset", "Zen_NAS_ImageNet_flops400M", "--params", "1M", "--iterations", "100"];
    refused(dir, &preset, 6, &["smallest reachable is 2.0", "keeps its 2048 channels"]);
}
