//! The table of Paddle Lite in the words of this program.
//!
//! GPUs and the 32-bit instruction set are runtimes of their own, and so are the kernels for sparse weights.

use crate::dataset::table::{KernelTable, NetworkTableError, Select};

/// The source's names of chips and ours.
const CHIPS: [(&str, &str); 5] = [
    ("sd625", "snapdragon625"),
    ("sd835", "snapdragon835"),
    ("sd845", "snapdragon845"),
    ("sd855", "snapdragon855"),
    ("sd865", "snapdragon865"),
];

fn chip(name: &str) -> &str {
    CHIPS.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours)
}

pub(super) fn translate(table: KernelTable, _: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let at = |name: &str| table.required(name);
    let (network, soc, unit, isa) = (at("network")?, at("soc")?, at("unit")?, at("isa")?);
    let (precision, sparse, ms) = (at("precision")?, at("sparse")?, at("latency_ms")?);
    let column = |of: &dyn Fn(&[String]) -> String| -> Vec<String> {
        (0..table.len()).map(|row| of(table.row(row))).collect()
    };
    let columns = [
        ("network", column(&|cells| cells[network].clone())),
        ("device", column(&|cells| chip(cells[soc].trim()).to_owned())),
        (
            "runtime",
            column(&|cells| {
                let mut name = "paddlelite".to_owned();
                match (cells[unit].trim(), cells[isa].trim()) {
                    ("gpu", _) => name += "-gpu",
                    (_, "armv7") => name += "-armv7",
                    _ => {}
                }
                if cells[sparse].trim() == "1" {
                    name += "-sparse";
                }
                name
            }),
        ),
        (
            "precision",
            column(&|cells| match cells[precision].trim() {
                // For the GPU, whose kernels are half precision by default.
                "not stated" => "fp16".to_owned(),
                stated => stated.to_owned(),
            }),
        ),
        // On the CPU one big core; the GPU has none to count.
        ("threads", column(&|cells| (if cells[unit].trim() == "gpu" { "-" } else { "1_big" }).to_owned())),
        ("latency_ms", column(&|cells| cells[ms].trim().to_owned())),
    ];
    Ok(table.translated(columns))
}

#[cfg(test)]
mod tests {
    use super::super::networks::testing::{chosen, latency_of};
    use super::super::networks::{SOURCES, import};
    use super::*;
    use std::path::Path;

    #[test]
    fn units_and_instruction_sets_of_paddle_lite_are_runtimes() {
        let table =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/tables/paddlelite/networks.csv.gz");
        let source = SOURCES.iter().find(|source| source.name == "paddlelite").unwrap();
        let read = |select: &Select| import(source, &table, None, select, "2026");
        let cpu = read(&chosen("snapdragon865", None, None)).unwrap();
        assert_eq!(cpu.identity.to_string(), "snapdragon865@paddlelite@fp32");
        assert_eq!(latency_of(&cpu, "zoo:mobilenet_v1_1.0@224"), Some(28.38));
        let gpu = read(&chosen("snapdragon865", Some("paddlelite-gpu"), Some("fp16"))).unwrap();
        assert!(latency_of(&gpu, "zoo:mobilenet_v1_1.0@224").unwrap() < 28.38);
    }
}
