//! `edgezen report RUN…`: one page with the plots of a run, beside which other runs may stand, or of a training, and the plots as
//! files.

use super::browser;
use super::calibrate;
use super::caller::is_own;
use super::force::{Force, has_ending};
use super::output::Output;
use super::{Exit, Failure, Global, predictors, score};
use edgezen_core::accuracy::calibration;
use edgezen_core::digest;
use edgezen_core::predictor::fitted::FittedPredictor;
use edgezen_lab::files::{self, create_inside};
use edgezen_lab::report::{
    Foretelling, MOST_RUNS, Page, Plot, Report, Run, Trained, command, comparisons, is_page,
    otherwise_predicted, unlike,
};
use edgezen_lab::runs;
use edgezen_lab::runs::Manifest;
use edgezen_lab::trainings::{self, FINALISTS, Finalists, Training};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of finished runs: the page is about the first, and has the fronts of the others beside its own. Or the folder of
    /// one training, or of finalists
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The page; the plots go into a folder beside it [default: report.html in the run's folder]
    #[arg(short, long, alias = "out", value_name = "FILE.html")]
    output: Option<PathBuf>,
    /// Also show the accuracy that this file foretells, as `calibrate` writes it [default: what the run maximised, if that
    /// was a calibration]
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    force: Force,
}

#[derive(Serialize)]
struct Written {
    run_dir: String,
    /// Runs whose fronts are beside that of the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<String>,
    report: String,
    plots: Vec<String>,
    seconds: f64,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let started = Instant::now();
    if args.runs.len() > MOST_RUNS {
        return Err(Failure::usage(format!("{} runs are more than a page can tell apart", args.runs.len()))
            .remedy(format!("name {MOST_RUNS} at most")));
    }
    let runs = each_once(&args.runs, global.output());
    if let Some(page) = &args.output {
        has_ending(page, &["html", "htm"], "a page of HTML")?;
    }
    let Some((dir, beside)) = runs.split_first() else { return Err(Failure::usage("no run is named")) };
    let page = args.output.clone().unwrap_or_else(|| dir.join("report.html"));
    // A page that was drawn earlier is drawn anew, with its plots.
    let force = Force { force: args.force.force || is_page(&page) };
    let inputs: Vec<PathBuf> =
        runs.iter().flat_map(|dir| runs::files_of(dir).into_iter().chain(trainings::files_of(dir))).collect();
    let to = force.place(&page, &inputs)?;
    if args.open && to.is_stream() {
        return Err(Failure::usage("--open needs a page in a file").remedy("-o report.html"));
    }
    let report = match trained(dir)? {
        None => Page::Run(Box::new(read(dir, beside, args.calibration.as_deref(), global.output())?)),
        Some(_) if !beside.is_empty() => {
            return Err(Failure::usage(format!(
                "{} holds trainings, which have a page of their own",
                dir.display()
            ))
            .remedy("one folder of a training on the command line"));
        }
        Some(_) if args.calibration.is_some() => {
            return Err(Failure::usage(
                "--calibration foretells accuracies of a search; those of a training are known",
            ));
        }
        Some(trained) => Page::Trained(trained),
    };
    let html = report.html();
    to.check(html.as_bytes())?;
    let plots = if to.is_stream() { Vec::new() } else { write_plots(&report, &page, force)? };
    to.write(html.as_bytes())?;
    let written = Written {
        run_dir: dir.display().to_string(),
        beside: beside.iter().map(|dir| dir.display().to_string()).collect(),
        report: page.display().to_string(),
        plots,
        seconds: started.elapsed().as_secs_f64(),
    };
    global.output().written(&to, &written, || format!("{}\n{}", written.report, written.plots.join("\n")))?;
    if args.open { browser::open(&page) } else { Ok(()) }
}

/// Writes the plots into a folder beside `page`, if all of them may be written; gives their paths.
fn write_plots(report: &Page, page: &Path, force: Force) -> Result<Vec<String>, Failure> {
    let stem = page.file_stem().map_or_else(|| "report".into(), |stem| stem.to_string_lossy().into_owned());
    let beside = page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = beside.join(format!("{stem}_plots"));
    let file = |plot: &Plot| (folder.join(format!("{}.svg", plot.name)), plot.drawing.standalone());
    let files: Vec<(PathBuf, String)> = report.plots().iter().map(file).collect();
    force.check_all(&files)?;
    create_inside(beside, &format!("{stem}_plots"))?;
    force.write_all(&files)?;
    Ok(files.iter().map(|(path, _)| path.strip_prefix(".").unwrap_or(path).display().to_string()).collect())
}

/// The runs, each once, whatever ways lead to its folder; a remark says of which there were several.
fn each_once(runs: &[PathBuf], output: Output) -> Vec<PathBuf> {
    let real = |dir: &PathBuf| std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
    let mut known: Vec<PathBuf> = Vec::new();
    let mut once: Vec<PathBuf> = Vec::new();
    for run in runs {
        let folder = real(run);
        if known.contains(&folder) {
            output.note(format!("note: {} is named more than once; it is shown once", run.display()));
            continue;
        }
        known.push(folder);
        once.push(run.clone());
    }
    once
}

/// Reads the folder of a training or of finalists; `None` where it is the folder of a search, or of nothing.
fn trained(dir: &Path) -> Result<Option<Trained>, Failure> {
    if dir.join("run.toml").exists() {
        return Ok(None);
    }
    if let Some(finalists) = Finalists::read(dir)? {
        return Ok(Some(Trained::Finalists(finalists)));
    }
    Ok(Training::read(dir)?.map(|training| Trained::One(Box::new(training))))
}

/// Reads the folders of finished runs.
fn read(
    dir: &Path,
    beside: &[PathBuf],
    calibration: Option<&Path>,
    output: Output,
) -> Result<Report, Failure> {
    let first = finished(dir)?;
    let beside = beside.iter().map(|dir| finished(dir)).collect::<Result<Vec<Run>, Failure>>()?;
    for run in &beside {
        if let Some(why) = unlike(&first.manifest, &run.manifest) {
            let message = format!("{} and {} cannot be held beside each other: {why}", first.name, run.name);
            return Err(Failure::usage(message).remedy("a page for each of them"));
        }
        for device in otherwise_predicted(&first.manifest, &run.manifest) {
            output.note(format!("{} took its latencies on {device} from another predictor", run.name));
        }
    }
    let manifest_text = std::fs::read_to_string(dir.join("run.toml"))
        .map_err(|error| Failure::io(&dir.join("run.toml"), &error))?;
    let manifest = &first.manifest;
    let proxies = if is_own(&manifest.proxy) { Vec::new() } else { score::find_all(&manifest.proxy)? };
    let proxy = if let [proxy] = proxies[..] { Some(proxy) } else { None };
    Ok(Report {
        comparisons: comparisons(manifest, proxy, &predictors_of(manifest, output))?,
        command: command(manifest),
        history: runs::read_history(dir)?,
        foretelling: foretelling(manifest, calibration, output)?,
        manifest_text,
        finalists: Finalists::read(&dir.join(FINALISTS))?,
        first,
        beside,
    })
}

/// Reads the folder of a finished run.
fn finished(dir: &Path) -> Result<Run, Failure> {
    let manifest = runs::read_manifest(dir).map_err(Failure::from).map_err(|failure| {
        failure.remedy("give the folder of a run, as runs/pixel2-80ms-seed0, or of a training, as runs/train")
    })?;
    if !dir.join("result.json").exists() {
        let remedy = format!("edgezen search --resume --out {}", dir.display());
        return Err(
            Failure::new(Exit::Usage, format!("the run in {} is not finished", dir.display())).remedy(remedy)
        );
    }
    Ok(Run { name: dir.display().to_string(), manifest, result: runs::read_result(dir)? })
}

/// What foretells accuracies: the file that was named, else the calibration that the run maximised. Where that is no longer there,
/// a note says so: the scores of the run are its accuracies.
fn foretelling(
    manifest: &Manifest,
    named: Option<&Path>,
    output: Output,
) -> Result<Option<Foretelling>, Failure> {
    if let Some(path) = named {
        let (_, calibrated) = calibrate::read(path)?;
        return Ok(Some(Foretelling { file: path.display().to_string(), calibrated }));
    }
    let Some(objective) = &manifest.objective else { return Ok(None) };
    let path = Path::new(&objective.file);
    let same = files::read(&calibration::FORMAT, path).is_ok_and(|b| digest::sha256(b) == objective.sha256);
    match same.then(|| calibrate::read(path)) {
        Some(Ok((_, calibrated))) => Ok(Some(Foretelling { file: objective.file.clone(), calibrated })),
        _ => {
            output.note(format!(
                "the calibration {} is not there as the run had it: accuracies have no intervals",
                objective.file
            ));
            Ok(None)
        }
    }
}

/// The predictors of the run's devices. Where one cannot be found, a note says so, and only the comparison lacks a
/// column: the run has its own predictions.
fn predictors_of(manifest: &Manifest, output: Output) -> Vec<(String, Arc<FittedPredictor>)> {
    let mut found = Vec::new();
    for device in manifest.device.iter().filter(|device| !device.is_own()) {
        match predictors::any_by_device(&device.name, output).and_then(predictors::of_kernels) {
            Ok(predictor) => found.push((device.name.clone(), predictor)),
            Err(failure) => output.note(format!("no comparison on {}: {}", device.name, failure.message)),
        }
    }
    found
}
