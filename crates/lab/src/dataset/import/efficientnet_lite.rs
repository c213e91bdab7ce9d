//! The table of EfficientNet-lite in the words of this program: the units of a phone are runtimes.

use super::column::Column;
use crate::dataset::DatasetError;
use crate::dataset::table::{KernelTable, NetworkTableError, Select};

/// The source's names of units and ours of runtimes.
const UNITS: [(&str, &str); 3] = [("cpu", "tflite"), ("gpu", "tflite-gpu"), ("edgetpu", "tflite-edgetpu")];

pub(super) fn translate(table: KernelTable, _: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let of = |name: &'static str| Column::of(&table, name);
    let (network, side, device, unit) = (of("network")?, of("resolution")?, of("device")?, of("unit")?);
    let (precision, threads, ms) = (of("precision")?, of("threads")?, of("latency_ms")?);
    let column = |column: &Column<'_>| -> Vec<String> {
        (0..table.len()).map(|row| column.text(row).trim().to_owned()).collect()
    };
    let runtime = |row: usize| -> Result<String, DatasetError> {
        let theirs = unit.text(row).trim();
        let known = UNITS.iter().find(|(name, _)| *name == theirs);
        let bad = || unit.error(row, format!("{theirs:?} is none of cpu, gpu and edgetpu"));
        Ok(known.ok_or_else(bad)?.1.to_owned())
    };
    let runtimes: Result<Vec<String>, DatasetError> = (0..table.len()).map(runtime).collect();
    // Only the CPU has threads to count.
    let threads = column(&threads).into_iter().map(|n| if n.is_empty() { "-".to_owned() } else { n });
    Ok(table.translated([
        ("network", column(&network)),
        ("resolution", column(&side)),
        ("device", column(&device)),
        ("runtime", runtimes?),
        ("precision", column(&precision)),
        ("threads", threads.collect()),
        ("latency_ms", column(&ms)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::super::networks::testing::{chosen, latency_of};
    use super::super::networks::{SOURCES, import};
    use super::*;
    use std::path::Path;

    const HEADER: &str = "network,resolution,params_m,mmacs,device,unit,precision,threads,top1,latency_ms\n";

    #[test]
    fn units_of_a_phone_are_runtimes() {
        let table = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../datasets/tables/efficientnet-lite/networks.csv.gz");
        let source = SOURCES.iter().find(|source| source.name == "efficientnet-lite").unwrap();
        let read = |select: &Select| import(source, &table, None, select, "2026");
        let cpu = read(&Select::default()).unwrap();
        assert_eq!(cpu.identity.to_string(), "pixel4@tflite@fp32");
        assert_eq!((cpu.samples.len(), cpu.identity.threads), (5, 4));
        assert_eq!(latency_of(&cpu, "zoo:efficientnet_lite3@280"), Some(41.0));
        let npu = read(&chosen("pixel4", Some("tflite-edgetpu"), Some("int8"))).unwrap();
        assert_eq!((npu.samples.len(), npu.identity.threads), (4, 1));
        assert_eq!(latency_of(&npu, "zoo:efficientnet_lite0@224"), Some(3.8));
        let gpu = read(&chosen("pixel4", Some("tflite-gpu"), Some("fp16"))).unwrap();
        assert_eq!(latency_of(&gpu, "zoo:efficientnet_lite4@300"), Some(21.0));
    }

    #[test]
    fn damaged_rows_are_refused_by_row_and_column() {
        let good = "efficientnet_lite0,224,4.7,407.0,pixel4,cpu,fp32,4,75.1,12.0\n";
        let source = SOURCES.iter().find(|source| source.name == "efficientnet-lite").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        for (from, to, column) in [
            ("cpu", "dsp", "unit"),
            (",12.0", ",-12.0", "latency_ms"),
            (",12.0", ",soon", "latency_ms"),
            (",224,", ",0,", "resolution"),
        ] {
            std::fs::write(&path, format!("{HEADER}{}", good.replacen(from, to, 1))).unwrap();
            let error = import(source, &path, None, &Select::default(), "2026").unwrap_err().to_string();
            assert!(error.contains("row 1") && error.contains(column), "{to}: {error}");
        }
    }
}
