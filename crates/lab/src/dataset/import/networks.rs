//! Public tables of whole networks as datasets of one identity each.
//!
//! A source is one entry in [`SOURCES`]. What it calls devices, runtimes and networks is translated by
//! `names`.

use super::{
    ImportError, Importer, Request, accel_nasbench, aihub, efficientnet_lite, hailo, paddlelite, rknn,
};
use crate::dataset::table::{KernelTable, NetworkRow, NetworkTable, NetworkTableError, Select};
use crate::dataset::{Dataset, Environment, Provenance, names};
use edgezen_core::foreign::Name;
use edgezen_core::measurement::{Identity, Sample};
use edgezen_core::predictor::roofline::Roofline;
use edgezen_core::zoo::Space;
use std::collections::BTreeSet;
use std::path::Path;

/// A published table of networks.
pub struct Source {
    /// Name of the format on the command line.
    pub name: &'static str,
    pub about: &'static str,
    /// Publication and address.
    pub source: &'static str,
    /// SPDX.
    pub licence: &'static str,
    /// What a reader should know.
    pub notes: &'static [&'static str],
    /// What is meant where the command line does not say.
    defaults: Defaults,
    /// The table in the words of this program.
    translate: Translate,
}

/// Renames the columns and cells of a table, and what is selected of it.
type Translate = fn(KernelTable, &mut Select) -> Result<KernelTable, NetworkTableError>;

/// A table that is in the words of this program as it is.
fn as_it_is(table: KernelTable, _: &mut Select) -> Result<KernelTable, NetworkTableError> {
    Ok(table)
}

struct Defaults {
    device: Option<&'static str>,
    runtime: Option<&'static str>,
    precision: Option<&'static str>,
    /// Where the table has no column of threads.
    cores: Option<&'static str>,
}

const HELP: &str = "HELP (Lee et al., NeurIPS 2021), github.com/HayeonLee/HELP at 45f70eb9";
const HELP_NOTES: [&str; 2] = [
    "Runtime, versions and precision are not stated in the source; fp32 is assumed. A number behind the name of the runtime is the batch.",
    "Labels of phones are whole milliseconds and drift with the order of measurement, which is not used.",
];

/// How the note on the hardware of a dataset begins, where its source states it.
pub const HARDWARE: &str = "The source calls the hardware ";

/// All sources, by name.
pub const SOURCES: &[Source] = &[
    Source {
        name: "help-fbnet",
        about: "HELP: FBNet networks on phones, processors and GPUs (--device, --batch)",
        source: HELP,
        licence: "MIT",
        notes: &HELP_NOTES,
        defaults: Defaults {
            device: None,
            runtime: Some("help-fbnet"),
            precision: Some("fp32"),
            cores: None,
        },
        translate: as_it_is,
    },
    Source {
        name: "help-nb201",
        about: "HELP: NAS-Bench-201 cells on phones, processors and GPUs (--device, --batch)",
        source: HELP,
        licence: "MIT",
        notes: &HELP_NOTES,
        defaults: Defaults {
            device: None,
            runtime: Some("help-nb201"),
            precision: Some("fp32"),
            cores: None,
        },
        translate: as_it_is,
    },
    Source {
        name: "help-ofa",
        about: "HELP: once-for-all networks on GPUs (--device, --batch)",
        source: HELP,
        licence: "MIT",
        notes: &HELP_NOTES,
        defaults: Defaults { device: None, runtime: Some("help-ofa"), precision: Some("fp32"), cores: None },
        translate: as_it_is,
    },
    Source {
        name: "tflite-hosted",
        about: "TensorFlow documentation: hosted models on Pixel phones [default: pixel2, fp32, TFLite of 2018, one big core]",
        source: "TensorFlow documentation, github.com/tensorflow/tensorflow at 6e81d72e and 0406598a, tensorflow/lite/g3doc",
        licence: "Apache-2.0",
        notes: &["TFLite kernels of that year: newer releases give other numbers on the same phone."],
        defaults: Defaults {
            device: Some("pixel2"),
            runtime: Some("tflite"),
            precision: Some("fp32"),
            cores: None,
        },
        translate: as_it_is,
    },
    Source {
        name: "tflite-mobilenet",
        about: "TensorFlow models: MobileNet v2 and v3 on Pixel phones, one big core [default: pixel1, fp32]",
        source: "github.com/tensorflow/models at 0ba83cf0, research/slim/nets/mobilenet/README.md",
        licence: "Apache-2.0",
        notes: &["The release of TFLite is not stated (2018 to 2019)."],
        defaults: Defaults {
            device: Some("pixel1"),
            runtime: Some("tflite"),
            precision: Some("fp32"),
            cores: Some("one big core"),
        },
        translate: as_it_is,
    },
    Source {
        name: "paddleclas",
        about: "PaddleClas documentation: V100 and T4 with TensorRT, Snapdragon 855 with Paddle Lite (--device, --precision, --threads)",
        source: "PaddleClas documentation, github.com/PaddlePaddle/PaddleClas at d178931f, docs/zh_CN/models/ImageNet1k",
        licence: "Apache-2.0",
        notes: &["Tables typed by people, of several releases of TensorRT; some rows are implausible."],
        defaults: Defaults { device: None, runtime: None, precision: Some("fp32"), cores: None },
        translate: as_it_is,
    },
    Source {
        name: "ncnn",
        about: "ncnn: benchncnn on boards, phones and GPUs (--device, --threads)",
        source: "ncnn, github.com/Tencent/ncnn at a4d2ea1d, benchmark/README.md",
        licence: "BSD-3-Clause",
        notes: &["The shortest of the timed runs is the label; releases of ncnn differ between devices."],
        defaults: Defaults {
            device: None,
            runtime: Some("ncnn"),
            precision: Some("fp32_or_fp16_storage"),
            cores: None,
        },
        translate: as_it_is,
    },
    Source {
        name: "aihub",
        about: "Qualcomm AI Hub models: phones, boards, laptops and cars, mostly on their NPUs (--device, --runtime, --precision)",
        source: "Qualcomm AI Hub Models 0.65.0 (package qai-hub-models, github.com/quic/ai-hub-models), perf.yaml of each model, October 2026",
        licence: "BSD-3-Clause",
        notes: &[
            "Hosted devices; the runtime alone, one image. The source does not say which statistic of the runs its number is.",
        ],
        defaults: Defaults { device: None, runtime: None, precision: None, cores: None },
        translate: aihub::translate,
    },
    Source {
        name: "accel-nasbench",
        about: "Accel-NASBench: networks of its space on GPUs, TPUs and FPGAs (--device a100, 3090, tpuv2, tpuv3, zcu102, vck190; --runtime dpu-throughput for the FPGAs' throughput)",
        source: "Accel-NASBench, github.com/afzalxo/Accel-NASBench at 42603572, anb_dataset",
        licence: "Apache-2.0",
        notes: &[
            "The source does not say batches, precisions of GPUs and TPUs, and frameworks; fp32 is assumed where it says none.",
        ],
        defaults: Defaults { device: None, runtime: None, precision: None, cores: None },
        translate: accel_nasbench::translate,
    },
    Source {
        name: "paddlelite",
        about: "Paddle Lite 2.11 on phones' chips and boards (--device, --precision; --runtime paddlelite-gpu, paddlelite-armv7)",
        source: "Paddle Lite documentation, github.com/PaddlePaddle/Paddle-Lite at 3d329c95, docs/performance/benchmark.md",
        licence: "Apache-2.0",
        notes: &["One thread on a big core; the resolution is not stated, 224 is assumed."],
        defaults: Defaults {
            device: None,
            runtime: Some("paddlelite"),
            precision: Some("fp32"),
            cores: None,
        },
        translate: paddlelite::translate,
    },
    Source {
        name: "efficientnet-lite",
        about: "EfficientNet-lite on the Pixel 4 (--precision; --runtime tflite-gpu, tflite-edgetpu) [default: its CPU, fp32]",
        source: "EfficientNet-lite, github.com/tensorflow/tpu at 7dc921f8, models/official/efficientnet/lite/README.md, 2020",
        licence: "Apache-2.0",
        notes: &[
            "Two significant digits; four threads on the CPU. The source does not say which cores, which TensorFlow Lite, and which Edge TPU.",
        ],
        defaults: Defaults {
            device: Some("pixel4"),
            runtime: Some("tflite"),
            precision: Some("fp32"),
            cores: None,
        },
        translate: efficientnet_lite::translate,
    },
    Source {
        name: "hailo",
        about: "Hailo model zoo: throughputs of hailo8, hailo8l, hailo10h, hailo15h and hailo15l (--device; --batch 8)",
        source: "Hailo model zoo, github.com/hailo-ai/hailo_model_zoo at c83fc030, docs/public_models",
        licence: "MIT",
        notes: &[
            "Throughputs: the chip works as a pipeline, and the time of an image while others are under way is no latency of one.",
            "Networks that do not fit the chip are swapped in parts; a batch of eight pays once for them.",
            "Compiled by Dataflow Compiler v3.33.0 for the Hailo-8 and 8L, v5.2.0 for the others.",
        ],
        defaults: Defaults {
            device: None,
            runtime: Some(hailo::RUNTIME),
            precision: Some("int8"),
            cores: None,
        },
        translate: hailo::translate,
    },
    Source {
        name: "rknn",
        about: "Rockchip's RKNN model zoo: frames per second on the NPUs of RK3588, RK3576, RK3568, RK3562, RV1126, … (--device)",
        source: "RKNN model zoo, github.com/airockchip/rknn_model_zoo at bad6c733, README.md",
        licence: "Apache-2.0",
        notes: &[
            "Frames per second at the NPU's highest clock, without what comes before and after; one core on the RK3588 and RK3576. The source does not say whether frames overlap.",
            "One column stands for the RK3566 and the RK3568; the RV1126's numbers are 1.5 times the RV1109's throughout.",
        ],
        defaults: Defaults {
            device: None,
            runtime: Some(rknn::RUNTIME),
            precision: Some("int8"),
            cores: None,
        },
        translate: rknn::translate,
    },
    Source {
        name: "networks",
        about: "any table of networks with latency_ms; --device, --runtime and --precision say of what",
        source: "the user's own table",
        licence: "unknown",
        notes: &[],
        defaults: Defaults { device: None, runtime: None, precision: None, cores: None },
        translate: as_it_is,
    },
];

impl Importer for Source {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn import(&self, request: &Request<'_>) -> Result<Dataset, ImportError> {
        let Request { select, archs, created, .. } = request;
        Ok(import(self, request.single()?, archs.as_deref(), select, created)?)
    }
}

/// `table` in the words of this program, whichever source its columns are of; what is selected of it is renamed, too.
///
/// # Errors
/// A table of a source whose cells make no sense, or without what is selected.
pub fn translated(table: KernelTable, select: &mut Select) -> Result<KernelTable, NetworkTableError> {
    let source = guess(&table, Space::Named);
    (source.translate)(table, select)
}

/// The source that a table of networks of `space` seems to come from.
pub fn guess(table: &KernelTable, space: Space) -> &'static Source {
    let has = |name: &str| table.columns().iter().any(|column| column == name);
    let name = if has("arch_id") && !has("latency_ms") {
        match space {
            Space::FbNet => "help-fbnet",
            Space::NasBench201 => "help-nb201",
            Space::Ofa => "help-ofa",
            Space::AccelNasBench | Space::NasBenchMacro | Space::Named => "networks",
        }
    } else if has("powersave") {
        "ncnn"
    } else if has("inference_ms") && has("primary_unit") {
        "aihub"
    } else if has("family") && has("model") {
        "paddleclas"
    } else if has("a100_img_s") {
        "accel-nasbench"
    } else if has("soc") && has("isa") {
        "paddlelite"
    } else if has("throughput_fps_b1") {
        "hailo"
    } else if has("npu") && has("fps") {
        "rknn"
    } else if has("unit") && has("mmacs") {
        "efficientnet-lite"
    } else if has("mmacs") {
        "tflite-mobilenet"
    } else if has("network") && has("runtime") && has("threads") {
        "tflite-hosted"
    } else {
        "networks"
    };
    let generic = &SOURCES[SOURCES.len() - 1];
    SOURCES.iter().find(|source| source.name == name).unwrap_or(generic)
}

/// The rows of `table`, of whatever source it seems to be, in the words of this program.
///
/// # Errors
/// Columns or cells that are not of that source.
pub fn in_our_words(table: KernelTable) -> Result<KernelTable, NetworkTableError> {
    (guess(&table, Space::Named).translate)(table, &mut Select::default())
}

/// Reads `path` as a table of `source`; `select` says which of its identities, `created` is its date.
///
/// # Errors
/// A table that is not of that format, by row and column; several identities or none.
pub fn import(
    source: &Source,
    path: &Path,
    archs: Option<&Path>,
    select: &Select,
    created: &str,
) -> Result<Dataset, NetworkTableError> {
    let Defaults { device: device_name, runtime: runtime_name, precision, cores } = source.defaults;
    let or = |given: &Option<String>, usual: Option<&str>| given.clone().or(usual.map(str::to_owned));
    let mut select = Select {
        device: or(&select.device, device_name),
        runtime: or(&select.runtime, runtime_name),
        precision: or(&select.precision, precision),
        ..select.clone()
    };
    let table = (source.translate)(KernelTable::read(path)?, &mut select)?;
    let table = NetworkTable::of(table, archs)?;
    let rows = table.rows(&select)?;
    let only = |column: &'static str, given: &Option<String>| -> Result<String, NetworkTableError> {
        let values = table.values(column, &rows);
        match (values.as_slice(), given) {
            ([value], _) => Ok(value.clone()),
            ([], Some(given)) => Ok(given.clone()),
            _ => Err(NetworkTableError::Mixed { path: path.to_owned(), column, values }),
        }
    };
    let raw_runtime = only("runtime", &select.runtime)?;
    let (mut runtime, version) = names::runtime(&raw_runtime);
    let batches: BTreeSet<u32> = rows.iter().map(|row| row.batch).collect();
    let threads = table.values("threads", &rows);
    let batch = batches.iter().next().copied().unwrap_or(1);
    // A wide table has a column for each batch, and so an identity.
    if runtime.starts_with("help-") && select.batch.is_some() {
        runtime = format!("{runtime}-b{batch}");
    }
    let name = |text: &str| {
        Name::parse(text).map_err(|error| NetworkTableError::Name { path: path.to_owned(), error })
    };
    let identity = Identity {
        device: name(&names::device(&only("device", &select.device)?))?,
        runtime: name(&runtime)?,
        runtime_version: version,
        precision: match only("precision", &select.precision)?.as_str() {
            // Arithmetic is fp32; weights may be kept in half precision.
            "fp32_or_fp16_storage" => "fp32".into(),
            other => name(other)?,
        },
        batch,
        threads: match threads.as_slice() {
            [one] => one.parse().unwrap_or(1).max(1),
            _ => select.threads.unwrap_or(1),
        },
        cores: match threads.as_slice() {
            [one] if one == "1_big" => Some("one big core".to_owned()),
            _ => cores.map(str::to_owned),
        },
        thermal_state: None,
    };
    let mut notes: Vec<String> = source.notes.iter().map(|&note| note.to_owned()).collect();
    if let [hardware] = &table.values("hardware", &rows)[..] {
        notes.push(format!("{HARDWARE}{hardware}."));
    }
    if !table.unknown.is_empty() {
        let count = table.unknown.len();
        notes.push(format!(
            "Left out, because their structure is not known here: {count} names ({}).",
            some(&table.unknown)
        ));
    }
    if batches.len() > 1 {
        let batches: Vec<String> = batches.iter().map(u32::to_string).collect();
        notes.push(format!("Batches of {} images.", batches.join(", ")));
    }
    let sample = |row: NetworkRow| Sample::imported(row.network.subject(row.batch), row.latency);
    let environment = Environment { roofline: roofline(&identity), ..Environment::default() };
    Ok(Dataset {
        identity,
        samples: rows.into_iter().map(sample).collect(),
        provenance: Provenance {
            source: source.source.into(),
            licence: source.licence.into(),
            created: created.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            notes,
        },
        environment,
    })
}

fn some(names: &[String]) -> String {
    const MOST: usize = 12;
    let mut text = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        text += ", …";
    }
    text
}

/// Peak rates of devices whose kernels may have to be bounded.
fn roofline(identity: &Identity) -> Option<Roofline> {
    match identity.device.as_str() {
        "pixel2" => Some(Roofline {
            peak_gmacs_per_s: 18.8,
            gbytes_per_s: 29.8,
            launch_ns: 1000.0,
            processors: None,
            source: "Snapdragon 835: one Kryo 280 Gold core at 2.35 GHz, at most 8 fp32 MACs a cycle; LPDDR4X-1866, two 32-bit channels; launch: assumed".into(),
        }),
        _ => None,
    }
}

/// What tests of sources with columns of their own share.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub fn chosen(device: &str, runtime: Option<&str>, precision: Option<&str>) -> Select {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (device, runtime, precision) = (Some(device.to_owned()), owned(runtime), owned(precision));
        Select { device, runtime, precision, ..Select::default() }
    }

    pub fn latency_of(dataset: &Dataset, network: &str) -> Option<f64> {
        let found = dataset.samples.iter().find(|sample| sample.subject.to_string().starts_with(network));
        found.map(|sample| sample.median.ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn of(format: &str) -> &'static Source {
        SOURCES.iter().find(|source| source.name == format).unwrap()
    }

    fn select(device: &str) -> Select {
        Select { device: Some(device.into()), ..Select::default() }
    }

    #[test]
    fn long_tables_are_told_apart_by_their_identity() {
        let header = "family,model,device,runtime,precision,batch,threads,resolution,latency_ms\n";
        let rows = "R,ResNet18,t4,paddle_inference+tensorrt,fp16,1,0,224,1.5\n\
                    R,ResNet18,t4,paddle_inference+tensorrt,fp16,4,0,224,3.5\n\
                    R,Unheard,t4,paddle_inference+tensorrt,fp16,1,0,224,3.5\n\
                    R,ResNet18,t4,paddle_inference+tensorrt,fp32,1,0,224,2.5\n\
                    R,ResNet18,v100,paddle_inference+tensorrt,fp32,1,0,224,1.0\n";
        let (_dir, path) = write("t.csv", &format!("{header}{rows}"));
        let half = Select { precision: Some("fp16".into()), ..select("t4") };
        let dataset = import(of("paddleclas"), &path, None, &half, "2020").unwrap();
        assert_eq!(dataset.identity.to_string(), "t4@paddle-tensorrt@fp16");
        assert_eq!(dataset.samples.len(), 2);
        assert!(dataset.provenance.notes.iter().any(|note| note.contains("Unheard")));
        let error = import(of("paddleclas"), &path, None, &Select::default(), "2020").unwrap_err();
        assert!(matches!(error, NetworkTableError::Mixed { column: "device", .. }), "{error}");
        let error = import(of("paddleclas"), &path, None, &select("sd855"), "2020").unwrap_err();
        assert!(matches!(error, NetworkTableError::NoLatencies { .. }), "{error}");
        for (bad, column) in [
            ("R,ResNet18,t4,paddle_inference+tensorrt,fp16,1,0,224,1.6\n", "latency_ms"),
            ("R,ResNet34,t4,paddle_inference+tensorrt,fp16,1,0,224,-1\n", "latency_ms"),
            ("R,ResNet34,t4,paddle_inference+tensorrt,fp16,1,0,224,NaN\n", "latency_ms"),
            ("R,ResNet34,t4,paddle_inference+tensorrt,fp16,0,0,224,1\n", "batch"),
            ("R,ResNet34,t4,paddle_inference+tensorrt,fp16,1,0,-5,1\n", "resolution"),
        ] {
            let (_dir, path) = write("t.csv", &format!("{header}{rows}{bad}"));
            let error = import(of("paddleclas"), &path, None, &half, "2020").unwrap_err().to_string();
            assert!(error.contains("row 6") && error.contains(column), "{error}");
        }
    }

    #[test]
    fn wide_tables_are_joined_with_their_architectures() {
        let (dir, path) = write("latency.csv", "arch_id,v100_32,v100_64\n7,10.5,20.5\n3,11,21\n");
        let error = import(of("help-nb201"), &path, None, &select("v100"), "2020").unwrap_err();
        assert!(error.to_string().contains("archs"), "{error}");
        let archs = "arch_id,e01,e02,e12,e03,e13,e23\n\
                     3,none,none,none,nor_conv_1x1,none,none\n7,none,none,none,nor_conv_3x3,none,none\n";
        std::fs::write(dir.path().join("archs.csv"), archs).unwrap();
        let select = Select { batch: Some(64), ..select("v100") };
        let dataset = import(of("help-nb201"), &path, None, &select, "2020").unwrap();
        assert_eq!(dataset.identity.to_string(), "v100@help-nb201-b64@fp32");
        assert_eq!(dataset.identity.batch, 64);
        assert_eq!(dataset.samples[0].median.ms(), 20.5);
        assert!(dataset.samples[0].subject.to_string().contains("nor_conv_3x3"));
        let other = Select { device: Some("t4".into()), ..select };
        let error = import(of("help-nb201"), &path, None, &other, "2020").unwrap_err().to_string();
        assert!(error.contains("v100_32"), "{error}");
    }
}
