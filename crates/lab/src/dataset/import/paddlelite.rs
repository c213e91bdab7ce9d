//! The table of Paddle Lite in the words of this program.
//!
//! GPUs and the 32-bit instruction set are runtimes of their own, and so are the kernels for sparse weights.

use crate::dataset::DatasetError;
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
    let at = |name: &str| {
        let found = table.columns().iter().position(|column| column == name);
        found.ok_or_else(|| DatasetError::missing_column(table.path(), name))
    };
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
    let mut translated = KernelTable::empty(table.len());
    for (name, values) in columns {
        translated.set_column(name, values);
    }
    translated.set_path(table.path().to_owned());
    Ok(translated)
}
