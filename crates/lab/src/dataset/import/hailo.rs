//! The table of Hailo's model zoo in the words of this program: images per second as the time of an image.
//!
//! The accelerators work as pipelines in which several images are under way, so that these times are throughputs and no
//! latencies: their identities say so ([`Identity::is_throughput`](edgezen_core::measurement::Identity::is_throughput)).

use super::column::Column;
use crate::dataset::DatasetError;
use crate::dataset::table::{KernelTable, NetworkTableError, Select};

/// A row of the table: its number there, the network, the side of its images, and the time of one in milliseconds.
type Row = (usize, String, u32, f64);

/// The runtime of these identities.
pub const RUNTIME: &str = "hailo-throughput";

/// The batches that the table states, with their columns.
const BATCHES: [(u32, &str); 2] = [(1, "throughput_fps_b1"), (8, "throughput_fps_b8")];

/// The source's names of networks whose graphs are those of the zoo: multiply-accumulates and parameters agree. Left out are
/// `resnet_v1_50`, which has 15 % fewer of them than any ResNet-50 here, and `mobilenet_v3`, which has five times as many.
const NETWORKS: [(&str, &str); 15] = [
    ("efficientnet_lite0", "efficientnet_lite0"),
    ("efficientnet_lite1", "efficientnet_lite1"),
    ("efficientnet_lite2", "efficientnet_lite2"),
    ("efficientnet_lite3", "efficientnet_lite3"),
    ("efficientnet_lite4", "efficientnet_lite4"),
    ("inception_v1", "googlenet"),
    ("mobilenet_v1", "mobilenet_v1_1.0"),
    ("mobilenet_v2_1.0", "mobilenet_v2_1.0"),
    ("mobilenet_v2_1.4", "mobilenet_v2_1.4"),
    ("regnetx_1.6gf", "regnetx_016"),
    ("regnetx_800mf", "regnetx_008"),
    ("resnet_v1_18", "resnet18"),
    ("resnet_v1_34", "resnet34"),
    ("resnext50_32x4d", "resnext50_32x4d"),
    ("squeezenet_v1.1", "squeezenet_1.1"),
];

/// A network of the source as the zoo calls it; others keep a name that no network here has.
fn network(theirs: &str) -> String {
    let known = NETWORKS.iter().find(|(name, _)| *name == theirs);
    known.map_or_else(|| format!("hailo {theirs}"), |(_, ours)| (*ours).to_owned())
}

pub(super) fn translate(table: KernelTable, select: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let asked = select.batch.unwrap_or(1);
    let Some((batch, name)) = BATCHES.into_iter().find(|(batch, _)| *batch == asked) else {
        let known = BATCHES.iter().map(|(batch, _)| format!("batch {batch}")).collect();
        let wanted = format!("batch {asked}");
        return Err(NetworkTableError::NoLatencies { path: table.path().to_owned(), wanted, known });
    };
    let of = |name: &'static str| Column::of(&table, name);
    let (names, task, chip) = (of("network")?, of("task")?, of("chip")?);
    let (high, wide, rate) = (of("in_h")?, of("in_w")?, of(name)?);
    let mut rows = Vec::new();
    for row in 0..table.len() {
        // Empty cells: not measured.
        if rate.text(row).trim().is_empty() {
            continue;
        }
        let theirs = names.text(row).trim();
        let (network, side) = match (task.text(row).trim(), side(&high, row), side(&wide, row)) {
            ("classification", high, wide) => match (high?, wide?) {
                (high, wide) if high == wide => (network(theirs), high),
                (high, wide) => (format!("hailo {theirs} {high}x{wide}"), high),
            },
            // Networks of other tasks have no graph here, and some have several inputs.
            (task, ..) => (format!("hailo {theirs} ({task})"), 1),
        };
        rows.push((row, network, side, f64::from(batch) * rate.time_of_one(row)?));
    }
    let column = |value: &dyn Fn(&Row) -> String| -> Vec<String> { rows.iter().map(value).collect() };
    let same = |value: &str| vec![value.to_owned(); rows.len()];
    Ok(table.translated([
        ("network", column(&|row| row.1.clone())),
        ("resolution", column(&|row| row.2.to_string())),
        ("device", column(&|row| chip.text(row.0).trim().to_owned())),
        ("runtime", same(RUNTIME)),
        ("precision", same("int8")),
        ("batch", same(&batch.to_string())),
        ("latency_ms", column(&|row| row.3.to_string())),
    ]))
}

/// A side of the input, which the table writes as `224.0`.
fn side(column: &Column<'_>, row: usize) -> Result<u32, DatasetError> {
    let text = column.text(row).trim();
    let whole = text.strip_suffix(".0").unwrap_or(text).parse::<u32>().ok();
    whole
        .filter(|side| (1..=65_536).contains(side))
        .ok_or_else(|| column.error(row, format!("{text:?} is no side of an image")))
}

#[cfg(test)]
mod tests {
    use super::super::networks::testing::{chosen, latency_of};
    use super::super::networks::{SOURCES, import};
    use super::*;
    use edgezen_core::plainnet::graph_cost;
    use edgezen_core::zoo::{Encoded, Named};
    use std::path::Path;

    const HEADER: &str = "task,dataset,network,chip,compiler,in_h,in_w,in_c,params_m,gops,metric,float_metric,hw_metric,throughput_fps_b1,throughput_fps_b8\n";
    const ROWS: &str = "classification,Imagenet,resnet_v1_18,hailo8,v3.33.0,224.0,224.0,3.0,11.68,3.64,,71.3,71.0,2718.0,2718.0\n\
        classification,Imagenet,resnet_v1_50,hailo8,v3.33.0,224.0,224.0,3.0,25.53,6.98,,75.2,74.6,1372.0,1372.0\n\
        classification,Imagenet,efficientnet_lite2,hailo8,v3.33.0,260.0,260.0,3.0,6.06,1.74,,75.5,74.3,977.0,977.0\n\
        classification,Imagenet,resnet_v1_34,hailo8l,v3.33.0,224.0,224.0,3.0,21.79,7.34,,72.7,72.3,134.0,400.0\n";

    fn read(text: &str, select: &Select) -> Result<crate::dataset::Dataset, NetworkTableError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        let source = SOURCES.iter().find(|source| source.name == "hailo").unwrap();
        import(source, &path, None, select, "2026")
    }

    #[test]
    fn images_per_second_become_times_under_a_runtime_that_says_so() {
        let text = format!("{HEADER}{ROWS}");
        let chip = read(&text, &chosen("hailo8", None, None)).unwrap();
        assert_eq!(chip.identity.to_string(), "hailo8@hailo-throughput@int8");
        assert!(chip.identity.is_throughput());
        assert_eq!((chip.samples.len(), chip.identity.batch), (2, 1));
        assert!((latency_of(&chip, "zoo:resnet18@224").unwrap() - 1000.0 / 2718.0).abs() < 1e-9);
        assert!((latency_of(&chip, "zoo:efficientnet_lite2@260").unwrap() - 1000.0 / 977.0).abs() < 1e-9);
        assert!(chip.provenance.notes.iter().any(|note| note.contains("1 names (hailo resnet_v1_50)")));
        // Of eight images, the whole batch.
        let eight = Select { batch: Some(8), ..chosen("hailo8l", None, None) };
        let eight = read(&text, &eight).unwrap();
        assert_eq!(eight.identity.batch, 8);
        assert!((latency_of(&eight, "zoo:resnet34@224").unwrap() - 8.0 * 1000.0 / 400.0).abs() < 1e-9);
        let four = Select { batch: Some(4), ..chosen("hailo8", None, None) };
        assert!(read(&text, &four).unwrap_err().to_string().contains("batch 8"));
        let error = read(&text, &Select::default()).unwrap_err();
        assert!(matches!(error, NetworkTableError::Mixed { column: "device", .. }), "{error}");
    }

    #[test]
    fn damaged_rows_are_refused_by_row_and_column() {
        let good = "classification,Imagenet,mobilenet_v1,hailo8,v3.33.0,224.0,224.0,3.0,4.22,1.14,,71.0,70.4,3305.0,3305.0\n";
        assert!(read(&format!("{HEADER}{ROWS}{good}"), &chosen("hailo8", None, None)).is_ok());
        for (from, to, column) in [
            ("3305.0,3305.0", "-1,3305.0", "throughput_fps_b1"),
            ("3305.0,3305.0", "nan,3305.0", "throughput_fps_b1"),
            ("3305.0,3305.0", "1e12,3305.0", "throughput_fps_b1"),
            ("224.0,224.0", "224.5,224.0", "in_h"),
            ("224.0,224.0", "224.0,wide", "in_w"),
            ("mobilenet_v1", "resnet_v1_18", "latency_ms"),
        ] {
            let text = format!("{HEADER}{ROWS}{}", good.replacen(from, to, 1));
            let error = read(&text, &chosen("hailo8", None, None)).unwrap_err().to_string();
            assert!(error.contains("row 5") && error.contains(column), "{to}: {error}");
        }
        let error = read("task,network\nclassification,resnet_v1_18\n", &chosen("hailo8", None, None))
            .unwrap_err()
            .to_string();
        assert!(error.contains("chip"), "{error}");
    }

    #[test]
    fn named_networks_have_the_costs_that_the_table_states() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/tables/hailo/networks.csv.gz");
        let table = KernelTable::read(&path).unwrap();
        let at = |name: &str| table.required(name).unwrap();
        let (name, side, gops) = (at("network"), at("in_h"), at("gops"));
        for (theirs, ours) in NETWORKS {
            let row = (0..table.len()).map(|row| table.row(row)).find(|row| row[name] == theirs).unwrap();
            let side = row[side].parse::<f64>().unwrap() as u32;
            let parts = Encoded::Named(Named::new(ours, side).unwrap()).parts();
            let macs: f64 = parts.iter().map(|part| graph_cost::of(&part.graph).macs as f64).sum();
            let stated = row[gops].parse::<f64>().unwrap() * 1e9 / 2.0;
            assert!((macs / stated - 1.0).abs() < 0.1, "{theirs}: {macs} and {stated}");
        }
    }
}
