//! TinyNAS: convolutions that were measured on an NVIDIA V100 with TensorRT, one precision a table.

use super::{Column, ImportError, Importer, Request, dataset};
use crate::dataset::{Dataset, KernelTable, Provenance};
use edgezen_core::foreign::Name;
use edgezen_core::measurement::{Identity, Sample, Subject};
use edgezen_core::plainnet::graph::Act;
use edgezen_core::plainnet::{Kernel, KernelKind};
use edgezen_core::predictor::roofline::Roofline;
use rustc_hash::FxHashMap;

pub struct TinyNas;

impl Importer for TinyNas {
    fn name(&self) -> &'static str {
        "v100-trt"
    }

    fn about(&self) -> &'static str {
        "TinyNAS: convolutions on an NVIDIA V100 with TensorRT, one precision a table"
    }

    fn import(&self, request: &Request<'_>) -> Result<Dataset, ImportError> {
        read(&KernelTable::read_csv(request.single()?)?, request.created)
    }
}

fn read(table: &KernelTable, created: &str) -> Result<Dataset, ImportError> {
    let column = |name| Column::of(table, name);
    let (precision, kind, residual) = (column("precision")?, column("conv_type")?, column("elmt_fused")?);
    let counts = ["batch", "in_c", "out_c", "in_h", "kernel", "stride", "groups"].map(column);
    let [batch, in_c, out_c, in_h, kernel, stride, groups] = counts;
    let (batch, in_c, out_c, in_h) = (batch?, in_c?, out_c?, in_h?);
    let (kernel, stride, groups, latency) = (kernel?, stride?, groups?, column("latency_ms")?);
    let of_table = if table.is_empty() { "fp16" } else { precision.text(0) };
    let mut samples = Vec::with_capacity(table.len());
    let mut seen: FxHashMap<Kernel, usize> = FxHashMap::default();
    for row in 0..table.len() {
        if precision.text(row) != of_table {
            return Err(precision.error(row, format!("differs from the first row's {of_table:?}")).into());
        }
        let kind = match kind.text(row) {
            "regular" => KernelKind::Conv,
            "depthwise" => KernelKind::Dwconv,
            other => {
                return Err(kind.error(row, format!("{other:?} is neither regular nor depthwise")).into());
            }
        };
        let residual = match residual.text(row) {
            "0" => false,
            "1" => true,
            other => return Err(residual.error(row, format!("{other:?} is neither 0 nor 1")).into()),
        };
        let side = in_h.count(row)?;
        let kernel = Kernel {
            kind,
            batch: batch.count(row)?,
            in_c: in_c.count(row)?,
            out_c: out_c.count(row)?,
            in_h: side,
            in_w: side,
            kernel: kernel.count(row)?,
            stride: stride.count(row)?,
            groups: groups.count(row)?,
            // The source does not say which activation is fused; it is free on this device.
            act: Act::None,
            residual,
            window: None,
        };
        if let Some(first) = seen.insert(kernel, row) {
            return Err(latency
                .error(row, format!("{kernel} was measured in row {} already", first + 1))
                .into());
        }
        samples.push(Sample::imported(Subject::Kernel(kernel), latency.latency(row)?));
    }
    let identity = Identity { batch: 64, ..Identity::new("v100", "tensorrt", Name::parse(of_table)?) };
    let provenance = Provenance {
        source: "github.com/alibaba/lightweight-neural-architecture-search at 8ccaf889, tinynas/latency/op_profiler/V100"
            .into(),
        licence: "Apache-2.0".into(),
        created: created.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").into(),
        notes: vec![
            "Convolutions only, measured once each with batches 1, 32, 64 and 128; TensorRT version and clocks are not stated.".into(),
            "elmt_fused became residual; rows that failed at the source (latency -1) are left out.".into(),
        ],
    };
    let peak = match of_table {
        "fp32" => 7850.0,
        "int8" => 31350.0,
        _ => 62500.0,
    };
    let roofline = Roofline {
        peak_gmacs_per_s: peak,
        gbytes_per_s: 900.0,
        launch_ns: 6000.0,
        processors: Some(80),
        source: "NVIDIA V100 data sheet (SXM2: 125 TFLOP/s tensor, 15.7 TFLOP/s fp32, 900 GB/s, 80 multiprocessors), int8 four times fp32; launch: shortest kernels of the table".into(),
    };
    dataset(table.path(), identity, provenance, roofline, samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::DatasetError;
    use crate::dataset::import::{self, Input};
    use std::path::Path;

    fn import(path: &Path) -> Result<Dataset, ImportError> {
        let request = Request { files: vec![Input::table(path)], ..Request::new("2020") };
        import::by_name("v100-trt").unwrap().import(&request)
    }

    #[test]
    fn bad_tables_are_refused_by_row_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let header =
            "precision,conv_type,batch,in_c,out_c,in_h,kernel,stride,groups,elmt_fused,macs,latency_ms";
        let good = "fp16,regular,1,8,8,5,1,1,1,0,200,0.02";
        std::fs::write(&path, format!("{header}\n{good}\n")).unwrap();
        assert_eq!(import(&path).unwrap().samples.len(), 1);
        for (bad, column) in [("-1", "latency_ms"), ("nan", "latency_ms"), ("", "latency_ms")] {
            std::fs::write(&path, format!("{header}\n{good}\n{}\n", good.replace("0.02", bad))).unwrap();
            let error = import(&path).unwrap_err().to_string();
            assert!(error.contains("row 2") && error.contains(column), "{error}");
        }
        let other = good.replace(",8,5,", ",16,5,");
        std::fs::write(&path, format!("{header}\n{good}\n{other}\n{}\n", good.replace("0.02", "0.03")))
            .unwrap();
        let error = import(&path).unwrap_err().to_string();
        assert!(error.contains("row 3") && error.contains("row 1"), "{error}");
        let (first, second) = (good, other.replace("fp16", "int8"));
        std::fs::write(&path, format!("{header}\n{first}\n{second}\n")).unwrap();
        let error = import(&path).unwrap_err().to_string();
        assert!(error.contains("row 2") && error.contains("precision"), "{error}");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = import(&path).unwrap_err();
        assert!(matches!(error, ImportError::Table(DatasetError::Column { .. })), "{error}");
        assert!(import::by_name("x").is_none());
    }
}
