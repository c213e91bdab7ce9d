//! `edgezen score NET…`: zero-shot scores.

use super::answers::Answers;
use super::net::{self, NetOptions};
use super::{Failure, Global, calibrate, output, threads};
use edgezen_core::proxy;
use edgezen_core::proxy::Mode;
use edgezen_core::proxy::ensemble;
use edgezen_core::proxy::exact::{self, ExactError};
use edgezen_lab::accuracy::trained;
use edgezen_lab::scoring::{self, Scoring, ScoringError};
use edgezen_lab::spelling;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NET", required = true, help = net::NET)]
    pub nets: Vec<String>,
    /// Proxy; several with + between them: the sum of the logarithms of a network's ranks among those given
    #[arg(long, default_value = "zen")]
    pub proxy: String,
    /// Calibration file: adds the accuracy that it foretells, in percent, with its interval
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// How the score is computed [default: closed where the proxy has a closed form]
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Which Zen-Score: of the paper, or as released
    #[arg(long, default_value_t = Mode::Paper)]
    mode: Mode,
    /// Images of a forward pass [default: 16; of other proxies than zen, as released]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(exact::MAX_BATCH)))]
    batch: Option<u32>,
    /// Draws of weights and images; the score is their mean. Reference mode carries the running
    /// statistics over from one to the next, as released
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(exact::MAX_REPEATS)))]
    repeats: u32,
    /// Standard error of an exact zen score: as many draws as it takes, 100000 at most, with running statistics that begin anew. Where
    /// --batch is not given, a draw may have fewer images than 16, if the score of 16 is missed by less than 0.1 with them, which `bias` says in the JSON
    #[arg(long, value_name = "E", conflicts_with = "repeats")]
    error: Option<f64>,
    /// Threads; they do not change the score [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Draw other random numbers for every network; else all share them layer by layer, which takes much of
    /// the noise out of comparisons
    #[arg(long)]
    independent: bool,
    /// Leave residual links and squeeze-excite in; the Zen-Score is defined without
    #[arg(long)]
    built: bool,
    #[command(flatten)]
    pub options: NetOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// In closed form: no weights, no forward pass
    Closed,
    /// On random weights and images
    Exact,
    /// The same in libtorch, on the first GPU if there is one
    #[cfg(feature = "torch")]
    Torch,
}

impl From<Engine> for scoring::Engine {
    fn from(engine: Engine) -> scoring::Engine {
        match engine {
            Engine::Closed => scoring::Engine::Closed,
            Engine::Exact => scoring::Engine::Exact,
            #[cfg(feature = "torch")]
            Engine::Torch => scoring::Engine::Torch,
        }
    }
}

#[derive(Serialize)]
struct Row {
    net: String,
    proxy: String,
    engine: &'static str,
    mode: &'static str,
    score: f64,
    /// Population deviation over repeats; the closed form has none, and neither has a single draw.
    std: Option<f64>,
    repeats: u32,
    /// Standard error, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
    /// What the score may be missed by beside its error, where draws have fewer images than the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    bias: Option<f64>,
    /// Images per forward pass; the closed form has no forward pass.
    batch: Option<u32>,
    resolution: u32,
    /// Of one score; absent where the time does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// Residual links and squeeze-excite were left in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    built: bool,
    /// The scores that an ensemble combines.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    of: BTreeMap<&'static str, f64>,
    #[serde(flatten)]
    foretold: Option<Foretold>,
}

/// What a calibration says of a network, in percent.
#[derive(Serialize)]
struct Foretold {
    accuracy: f64,
    accuracy_lower: f64,
    accuracy_upper: f64,
    /// Features outside of the range that the calibration was fitted to.
    accuracy_outside: Vec<String>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let proxy = args.proxy.clone();
    let refused = answers(args, global)?
        .told_apart(|row| &mut row.net)
        .print(global.output(), |rows| text(rows, &proxy))?;
    refused.map_or(Ok(()), Err)
}

/// Scores networks by the words of this command, and gives a row of JSON for each, without the time that it took.
///
/// # Errors
/// The failure of the first network that has no score.
pub fn timeless(args: Args, global: Global) -> Result<Vec<String>, Failure> {
    let timeless = answers(args, global)?.then(|row| {
        let row = Row { seconds: None, ..row };
        serde_json::to_string(&row)
            .map_err(|error| Failure::runtime(format!("cannot write a score: {error}")))
    });
    timeless.all()
}

/// How networks are scored by these options, a scoring for each proxy.
fn scorings(args: &Args, seed: u64) -> Result<Vec<Scoring>, Failure> {
    let scoring = |entry| {
        let scoring = Scoring {
            proxy: entry,
            engine: scoring::Engine::choose(entry, args.engine.map(Into::into))?,
            mode: args.mode,
            batch: args.batch,
            repeats: args.repeats,
            error: args.error,
            independent: args.independent,
            built: args.built,
            seed,
        };
        scoring.check()?;
        Ok(scoring)
    };
    find_all(&args.proxy)?.into_iter().map(scoring).collect()
}

/// Refuses options that score no network.
///
/// # Errors
/// The first of them that makes no sense, or a file of a calibration that cannot be read.
pub fn check(args: &Args, seed: u64) -> Result<(), Failure> {
    scorings(args, seed)?;
    args.calibration.as_deref().map(calibrate::read).transpose()?;
    Ok(())
}

/// What the command says of each network.
fn answers(args: Args, global: Global) -> Result<Answers<Row>, Failure> {
    let scorings = scorings(&args, global.seed)?;
    if scorings.len() > 1 && args.nets.len() < 2 {
        return Err(Failure::usage("an ensemble of proxies ranks networks among one another")
            .remedy("name several networks"));
    }
    let calibrated = args.calibration.as_deref().map(calibrate::read).transpose()?;
    let pool = threads::pool(args.threads.map_or(0, usize::from))?;
    let answers = Answers::each(&args.nets, |net| {
        let (name, model) = net::scored(net, args.options)?;
        let mut of = BTreeMap::new();
        let (mut last, mut seconds) = (None, 0.0);
        for scoring in &scorings {
            let scored = pool.install(|| scoring.score(&model))?;
            seconds += scored.seconds;
            of.insert(scoring.proxy.name, scored.score);
            last = last.or(Some((scoring, scored)));
        }
        let (scoring, scored) = last.ok_or_else(|| Failure::usage("there is no proxy"))?;
        let foretold = match &calibrated {
            Some((_, calibrated)) => {
                let network = net::any(net, args.options)?;
                let prediction = calibrated.predict(&trained::features(&network, calibrated.mode())?);
                Some(Foretold {
                    accuracy: prediction.accuracy,
                    accuracy_lower: prediction.lower,
                    accuracy_upper: prediction.upper,
                    accuracy_outside: prediction.outside,
                })
            }
            None => None,
        };
        Ok(Row {
            net: name,
            proxy: args.proxy.clone(),
            engine: scoring.engine.name(),
            mode: args.mode.name(),
            score: scored.score,
            std: scored.std.filter(|_| scored.repeats > 1),
            repeats: scored.repeats,
            error: scored.error,
            bias: scored.bias,
            batch: scored.batch,
            resolution: model.resolution,
            seconds: Some(seconds),
            built: args.built,
            of: if scorings.len() > 1 { of } else { BTreeMap::new() },
            foretold,
        })
    });
    let mut sums = ensemble_of(&scorings, &answers.given()).into_iter();
    Ok(answers.then(|row| {
        Ok(match sums.next() {
            Some(sum) => Row { score: sum, std: None, ..row },
            None => row,
        })
    }))
}

/// The scores of the rows by an ensemble; none for a single proxy.
fn ensemble_of(scorings: &[Scoring], rows: &[&Row]) -> Vec<f64> {
    if scorings.len() < 2 {
        return Vec::new();
    }
    let of =
        |scoring: &Scoring| rows.iter().filter_map(|row| row.of.get(scoring.proxy.name).copied()).collect();
    ensemble::log_ranks(&scorings.iter().map(of).collect::<Vec<Vec<f64>>>())
}

fn seconds(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{seconds:.1e}") } else { format!("{seconds:.3}") }
}

fn text(rows: &[&Row], proxy: &str) -> String {
    let cells = |row: &&Row| {
        let mut cells = vec![
            row.net.clone(),
            row.resolution.to_string(),
            row.mode.to_owned(),
            format!("{:.2}", row.score),
            row.error.or(row.std).map_or_else(|| "-".to_owned(), |spread| format!("{spread:.2}")),
            row.seconds.map_or_else(|| "-".to_owned(), seconds),
        ];
        if row.error.is_some() {
            let images = row.batch.map_or_else(|| "-".to_owned(), |batch| batch.to_string());
            cells.splice(5..5, [row.repeats.to_string(), images]);
        }
        cells.extend(row.foretold.as_ref().map(|foretold| {
            let Foretold { accuracy, accuracy_lower, accuracy_upper, accuracy_outside } = foretold;
            let outside = if accuracy_outside.is_empty() { "" } else { " outside" };
            format!("{accuracy:.2} ({accuracy_lower:.2} to {accuracy_upper:.2}){outside}")
        }));
        cells
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    // A standard error where one was asked for, else the deviation of a draw.
    let errors = rows.iter().any(|row| row.error.is_some());
    let spread = if errors { "± error" } else { "± a draw" };
    let mut header = vec!["net", "side", "mode", proxy, spread, "seconds"];
    if errors {
        header.insert(5, "draws");
        header.insert(6, "images");
    }
    if rows.iter().any(|row| row.foretold.is_some()) {
        header.push("accuracy %");
    }
    output::table(&header, &cells)
}

impl From<ScoringError> for Failure {
    fn from(error: ScoringError) -> Failure {
        let message = error.to_string();
        match error {
            ScoringError::NoEngine { other, .. } => {
                Failure::usage(message).remedy(format!("--engine {}", other.name()))
            }
            ScoringError::NoImages => {
                Failure::usage(message).remedy("--engine exact, or leave out --batch and --repeats")
            }
            ScoringError::NoLinks(_) => Failure::usage(message).remedy("leave out --built"),
            ScoringError::NoRepeats => Failure::usage(message).remedy("--repeats 1 or more"),
            ScoringError::BadError(_) => {
                Failure::usage(message).remedy("--error 0.1, say: the smaller, the more draws it takes")
            }
            ScoringError::TooManyDraws(error) => {
                let reached = match error {
                    ExactError::TooManyDraws { reached, .. } => {
                        format!("--error {:.0e}, or larger: ", 2.0 * reached)
                    }
                    _ => String::new(),
                };
                Failure::usage(message)
                    .remedy(format!("{reached}a tenth of an error takes a hundred times the draws"))
            }
            ScoringError::NoError => {
                Failure::usage(message).remedy("--proxy zen --engine exact, or leave out --error")
            }
            ScoringError::NoClosedForm(_) => {
                Failure::usage(message).remedy("--engine exact runs any network")
            }
            ScoringError::Score(error) => error.into(),
        }
    }
}

/// The proxies of a text: one name, or several with + between them, each once.
pub fn find_all(names: &str) -> Result<Vec<&'static proxy::Entry>, Failure> {
    let found = names.split('+').map(find).collect::<Result<Vec<_>, Failure>>()?;
    let twice = found.iter().enumerate().find(|(i, entry)| found[..*i].iter().any(|e| e.name == entry.name));
    match twice {
        Some((_, entry)) => Err(Failure::usage(format!("{} stands twice in {names}", entry.name))),
        None => Ok(found),
    }
}

/// The proxy called `name`.
pub fn find(name: &str) -> Result<&'static proxy::Entry, Failure> {
    proxy::by_name(name).ok_or_else(|| {
        let known: Vec<_> = proxy::registry().iter().map(|entry| entry.name).collect();
        let near = spelling::similar(name, known.iter().copied());
        let question = spelling::question(&near).map(|question| format!("{question} ")).unwrap_or_default();
        Failure::usage(format!("unknown proxy {name:?}"))
            .remedy(format!("{question}known proxies: {}", known.join(", ")))
    })
}
