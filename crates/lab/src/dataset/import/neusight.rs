//! NeuSight: single operators of eager PyTorch on NVIDIA GPUs (Lee et al., Forecasting GPU Performance for
//! Deep Learning Training and Inference, ASPLOS 2025).
//!
//! A table holds several devices, of which one is taken. Its columns tell which operators it holds: convolutions, linear
//! layers (the vector of each image times a matrix), batched products of matrices, or element-wise operators on a matrix.
//! Convolutions, linear layers, sums and ReLUs are kernels of image networks and are imported. Batched products, GELU,
//! softmax and layer normalisation are not. Products of two maps are left out, too: they are not the product of a map
//! and one number for each channel, which networks use as a gate.

use super::{Column, ImportError, Importer, Request, dataset};
use crate::dataset::{Dataset, DatasetError, KernelTable, Provenance};
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::roofline::Roofline;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Devices with their peak rates: 10^9 MAC/s of convolutions in fp32, 10^9 bytes/s, multiprocessors.
const DEVICES: [(&str, f64, f64, u32, &str); 4] = [
    (
        "a100-80g",
        78_000.0,
        1935.0,
        108,
        "NVIDIA A100 80 GB data sheet (156 TFLOP/s TF32, which cuDNN uses for convolutions in fp32, 1935 GB/s)",
    ),
    ("p100", 5_300.0, 732.0, 56, "NVIDIA P100 data sheet (SXM2: 10.6 TFLOP/s, 732 GB/s)"),
    ("t4", 4_050.0, 320.0, 40, "NVIDIA T4 data sheet (8.1 TFLOP/s, 320 GB/s)"),
    ("v100", 7_850.0, 900.0, 80, "NVIDIA V100 data sheet (SXM2: 15.7 TFLOP/s, 900 GB/s)"),
];

pub struct NeuSight;

impl Importer for NeuSight {
    fn name(&self) -> &'static str {
        "neusight"
    }

    fn about(&self) -> &'static str {
        "NeuSight: operators on NVIDIA GPUs with PyTorch 2.1, fp32; tables conv2d, linear, elementwise; --device"
    }

    fn import(&self, request: &Request<'_>) -> Result<Dataset, ImportError> {
        let tables = request.files.iter().map(|file| KernelTable::read_csv(&file.path));
        read(&tables.collect::<Result<Vec<_>, _>>()?, request.select.device.as_deref(), request.created)
    }
}

/// The rows of `tables` that were measured on `asked`.
fn read(tables: &[KernelTable], asked: Option<&str>, created: &str) -> Result<Dataset, ImportError> {
    let known = || DEVICES.iter().map(|device| device.0.to_owned()).collect();
    let is_asked = |device: &&(&str, f64, f64, u32, &str)| {
        asked.is_some_and(|name| name == device.0 || name == device.0.trim_end_matches("-80g"))
    };
    let device = DEVICES.iter().find(is_asked);
    let &(device, gmacs, gbytes, processors, sheet) =
        device.ok_or_else(|| ImportError::Device { known: known() })?;
    let mut samples = Vec::new();
    let mut left_out = BTreeSet::new();
    for table in tables {
        let has = |name: &str| table.columns().iter().any(|column| column == name);
        if has("op") {
            elementwise(table, device, &mut samples, &mut left_out)?;
        } else if has("padding") {
            convolutions(table, device, &mut samples)?;
        } else if has("batch") {
            left_out.insert("bmm");
        } else {
            linear(table, device, &mut samples)?;
        }
    }
    let Some(table) = tables.first() else { return Err(ImportError::Tables { found: 0 }) };
    let repeated = drop_repeated(&mut samples);
    let shortest = samples.iter().map(|sample| sample.median.ns()).fold(f64::INFINITY, f64::min);
    let identity = Identity {
        runtime_version: Some("PyTorch 2.1.0, cuDNN 8.9.2, CUDA 12.1".into()),
        batch: 64,
        // Our profile of it has the short name.
        ..Identity::new(device.trim_end_matches("-80g"), "torch2.1", "fp32")
    };
    let mut notes = vec![
        "Single operators of eager PyTorch, each with its launch: about 0.03 ms at least.".into(),
        "Random shapes, most channels not multiples of 8; every batch between its extremes.".into(),
    ];
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.into_iter().collect();
        notes.push(format!("Not kernels of image networks, left out: {}.", names.join(", ")));
    }
    if repeated > 0 {
        notes.push(format!("{repeated} rows that repeat a shape are left out; the first one counts."));
    }
    let provenance = Provenance {
        source: "github.com/sitar-lab/NeuSight at 6945927d, scripts/asplos/data/dataset/train/collect".into(),
        licence: "MIT".into(),
        created: created.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        notes,
    };
    let roofline = Roofline {
        peak_gmacs_per_s: gmacs,
        gbytes_per_s: gbytes,
        launch_ns: shortest.floor(),
        processors: Some(processors),
        source: format!("{sheet}; launch: the shortest operator of the tables"),
    };
    dataset(table.path(), identity, provenance, roofline, samples)
}

/// Keeps the first of samples of the same kernel; gives how many went.
fn drop_repeated(samples: &mut Vec<Sample>) -> usize {
    let before = samples.len();
    let mut seen: FxHashMap<Kernel, ()> = FxHashMap::default();
    samples.retain(|sample| match sample.subject {
        Subject::Kernel(kernel) => seen.insert(kernel, ()).is_none(),
        _ => true,
    });
    before - samples.len()
}

/// A kernel on maps of one side; what is not given is 1.
fn kernel(kind: KernelKind, batch: u32, in_c: u32, out_c: u32, side: u32) -> Kernel {
    Kernel {
        kind,
        batch,
        in_c,
        out_c,
        in_h: side,
        in_w: side,
        kernel: 1,
        stride: 1,
        groups: 1,
        act: Act::None,
        residual: false,
        window: None,
    }
}

fn convolutions(table: &KernelTable, device: &str, samples: &mut Vec<Sample>) -> Result<(), DatasetError> {
    let of_device = Column::of(table, "device")?;
    let counts = ["batch", "in_c", "out_c", "in_h", "kernel", "stride"].map(|name| Column::of(table, name));
    let [batch, in_c, out_c, in_h, window, stride] = counts;
    let (batch, in_c, out_c, in_h) = (batch?, in_c?, out_c?, in_h?);
    let (window, stride, padding, latency) =
        (window?, stride?, Column::of(table, "padding")?, Column::of(table, "latency_ms")?);
    for row in (0..table.len()).filter(|&row| of_device.text(row) == device) {
        let size = window.count(row)?;
        if padding.text(row).parse() != Ok((size - 1) / 2) {
            return Err(
                padding.error(row, format!("does not keep the size of the map under a window of {size}"))
            );
        }
        let shape = kernel(
            KernelKind::Conv,
            batch.count(row)?,
            in_c.count(row)?,
            out_c.count(row)?,
            in_h.count(row)?,
        );
        let shape = Kernel { kernel: size, stride: stride.count(row)?, ..shape };
        samples.push(Sample::imported(Subject::Kernel(shape), latency.latency(row)?));
    }
    Ok(())
}

fn linear(table: &KernelTable, device: &str, samples: &mut Vec<Sample>) -> Result<(), DatasetError> {
    let (of_device, latency) = (Column::of(table, "device")?, Column::of(table, "latency_ms")?);
    let (m, n, k) = (Column::of(table, "m")?, Column::of(table, "n")?, Column::of(table, "k")?);
    for row in (0..table.len()).filter(|&row| of_device.text(row) == device) {
        let shape = kernel(KernelKind::Linear, m.count(row)?, k.count(row)?, n.count(row)?, 1);
        samples.push(Sample::imported(Subject::Kernel(shape), latency.latency(row)?));
    }
    Ok(())
}

fn elementwise<'a>(
    table: &'a KernelTable,
    device: &str,
    samples: &mut Vec<Sample>,
    left_out: &mut BTreeSet<&'a str>,
) -> Result<(), DatasetError> {
    let (of_device, op) = (Column::of(table, "device")?, Column::of(table, "op")?);
    let (rows, columns, latency) =
        (Column::of(table, "rows")?, Column::of(table, "cols")?, Column::of(table, "latency_ms")?);
    for row in (0..table.len()).filter(|&row| of_device.text(row) == device) {
        let (kind, act) = match op.text(row) {
            "add" => (KernelKind::Add, Act::None),
            "relu" => (KernelKind::Act, Act::Relu),
            other => {
                left_out.insert(other);
                continue;
            }
        };
        let channels = columns.count(row)?;
        let shape = Kernel { act, ..kernel(kind, rows.count(row)?, channels, channels, 1) };
        samples.push(Sample::imported(Subject::Kernel(shape), latency.latency(row)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::import::Input;
    use crate::dataset::table::Select;
    use std::path::PathBuf;

    #[test]
    fn each_table_is_known_by_its_columns_and_one_device_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let tables = [
            file(
                "conv.csv",
                "device,batch,in_c,out_c,kernel,in_h,stride,padding,n_kernels,main_kernel,latency_ms\n\
                 t4,2,3,8,3,32,2,1,1,x,0.5\np100,2,3,8,3,32,2,1,1,x,0.6\n",
            ),
            file("linear.csv", "device,m,n,k,n_kernels,latency_ms\nt4,64,10,512,1,0.1\n"),
            file("bmm.csv", "device,batch,m,n,k,n_kernels,latency_ms\nt4,2,64,10,512,1,0.1\n"),
            file(
                "elementwise.csv",
                "device,op,rows,cols,n_kernels,latency_ms\nt4,add,100,20,1,0.03\nt4,gelu,100,20,1,0.03\n",
            ),
        ];
        let import = |tables: &[PathBuf], device: Option<&str>| {
            let select = Select { device: device.map(str::to_owned), ..Select::default() };
            let files = tables.iter().map(|path| Input::table(path)).collect();
            NeuSight.import(&Request { files, select, ..Request::new("2020") })
        };
        let dataset = import(&tables, Some("t4")).unwrap();
        assert_eq!(dataset.identity.to_string(), "t4@torch2.1@fp32");
        let kernels: Vec<String> = dataset.samples.iter().map(|s| s.subject.to_string()).collect();
        assert_eq!(kernels, ["conv 3×3/2 3→8 @32×32 ×2", "linear 512→10 @1×1 ×64", "add 20→20 @1×1 ×100"]);
        assert!(dataset.provenance.notes.iter().any(|note| note.contains("bmm, gelu")));
        assert!(matches!(import(&tables, None), Err(ImportError::Device { .. })));
        let bad = [file(
            "bad.csv",
            "device,batch,in_c,out_c,kernel,in_h,stride,padding,latency_ms\nt4,2,3,8,3,32,2,0,1\n",
        )];
        let error = import(&bad, Some("t4")).unwrap_err().to_string();
        assert!(error.contains("row 1") && error.contains("padding"), "{error}");
    }
}
