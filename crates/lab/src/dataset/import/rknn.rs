//! The table of Rockchip's RKNN model zoo in the words of this program: frames per second as the time of a frame.
//!
//! The source does not say whether frames overlap, so that the numbers are throughputs here
//! ([`Identity::is_throughput`](edgezen_core::measurement::Identity::is_throughput)).

use super::column::Column;
use crate::dataset::table::{KernelTable, NetworkTableError, Select};

/// A row of the table: its number there, the network, the side of its images, and the time of one in milliseconds.
type Row = (usize, String, u32, f64);

/// The runtime of these identities.
pub const RUNTIME: &str = "rknn-throughput";

/// Chips that share a column of the source with another one, which stands for both.
const COPIES: [(&str, &str); 1] = [("rk3568", "rk3566")];

/// The source's name of that column.
const SHARED: (&str, &str) = ("rk3566+rk3568", "rk3566");

/// The source's names of networks whose graphs are those of the zoo. `resnet50-v2-7` has its strides elsewhere than the ResNet-v2
/// of the zoo, and all others detect, segment or read.
const NETWORKS: [(&str, &str); 1] = [("mobilenetv2-12", "mobilenet_v2_1.0")];

fn network(theirs: &str) -> String {
    let known = NETWORKS.iter().find(|(name, _)| *name == theirs);
    known.map_or_else(|| format!("rknn {theirs}"), |(_, ours)| (*ours).to_owned())
}

pub(super) fn translate(table: KernelTable, select: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let of = |name: &'static str| Column::of(&table, name);
    let (names, npu, precision) = (of("network")?, of("npu")?, of("precision")?);
    let (high, wide, rate) = (of("in_h")?, of("in_w")?, of("fps")?);
    // Of a chip that shares a column, the name that was asked for.
    let wanted = select.device.clone();
    let copied = COPIES.iter().find(|(copy, _)| wanted.as_deref() == Some(*copy)).map(|(_, of)| *of);
    let device = |theirs: &str| {
        let ours = if theirs == SHARED.0 { SHARED.1 } else { theirs };
        wanted.clone().filter(|_| copied == Some(ours)).unwrap_or_else(|| ours.to_owned())
    };
    let mut rows = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let (high, wide) = (high.count(row)?, wide.count(row)?);
        let network = if high == wide {
            network(names.text(row).trim())
        } else {
            format!("rknn {} {high}x{wide}", names.text(row).trim())
        };
        rows.push((row, network, high, rate.time_of_one(row)?));
    }
    let column = |value: &dyn Fn(&Row) -> String| -> Vec<String> { rows.iter().map(value).collect() };
    Ok(table.translated([
        ("network", column(&|row| row.1.clone())),
        ("resolution", column(&|row| row.2.to_string())),
        ("device", column(&|row| device(npu.text(row.0).trim()))),
        ("runtime", vec![RUNTIME.to_owned(); rows.len()]),
        ("precision", column(&|row| precision.text(row.0).trim().to_owned())),
        ("latency_ms", column(&|row| row.3.to_string())),
    ]))
}

#[cfg(test)]
mod tests {
    use super::super::networks::testing::{chosen, latency_of};
    use super::super::networks::{SOURCES, import};
    use super::*;

    const HEADER: &str = "demo,network,in_h,in_w,input_shape_stated,precision,npu,cores,fps\n";
    const ROWS: &str = "mobilenet,mobilenetv2-12,224,224,1x3x224x224,int8,rk3566+rk3568,,180.7\n\
        mobilenet,mobilenetv2-12,224,224,1x3x224x224,int8,rk3588,1,450.7\n\
        resnet,resnet50-v2-7,224,224,1x3x224x224,int8,rk3588,1,110.1\n";

    fn read(text: &str, device: &str) -> Result<crate::dataset::Dataset, NetworkTableError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        let source = SOURCES.iter().find(|source| source.name == "rknn").unwrap();
        import(source, &path, None, &chosen(device, None, None), "2026")
    }

    #[test]
    fn frames_per_second_become_times_and_a_shared_column_has_two_names() {
        let text = format!("{HEADER}{ROWS}");
        let chip = read(&text, "rk3588").unwrap();
        assert_eq!(chip.identity.to_string(), "rk3588@rknn-throughput@int8");
        assert!(chip.identity.is_throughput() && chip.samples.len() == 1);
        assert!((latency_of(&chip, "zoo:mobilenet_v2_1.0@224").unwrap() - 1000.0 / 450.7).abs() < 1e-9);
        assert!(chip.provenance.notes.iter().any(|note| note.contains("1 names (rknn resnet50-v2-7)")));
        let (one, two) = (read(&text, "rk3566").unwrap(), read(&text, "rk3568").unwrap());
        assert_eq!(one.samples, two.samples);
        assert_eq!(two.identity.to_string(), "rk3568@rknn-throughput@int8");
        assert!(read(&text, "rk3399").unwrap_err().to_string().contains("rk3566"));
    }

    #[test]
    fn damaged_rows_are_refused_by_row_and_column() {
        for (from, to, column) in [
            ("110.1", "0", "fps"),
            ("110.1", "fast", "fps"),
            ("110.1", "inf", "fps"),
            ("resnet50-v2-7,224", "resnet50-v2-7,-224", "in_h"),
            ("resnet50-v2-7", "mobilenetv2-12", "latency_ms"),
        ] {
            let text = format!("{HEADER}{}", ROWS.replacen(from, to, 1));
            let error = read(&text, "rk3588").unwrap_err().to_string();
            assert!(error.contains("row 3") && error.contains(column), "{to}: {error}");
        }
    }
}
