//! The table of Accel-NASBench in the words of this program: a column of one device as latencies.
//!
//! Throughputs become the time of an image while several are under way. Their identities say so
//! ([`Identity::is_throughput`](edgezen_core::measurement::Identity::is_throughput)): they are no latencies of one image.

use crate::dataset::DatasetError;
use crate::dataset::table::{KernelTable, NetworkTableError, Select};
use std::collections::BTreeSet;

/// Devices with their runtimes, precisions and columns.
const COLUMNS: [(&str, &str, &str, &str); 8] = [
    ("a100", "anb", "fp32", "a100_img_s"),
    ("3090", "anb", "fp32", "3090_img_s"),
    ("tpuv2", "anb", "fp32", "tpuv2_img_s"),
    ("tpuv3", "anb", "fp32", "tpuv3_img_s"),
    ("zcu102", "dpu", "int8", "zcu102_ms"),
    ("vck190", "dpu", "int8", "vck190_ms"),
    ("zcu102", "dpu-throughput", "int8", "zcu102_img_s"),
    ("vck190", "dpu-throughput", "int8", "vck190_img_s"),
];

pub(super) fn translate(table: KernelTable, select: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let position = |name: &str| table.required(name);
    let arch = position("arch")?;
    let fits = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
    let chosen: Vec<_> = COLUMNS
        .iter()
        .filter(|(device, runtime, ..)| fits(&select.device, device) && fits(&select.runtime, runtime))
        .collect();
    // Of an FPGA, the latency, unless the throughput is asked for.
    let chosen = match chosen[..] {
        [one] => one,
        [latency, throughput] if latency.0 == throughput.0 => latency,
        [] => {
            let wanted = [&select.device, &select.runtime].into_iter().flatten().cloned().collect::<Vec<_>>();
            let known = COLUMNS.iter().map(|(device, runtime, ..)| format!("{device} ({runtime})")).collect();
            let (path, wanted) = (table.path().to_owned(), wanted.join(", "));
            return Err(NetworkTableError::NoLatencies { path, wanted, known });
        }
        _ => {
            let values: BTreeSet<&str> = COLUMNS.iter().map(|(device, ..)| *device).collect();
            let values = values.into_iter().map(str::to_owned).collect();
            return Err(NetworkTableError::Mixed { path: table.path().to_owned(), column: "device", values });
        }
    };
    let (device, runtime, precision, column) = chosen;
    let at = position(column)?;
    let throughput = column.ends_with("_img_s");
    // Empty cells: not measured. Networks that were measured twice count once, as first listed.
    let mut seen = BTreeSet::new();
    let mut cells = Vec::new();
    for row in 0..table.len() {
        let (code, value) = (table.row(row)[arch].trim(), table.row(row)[at].trim());
        if value.is_empty() || !seen.insert(code) {
            continue;
        }
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        let bad =
            || DatasetError::cell(table.path(), row, column, format!("{value:?} is no positive number"));
        let number = number.ok_or_else(bad)?;
        cells.push((code.to_owned(), if throughput { 1000.0 / number } else { number }));
    }
    let same = |value: &str| vec![value.to_owned(); cells.len()];
    Ok(table.translated([
        ("network", cells.iter().map(|(code, _)| format!("anb:{code}")).collect()),
        ("latency_ms", cells.iter().map(|(_, ms)| ms.to_string()).collect()),
        ("device", same(device)),
        ("runtime", same(runtime)),
        ("precision", same(precision)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::super::networks::testing::{chosen, latency_of};
    use super::super::networks::{SOURCES, import};
    use super::*;
    use std::path::Path;

    #[test]
    fn throughputs_and_latencies_of_accel_nasbench_are_apart() {
        let table = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../datasets/tables/accel-nasbench/networks.csv.gz");
        let source = SOURCES.iter().find(|source| source.name == "accel-nasbench").unwrap();
        let read = |select: &Select| import(source, &table, None, select, "2026");
        let gpu = read(&chosen("a100", None, None)).unwrap();
        assert!(gpu.identity.is_throughput() && gpu.samples.len() == 3507);
        let images = 1e3
            / latency_of(&gpu, "anb:e1k3l1s0_e1k3l1s0_e4k5l1s0_e6k3l3s0_e4k3l1s0_e1k3l1s0_e4k3l1s0").unwrap();
        assert!((images - 27215.0).abs() < 0.01, "{images}");
        let latency = read(&chosen("zcu102", None, None)).unwrap();
        assert_eq!(latency.identity.to_string(), "zcu102@dpu@int8");
        assert!(!latency.identity.is_throughput());
        assert_eq!(
            latency_of(&latency, "anb:e1k3l1s0_e1k3l1s0_e4k5l1s0_e6k3l3s0_e4k3l1s0_e1k3l1s0_e4k3l1s0"),
            Some(1.83426)
        );
        let throughput = read(&chosen("zcu102", Some("dpu-throughput"), None)).unwrap();
        assert!(throughput.identity.is_throughput());
        let error = import(source, &table, None, &Select::default(), "2026").unwrap_err();
        assert!(matches!(error, NetworkTableError::Mixed { column: "device", .. }), "{error}");
    }
}
