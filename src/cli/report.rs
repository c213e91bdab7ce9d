//! `edgezen report RUN`: one page with the plots of a run, and the plots as files.

use super::force::{Force, NO_INPUTS};
use super::output::Output;
use super::{Exit, Failure, Global, predictors, score};
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_lab::files::create_inside;
use edgezen_lab::report::{Report, command, comparisons, is_page};
use edgezen_lab::runs;
use edgezen_lab::runs::Manifest;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of a finished run
    run: PathBuf,
    /// The page; the plots go into a folder beside it [default: report.html in the run's folder]
    #[arg(short, long, alias = "out", value_name = "FILE.html")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct Written {
    run_dir: String,
    report: String,
    plots: Vec<String>,
    seconds: f64,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let started = Instant::now();
    let dir = &args.run;
    let page = args.output.clone().unwrap_or_else(|| dir.join("report.html"));
    // A page that was drawn earlier is drawn anew, with its plots.
    let force = Force { force: args.force.force || is_page(&page) };
    let to = force.place(&page, &runs::files_of(dir))?;
    let report = read(dir, global.output())?;
    let mut plots = Vec::new();
    if !to.is_stream() {
        let stem =
            page.file_stem().map_or_else(|| "report".into(), |stem| stem.to_string_lossy().into_owned());
        let beside = page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = create_inside(beside, &format!("{stem}_plots"))?;
        for plot in report.plots() {
            let path = folder.join(format!("{}.svg", plot.name));
            force.place(&path, NO_INPUTS)?.write(plot.drawing.standalone().as_bytes())?;
            plots.push(path.strip_prefix(".").unwrap_or(&path).display().to_string());
        }
    }
    to.write(report.page().as_bytes())?;
    let written = Written {
        run_dir: dir.display().to_string(),
        report: page.display().to_string(),
        plots,
        seconds: started.elapsed().as_secs_f64(),
    };
    global.output().written(&to, &written, || format!("{}\n{}", written.report, written.plots.join("\n")))
}

/// Reads the folder of a finished run.
fn read(dir: &Path, output: Output) -> Result<Report, Failure> {
    let manifest = runs::read_manifest(dir)
        .map_err(Failure::from)
        .map_err(|failure| failure.remedy("give the folder of a run, as runs/pixel2-80ms-seed0"))?;
    if !dir.join("result.json").exists() {
        let remedy = format!("edgezen search --resume --out {}", dir.display());
        return Err(
            Failure::new(Exit::Usage, format!("the run in {} is not finished", dir.display())).remedy(remedy)
        );
    }
    let manifest_text = std::fs::read_to_string(dir.join("run.toml"))
        .map_err(|error| Failure::io(&dir.join("run.toml"), &error))?;
    let proxies = score::find_all(&manifest.proxy)?;
    let proxy = if let [proxy] = proxies[..] { Some(proxy) } else { None };
    Ok(Report {
        comparisons: comparisons(&manifest, proxy, &predictors_of(&manifest, output))?,
        command: command(&manifest),
        result: runs::read_result(dir)?,
        history: runs::read_history(dir)?,
        manifest_text,
        manifest,
    })
}

/// The predictors of the run's devices. Where one cannot be found, a note says so, and only the comparison lacks a
/// column: the run has its own predictions.
fn predictors_of(manifest: &Manifest, output: Output) -> Vec<(String, Arc<FittedPredictor>)> {
    let mut found = Vec::new();
    for device in &manifest.device {
        match predictors::any_by_device(&device.name, output).and_then(predictors::of_kernels) {
            Ok(predictor) => found.push((device.name.clone(), predictor)),
            Err(failure) => output.note(format!("no comparison on {}: {}", device.name, failure.message)),
        }
    }
    found
}
