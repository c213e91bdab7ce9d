//! The tables of Qualcomm AI Hub in the words of this program.
//!
//! Rows that fell back to the CPU or the GPU are of a runtime of their own, and devices that the source lists with the
//! measurements of another one stand for that one.

use crate::dataset::table::{KernelTable, NetworkTableError, Select};
use edgezen_core::zoo::known;

/// Devices that have no measurements of their own in the source, with those whose jobs it lists for them.
pub const COPIES: [(&str, &str); 6] = [
    ("dragonwing_q_8750", "galaxy_s25"),
    ("dragonwing_iq_x7181", "snapdragon_x_elite_crd"),
    ("snapdragon_xr2_gen_2", "galaxy_s22_5g"),
    ("sa8255p_adp", "sa8775p_adp"),
    ("sa8650p_adp", "sa8775p_adp"),
    ("dragonwing_q_7790", "snapdragon_7_gen_4_qrd"),
];

/// The source's name of a device as ours: `Samsung Galaxy S25` is `galaxy_s25`. Our own names mean themselves.
pub fn device(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let short = lower.strip_prefix("samsung ").unwrap_or(&lower);
    let mut slug = String::new();
    for c in short.chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if slug.ends_with('_') || slug.is_empty() => {}
            _ => slug.push('_'),
        }
    }
    slug.trim_end_matches('_').to_owned()
}

/// A runtime on the unit that ran most of the network.
fn runtime(theirs: &str, unit: &str) -> String {
    let unit = unit.to_lowercase();
    let on = |name: &str| format!("{name}-{unit}");
    let bare = |name: &str| if unit == "npu" { name.to_owned() } else { on(name) };
    match theirs {
        "tflite" => on("litert"),
        "onnx" => on("onnxruntime"),
        "precompiled_qnn_onnx" => format!("{}-bin", on("onnxruntime")),
        "qnn_dlc" => bare("qnn"),
        "qnn_context_binary" => bare("qnn-bin"),
        other => bare(other),
    }
}

fn precision(theirs: &str) -> &str {
    // Floats run in half precision on the NPU.
    if theirs == "float" { "fp16" } else { theirs }
}

pub(super) fn translate(table: KernelTable, select: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let at = |name: &str| table.required(name);
    let (model, zoo, timm) = (at("model")?, at("zoo_name")?, at("timm_name")?);
    let (side, ran_on, theirs) = (at("in_h")?, at("device")?, at("runtime")?);
    let (chip, form, os) = (at("chipset")?, at("form_factor")?, at("os")?);
    let (unit, kind, ms) = (at("primary_unit")?, at("precision")?, at("inference_ms")?);
    // Of a device that only has copies, the original.
    let wanted = select.device.as_deref().map(device);
    select.device.clone_from(&wanted);
    select.runtime = select.runtime.as_deref().map(|theirs| runtime(theirs, "NPU"));
    select.precision = select.precision.as_deref().map(|theirs| precision(theirs).to_owned());
    let original = COPIES.iter().find(|(copy, _)| Some(*copy) == wanted.as_deref()).map(|(_, of)| *of);
    let networks = (0..table.len()).map(|row| {
        let cells = table.row(row);
        let names = [&cells[zoo], &cells[timm]].into_iter().map(|name| name.trim());
        let known = names.filter_map(known::known_as).next();
        known.map_or_else(|| cells[model].trim().to_owned(), |known| known.name.to_owned())
    });
    let networks: Vec<String> = networks.collect();
    let column = |of: &dyn Fn(&[String]) -> String| -> Vec<String> {
        (0..table.len()).map(|row| of(table.row(row))).collect()
    };
    let devices = column(&|cells| {
        let name = device(&cells[ran_on]);
        // Rows of the original stand for its copies.
        if Some(&*name) == original { wanted.clone().unwrap_or(name) } else { name }
    });
    let columns = [
        ("network", networks),
        ("resolution", column(&|cells| cells[side].trim().to_owned())),
        ("device", devices),
        ("runtime", column(&|cells| runtime(cells[theirs].trim(), cells[unit].trim()))),
        ("precision", column(&|cells| precision(cells[kind].trim()).to_owned())),
        ("latency_ms", column(&|cells| cells[ms].trim().to_owned())),
        ("hardware", column(&|cells| [chip, form, os].map(|at| cells[at].trim()).join(", "))),
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
    fn names_of_the_source_become_ours() {
        for (theirs, ours) in [
            ("Samsung Galaxy S25", "galaxy_s25"),
            ("Snapdragon X Elite CRD", "snapdragon_x_elite_crd"),
            ("QCS8550 (Proxy)", "qcs8550_proxy"),
            ("Dragonwing RB3 Gen 2 Vision Kit", "dragonwing_rb3_gen_2_vision_kit"),
            ("galaxy_s25", "galaxy_s25"),
        ] {
            assert_eq!(device(theirs), ours);
        }
        assert_eq!(runtime("tflite", "NPU"), "litert-npu");
        assert_eq!(runtime("tflite", "CPU"), "litert-cpu");
        assert_eq!(runtime("qnn_dlc", "NPU"), "qnn");
        assert_eq!(runtime("precompiled_qnn_onnx", "NPU"), "onnxruntime-npu-bin");
    }

    #[test]
    fn devices_of_ai_hub_have_names_of_their_own_and_copies_stand_for_originals() {
        let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/tables/aihub/networks.csv.gz");
        let source = SOURCES.iter().find(|source| source.name == "aihub").unwrap();
        let read = |select: &Select| import(source, &table, None, select, "2026");
        let phone = read(&chosen("Samsung Galaxy S25", Some("qnn_dlc"), Some("w8a8"))).unwrap();
        assert_eq!(phone.identity.to_string(), "galaxy_s25@qnn@w8a8");
        assert_eq!((phone.samples.len(), phone.identity.batch), (19, 1));
        assert_eq!(latency_of(&phone, "zoo:mobilenet_v2_1.0@224"), Some(0.221));
        assert_eq!(latency_of(&phone, "zoo:inception_v3@299"), Some(0.512));
        let noted = |text: &str| phone.provenance.notes.iter().any(|note| note.contains(text));
        assert!(noted("gpunet") && noted("snapdragon-8-elite-for-galaxy, Phone, Android 15"));
        let same = read(&chosen("galaxy_s25", Some("qnn"), Some("w8a8"))).unwrap();
        assert_eq!(same.samples, phone.samples);
        let copy = read(&chosen("dragonwing_q_8750", Some("qnn"), Some("w8a8"))).unwrap();
        assert_eq!(
            (copy.identity.to_string(), copy.samples),
            ("dragonwing_q_8750@qnn@w8a8".to_owned(), same.samples)
        );
        let error = read(&chosen("galaxy_s25", None, Some("w8a8"))).unwrap_err();
        assert!(matches!(error, NetworkTableError::Mixed { column: "runtime", .. }), "{error}");
        let error = read(&chosen("galaxy_s19", Some("qnn"), Some("w8a8"))).unwrap_err().to_string();
        assert!(error.contains("galaxy_s26"), "{error}");
    }
}
