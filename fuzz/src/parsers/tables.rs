//! Tables of kernels and of networks, as people have them, and published ones that are imported.

use super::{Parser, Seeds, as_it_is, files, in_a_file, said};
use edgezen_core::measurement::Identity;
use edgezen_lab::dataset::import::{Input, Request, registry};
use edgezen_lab::dataset::table::{NetworkTable, Select};
use edgezen_lab::dataset::{Dataset, KernelTable};
use std::io::{Read, Write};
use std::path::Path;

pub const PARSERS: &[Parser] = &[
    Parser { name: "kernels.csv", seeds: kernels, seal: as_it_is, parse: kernels_csv },
    Parser { name: "kernels.csv.gz", seeds: kernels_gz, seal: as_it_is, parse: kernels_csv_gz },
    Parser { name: "networks.csv", seeds: networks, seal: as_it_is, parse: networks_csv },
    Parser { name: "import", seeds: published, seal: as_it_is, parse: import },
    Parser { name: "samples.parquet", seeds: samples, seal: as_it_is, parse: dataset },
];

fn kernels() -> Seeds {
    let table = "kind,batch,in_c,out_c,in_h,in_w,kernel,stride,groups,act,residual,precision,latency_ms\n\
        conv,1,3,16,224,224,3,2,1,relu,0,fp32,1.25\n\
        dwconv,1,16,16,112,112,3,1,16,relu6,0,fp32,0.75\n\
        linear,1,512,1000,1,1,1,1,1,none,0,fp32,0.1\n";
    Ok(vec![table.into(), b"kind,in_c,out_c,in_h,kernel,note\nconv,8,8,14,1,\"a, b\"\n".to_vec()])
}

fn kernels_csv(input: &[u8]) -> Result<(), String> {
    in_a_file("table.csv", input, KernelTable::read).and_then(|table| priced(&table))
}

fn priced(table: &KernelTable) -> Result<(), String> {
    table.kernels("fp32").map(drop).map_err(said)
}

fn zipped(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zip.write_all(bytes)?;
    zip.finish()
}

fn kernels_gz() -> Seeds {
    let mut seeds = vec![zipped(&kernels()?[0])?];
    // Much that is nearly nothing.
    let mut bomb = zipped(b"kind,in_c,out_c,in_h\nconv,8,8,14\n")?;
    bomb.truncate(bomb.len() / 2 * 2);
    seeds.push(bomb);
    Ok(seeds)
}

fn kernels_csv_gz(input: &[u8]) -> Result<(), String> {
    in_a_file("table.csv.gz", input, KernelTable::read).and_then(|table| priced(&table))
}

/// The first lines of a zipped table of the repository.
fn head(path: &str) -> std::io::Result<Vec<u8>> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&files(&[path])?[0][..]).read_to_string(&mut text)?;
    Ok(text.lines().take(12).flat_map(|line| [line, "\n"]).collect::<String>().into_bytes())
}

fn networks() -> Seeds {
    [
        "datasets/tables/ncnn/networks.csv.gz",
        "datasets/tables/paddleclas/networks.csv.gz",
        "datasets/tables/tflite-mobilenet/networks.csv.gz",
    ]
    .into_iter()
    .map(head)
    .collect()
}

fn networks_csv(input: &[u8]) -> Result<(), String> {
    let table = in_a_file("table.csv", input, |path| NetworkTable::read(path, None))?;
    // Of a table with several devices, rows are had of a chosen one alone.
    let device = table.rows(&Select::default()).err().map(said);
    let chosen = device.as_deref().and_then(|error| error.rsplit([' ', ',']).next()).map(str::to_owned);
    drop(table.rows(&Select { device: chosen, ..Select::default() }));
    Ok(())
}

fn published() -> Seeds {
    let times = br#"[{"startMs": 1.0, "endMs": 2.0, "computeMs": 0.5}, {"startMs": 2.0, "endMs": 3.0, "computeMs": 0.25}]"#;
    let mut seeds = networks()?;
    // One of several devices must be chosen in this one.
    seeds.remove(1);
    seeds.push(times.to_vec());
    // One identity of each table.
    seeds.push(
        b"model,zoo_name,timm_name,in_h,precision,device,chipset,form_factor,os,runtime,primary_unit,inference_ms\n\
        resnet50,resnet50,,224,w8a8,Samsung Galaxy S25,a chip,Phone,Android 15,qnn_dlc,NPU,0.534\n\
        dla102x,,dla102x,224,w8a8,Samsung Galaxy S25,a chip,Phone,Android 15,qnn_dlc,NPU,0.783\n"
            .to_vec(),
    );
    seeds.push(
        b"network,soc,unit,isa,precision,sparse,latency_ms\nMobileNetV1,sd865,cpu,armv8,fp32,0,28.38\n\
        ResNet50,sd865,cpu,armv8,fp32,0,190.5\n"
            .to_vec(),
    );
    Ok(seeds)
}

/// With every format in turn: one that takes the file is enough.
fn import(input: &[u8]) -> Result<(), String> {
    let network = edgezen_core::plainnet::published::by_name("resnet18");
    let profile = Identity::new("t4", "tensorrt", "fp16");
    let mut result = Err("there is no format".to_owned());
    for importer in registry() {
        let read = |path: &Path| {
            let input = Input {
                path: path.to_owned(),
                network: network.clone().filter(|_| importer.files_name_networks()),
            };
            let profile = Some(profile.clone());
            importer.import(&Request { files: vec![input], profile, ..Request::new("2026-01-01T00:00:00Z") })
        };
        result = result.or(in_a_file("table.csv", input, read).map(drop));
    }
    result
}

fn samples() -> Seeds {
    files(&["fuzz/seeds/samples.parquet"])
}

fn dataset(input: &[u8]) -> Result<(), String> {
    let environment = files(&["fuzz/seeds/environment.json"]).map_err(said)?;
    in_a_file("samples.parquet", input, |path| {
        let folder = path.parent().unwrap_or(path);
        std::fs::write(folder.join("environment.json"), &environment[0]).map_err(said)?;
        Dataset::read(folder).map(drop).map_err(said)
    })
}
