//! `experiment fig4`, `table3` and `searched`: three files each, and what they say.

use super::{edgezen_json, refused};
use crate::golden::{list, number, text};

#[test]
fn figures_and_tables_of_the_paper_are_written_as_three_files() {
    let dir = tempfile::tempdir().unwrap();
    let fig4 = edgezen_json(dir.path(), &["experiment", "fig4", "--iterations", "100", "--json"]);
    assert_eq!(text(&fig4, "experiment"), "fig4");
    for ending in ["csv", "svg", "md"] {
        assert!(dir.path().join(format!("fig4.{ending}")).is_file(), "{ending}");
    }
    let points = list(&fig4["result"]["points"]);
    let of = |name: &str| points.iter().find(|point| point["name"] == name).unwrap();
    assert_eq!(of("dnanet_d")["basis"], "published");
    assert_eq!(of("searched, 400 M")["basis"], "predicted");
    assert!(number(of("searched, 400 M"), "lower") < number(of("searched, 400 M"), "upper"));
    assert!(of("OFANet-11ms")["latencies"].as_array().unwrap().iter().all(serde_json::Value::is_null));
    let csv = std::fs::read_to_string(dir.path().join("fig4.csv")).unwrap();
    assert!(csv.lines().any(|line| line.contains("\"resnet50\"") && line.contains("IMAGENET1K_V2")));
    // Nothing that is there is replaced.
    refused(dir.path(), &["experiment", "fig4", "--iterations", "100"], 2, &["fig4.csv"]);

    let table3 = edgezen_json(dir.path(), &["experiment", "table3", "--iterations", "200", "--json"]);
    let rows = list(&table3["result"]);
    let measured: Vec<_> = rows.iter().filter(|row| row["seconds"].is_number()).collect();
    assert_eq!(measured.len(), 2);
    assert!(measured.iter().all(|row| row["gpu_days"].is_null() && row["top1"].is_null()));
}
