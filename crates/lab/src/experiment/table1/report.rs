//! The table and the curves, from all trainings.

use super::Trained;
use super::comparing::{self, Difference};
use super::plan::{Contestant, Freedom, PAPER, PAPER_RANDOM, Settings, Task, ZEN};
use edgezen_core::stats;
use serde::Serialize;

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Search {
        contestant: Contestant,
        seed: u64,
        seconds: f64,
    },
    /// Met in a long search by the Zen-Score under these rules, on its way up.
    Rising {
        freedom: Freedom,
    },
    Random {
        number: u32,
    },
}

/// A network that is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subject {
    pub origin: Origin,
    /// By the proxy of its search; random networks have none.
    pub score: Option<f64>,
    pub layers: u32,
    pub params: f64,
    pub flops: f64,
    pub net: String,
}

/// A training of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    #[serde(flatten)]
    pub subject: Subject,
    pub training_seed: u64,
    #[serde(flatten)]
    pub trained: Trained,
}

/// What became of a claim of the paper: that the Zen-Score finds better networks than this score does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Seen here as well.
    Holds,
    /// Neither seen nor refuted: the interval contains zero.
    NotSeen,
    /// Here the other one is better.
    Reversed,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub name: String,
    /// Accuracies in the paper on CIFAR-10 and CIFAR-100, in percent.
    pub paper: Option<[f64; 2]>,
    /// Networks: one of each search, or the random ones.
    pub networks: usize,
    pub trainings: usize,
    /// Mean test accuracy in percent, over networks of the mean over their trainings.
    pub accuracy: f64,
    /// Deviation over networks.
    pub deviation: Option<f64>,
    /// Half the width of the 95 % interval of the mean.
    pub half_width: Option<f64>,
    /// This one's accuracy − the Zen-Score's, in points.
    pub to_zen: Option<Difference>,
    pub verdict: Option<Verdict>,
    /// Means over networks.
    pub layers: f64,
    pub params: f64,
    pub flops: f64,
    /// Of one search, on the mean.
    pub search_seconds: Option<f64>,
    /// Trainings whose loss became no finite number.
    pub diverged: usize,
}

/// A network of a curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rung {
    pub score: f64,
    pub layers: u32,
    /// Mean test accuracy over trainings, in percent.
    pub accuracy: f64,
    /// Deviation over trainings.
    pub deviation: Option<f64>,
}

/// Accuracy at rising scores, within one search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    pub freedom: Freedom,
    pub rungs: Vec<Rung>,
}

impl Curve {
    /// The networks with the highest accuracy and the highest score.
    pub fn best_and_last(&self) -> Option<(&Rung, &Rung)> {
        let best = self.rungs.iter().max_by(|a, b| a.accuracy.total_cmp(&b.accuracy))?;
        Some((best, self.rungs.last()?))
    }
}

/// The result of the experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub settings: Settings,
    pub task: Task,
    pub lines: Vec<Line>,
    pub curves: Vec<Curve>,
    pub trials: Vec<Trial>,
}

/// The name of the row of random networks.
pub const RANDOM: &str = "random";

impl Report {
    pub fn new(settings: Settings, task: Task, trials: Vec<Trial>) -> Report {
        let zen = accuracies(&trials, |origin| is_by(origin, ZEN, Freedom::Rules));
        let mut lines: Vec<Line> = Vec::new();
        for contestant in settings.contestants() {
            let (proxy, freedom) = (contestant.proxy.clone(), contestant.freedom);
            let own = |origin: &Origin| is_by(origin, &proxy, freedom);
            let is_zen = proxy == ZEN && freedom == Freedom::Rules;
            let values = accuracies(&trials, own);
            let to_zen = if is_zen { None } else { comparing::paired(&values, &zen) };
            let line = line(contestant.name(), contestant.paper(), &trials, own, &values, to_zen);
            lines.extend(line);
        }
        let is_random = |origin: &Origin| matches!(origin, Origin::Random { .. });
        let values = accuracies(&trials, is_random);
        let to_zen = comparing::unpaired(&values, &zen);
        let paper = Some(PAPER_RANDOM.map(|(mean, _)| mean));
        lines.extend(line(RANDOM.to_owned(), paper, &trials, is_random, &values, to_zen));
        let curves = Freedom::ALL.into_iter().map(|freedom| curve(freedom, &trials));
        let curves = curves.filter(|curve| !curve.rungs.is_empty()).collect();
        Report { settings, task, lines, curves, trials }
    }

    /// How much better the Zen-Score is in the paper than the row of this name, on CIFAR-10 and CIFAR-100, in points.
    pub fn claimed(line: &Line) -> Option<[f64; 2]> {
        let (of, [(_, zen), ..]) = (line.paper?, PAPER);
        Some([zen[0] - of[0], zen[1] - of[1]])
    }

    /// The rows as CSV; what is absent is an empty cell.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "row,paper_cifar10,paper_cifar100,networks,trainings,accuracy,deviation,half_width,to_zen,to_zen_lower,\
             to_zen_upper,detectable,pairing,layers,params,flops,search_seconds,diverged\n",
        );
        for line in &self.lines {
            let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
            let of = line.to_zen;
            let pairing = of.map_or("", |of| match of.pairing {
                comparing::Pairing::Paired => "paired",
                comparing::Pairing::Unpaired => "unpaired",
            });
            let cells = [
                format!("\"{}\"", line.name),
                cell(line.paper.map(|paper| paper[0])),
                cell(line.paper.map(|paper| paper[1])),
                line.networks.to_string(),
                line.trainings.to_string(),
                cell(Some(line.accuracy)),
                cell(line.deviation),
                cell(line.half_width),
                cell(of.map(|of| of.points)),
                cell(of.map(|of| of.lower)),
                cell(of.map(|of| of.upper)),
                cell(of.map(|of| of.detectable)),
                pairing.to_owned(),
                cell(Some(line.layers)),
                cell(Some(line.params)),
                cell(Some(line.flops)),
                cell(line.search_seconds),
                line.diverged.to_string(),
            ];
            text += &(cells.join(",") + "\n");
        }
        text
    }

    /// Every training as CSV.
    pub fn networks_csv(&self) -> String {
        let mut text = String::from(
            "row,search_seed,score,layers,params,flops,training_seed,epoch,validation,test,diverged,seconds,net\n",
        );
        for Trial { subject, training_seed, trained } in &self.trials {
            let (row, seed) = match &subject.origin {
                Origin::Search { contestant, seed, .. } => (contestant.name(), seed.to_string()),
                Origin::Rising { freedom } => (format!("rising, {}", freedom.words()), String::new()),
                Origin::Random { number } => (format!("{RANDOM} {number}"), String::new()),
            };
            let score = subject.score.map_or_else(String::new, |score| score.to_string());
            let diverged = trained.diverged.map_or_else(String::new, |epoch| epoch.to_string());
            text += &format!(
                "\"{row}\",{seed},{score},{},{},{},{training_seed},{},{},{},{diverged},{:.3},\"{}\"\n",
                subject.layers,
                subject.params,
                subject.flops,
                trained.epoch,
                trained.validation,
                trained.test,
                trained.seconds,
                subject.net
            );
        }
        text
    }
}

fn is_by(origin: &Origin, proxy: &str, freedom: Freedom) -> bool {
    let Origin::Search { contestant, .. } = origin else { return false };
    contestant.proxy == proxy && contestant.freedom == freedom
}

/// The trials of each network that `own` lets through, in the order of the networks.
fn by_network(trials: &[Trial], own: impl Fn(&Origin) -> bool) -> Vec<Vec<&Trial>> {
    let mut networks: Vec<Vec<&Trial>> = Vec::new();
    for trial in trials.iter().filter(|trial| own(&trial.subject.origin)) {
        match networks.last_mut() {
            Some(last) if last.first().is_some_and(|first| first.subject == trial.subject) => {
                last.push(trial)
            }
            _ => networks.push(vec![trial]),
        }
    }
    networks
}

/// The accuracy of each of those networks, in percent: the mean over its trainings.
fn accuracies(trials: &[Trial], own: impl Fn(&Origin) -> bool) -> Vec<f64> {
    by_network(trials, own).iter().filter_map(|trials| stats::mean(&percents(trials))).collect()
}

fn percents(trials: &[&Trial]) -> Vec<f64> {
    trials.iter().map(|trial| 100.0 * trial.trained.test).collect()
}

fn line(
    name: String,
    paper: Option<[f64; 2]>,
    trials: &[Trial],
    own: impl Fn(&Origin) -> bool,
    values: &[f64],
    to_zen: Option<Difference>,
) -> Option<Line> {
    let networks = by_network(trials, own);
    let mean = |of: fn(&Subject) -> f64| {
        let of_each: Vec<f64> =
            networks.iter().filter_map(|trials| Some(of(&trials.first()?.subject))).collect();
        stats::mean(&of_each)
    };
    let seconds: Vec<f64> = networks
        .iter()
        .filter_map(|trials| match trials.first()?.subject.origin {
            Origin::Search { seconds, .. } => Some(seconds),
            _ => None,
        })
        .collect();
    let verdict = to_zen.filter(|_| paper.is_some()).map(|of| match of {
        of if of.upper < 0.0 => Verdict::Holds,
        of if of.lower > 0.0 => Verdict::Reversed,
        _ => Verdict::NotSeen,
    });
    Some(Line {
        name,
        paper,
        networks: networks.len(),
        trainings: networks.iter().map(Vec::len).sum(),
        accuracy: stats::mean(values)?,
        deviation: comparing::deviation(values),
        half_width: comparing::half_width(values),
        to_zen,
        verdict,
        layers: mean(|subject| f64::from(subject.layers))?,
        params: mean(|subject| subject.params)?,
        flops: mean(|subject| subject.flops)?,
        search_seconds: stats::mean(&seconds),
        diverged: networks.iter().flatten().filter(|trial| trial.trained.diverged.is_some()).count(),
    })
}

fn curve(freedom: Freedom, trials: &[Trial]) -> Curve {
    let networks = by_network(trials, |origin| *origin == Origin::Rising { freedom });
    let rung = |trials: &Vec<&Trial>| {
        let (first, values) = (trials.first()?, percents(trials));
        Some(Rung {
            score: first.subject.score?,
            layers: first.subject.layers,
            accuracy: stats::mean(&values)?,
            deviation: comparing::deviation(&values),
        })
    };
    Curve { freedom, rungs: networks.iter().filter_map(rung).collect() }
}
