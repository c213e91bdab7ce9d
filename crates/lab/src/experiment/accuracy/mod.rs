//! How well scores rank trained networks: every proxy on tables of networks with their accuracies.
//!
//! Rank correlations over all networks of a table, by family and within quartiles of a budget; the regret of whoever
//! chooses by a score under a budget; and calibrations from a few networks of the same table, or of another one.

mod default_search;
mod families;
mod page;
mod picture;
mod regrets;
mod scores;

use crate::accuracy::fit::{self, Judged};
use crate::accuracy::ranks::{self, Correlation, Regret};
use crate::accuracy::{AccuracyTable, LeftOut, Trained, trained};
use edgezen_core::accuracy::calibration::Calibrated;
use edgezen_core::plainnet::chain::Chain;
use edgezen_core::stats;
use families::{Group, groups};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use scores::{Column, budgets, sampled, scores};

/// A table with its name.
pub struct Input {
    pub name: String,
    pub table: AccuracyTable,
}

/// What the experiment is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub seed: u64,
    /// Networks of each table that the slow proxies look at.
    pub sampled: usize,
    /// Draws of a calibration.
    pub draws: u64,
}

/// What has just begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Reading(&'a str),
    Ranking(&'a str),
    Running { table: &'a str, proxy: &'a str },
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Line {
    pub table: String,
    /// `all`, a family, a quartile, a sample, or `budget` with its quantity.
    pub group: String,
    pub proxy: String,
    pub networks: usize,
    #[serde(flatten)]
    pub correlation: Option<Correlation>,
    /// Under budgets on the group's quantity.
    pub regret: Option<Regret>,
}

/// The result of the experiment.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    pub lines: Vec<Line>,
    /// Rows of each table that could not be used.
    pub left_out: Vec<(String, Vec<LeftOut>)>,
}

/// Groups with fewer networks are left out.
const LEAST: usize = 8;
/// Quartiles and budgets take this many.
const LEAST_TO_DIVIDE: usize = 100;
/// Networks of the calibrations.
const CALIBRATED: [usize; 2] = [50, 200];
/// The group of all networks of a table.
pub const ALL: &str = "all";
/// What a search by default chooses; and with the same rules, where the greatest score wins.
pub const SEARCHED: [&str; 2] = ["default search", "default search, --winner score"];
/// The default score of the program, whose worst group is named.
pub const DEFAULT: &str = "zen (paper)";

/// Ranks all tables by all proxies.
pub fn run(inputs: &[Input], settings: Settings, progress: &mut dyn FnMut(Event<'_>)) -> Report {
    let mut report = Report::default();
    let mut tables = Vec::new();
    for input in inputs {
        progress(Event::Reading(&input.name));
        let (networks, left_out) = trained::of_table(&input.table);
        if !left_out.is_empty() {
            report.left_out.push((input.name.clone(), left_out));
        }
        tables.extend(families::by_recipe(&input.name, &input.table, networks).into_iter().map(
            |(name, networks)| Ranked {
                columns: scores(&networks, &input.table),
                budgets: budgets(&networks, &input.table),
                networks,
                name,
            },
        ));
    }
    tables.retain(|table| table.networks.len() >= LEAST);
    for table in &tables {
        progress(Event::Ranking(&table.name));
        table.correlations(settings, &mut report.lines);
        table.regrets(settings, &mut report.lines);
        table.calibrations(settings, &mut report.lines);
    }
    // Each table is fitted to once, whatever is judged by the fit.
    let fitted: Vec<Option<Fitted>> = tables.par_iter().map(Fitted::of).collect();
    for (of, fitted) in tables.iter().zip(&fitted) {
        let others: Vec<&Ranked> = tables.iter().filter(|on| on.name != of.name).collect();
        let judged = |on: &&Ranked| Some(on.by_labels_of(&of.name, fitted.as_ref()?, settings));
        report.lines.extend(others.par_iter().filter_map(judged).flatten_iter().collect::<Vec<Line>>());
    }
    for table in &tables {
        table.slow(settings, &mut report.lines, progress);
    }
    report
}

/// A table of which all is known.
struct Ranked {
    name: String,
    networks: Vec<Trained>,
    columns: Vec<Column>,
    /// Costs that can be bounded.
    budgets: Vec<Column>,
}

impl Ranked {
    fn rng(&self, settings: Settings) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(settings.seed)
    }

    /// The correlation of `column` over `rows`; nothing where it has no value for most of them.
    fn line(
        &self,
        group: &str,
        column: &Column,
        rows: &[usize],
        rng: &mut Xoshiro256PlusPlus,
    ) -> Option<Line> {
        let pairs: Vec<(f64, f64)> =
            rows.iter().filter_map(|&row| Some((column.values[row]?, self.networks[row].accuracy))).collect();
        if pairs.len() < LEAST || pairs.len() * 2 < rows.len() {
            return None;
        }
        let (scores, accuracies): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let correlation = ranks::correlate(&scores, &accuracies, rng)?;
        Some(Line {
            table: self.name.clone(),
            group: group.to_owned(),
            proxy: column.name.clone(),
            networks: scores.len(),
            correlation: Some(correlation),
            regret: None,
        })
    }

    fn correlations(&self, settings: Settings, lines: &mut Vec<Line>) {
        let mut all = vec![Group { name: ALL.to_owned(), rows: (0..self.networks.len()).collect() }];
        all.extend(groups(&self.networks, LEAST));
        if self.networks.len() >= LEAST_TO_DIVIDE {
            all.extend(self.budgets.iter().flat_map(families::quartiles));
        }
        for group in &all {
            let of = |column| self.line(&group.name, column, &group.rows, &mut self.rng(settings));
            lines.extend(self.columns.par_iter().filter_map(of).collect::<Vec<Line>>());
        }
    }

    /// Calibrations from some of the networks, judged on the others.
    fn calibrations(&self, settings: Settings, lines: &mut Vec<Line>) {
        for count in CALIBRATED {
            let draw = |seed| fit::judged(&self.networks, count, settings.seed.wrapping_add(seed));
            let judged: Vec<Judged> = (0..settings.draws).into_par_iter().filter_map(draw).collect();
            let Some(first) = judged.first() else { continue };
            let networks = first.accuracies.len();
            if networks < LEAST_TO_DIVIDE {
                continue;
            }
            let of = |rank: fn(&[f64], &[f64]) -> Option<f64>| -> Vec<f64> {
                judged.iter().filter_map(|judged| rank(&judged.scores, &judged.accuracies)).collect()
            };
            let (spearman, kendall) = (of(stats::spearman), of(stats::kendall));
            let mean = |values: &[f64]| stats::mean(values).unwrap_or(f64::NAN);
            let error =
                |values: &[f64]| stats::std_dev(values).unwrap_or(f64::NAN) / (values.len() as f64).sqrt();
            lines.push(Line {
                table: self.name.clone(),
                group: "not drawn".to_owned(),
                proxy: format!("calibration, {count} networks"),
                networks,
                correlation: Some(Correlation {
                    spearman: mean(&spearman),
                    spearman_se: error(&spearman),
                    kendall: mean(&kendall),
                    kendall_se: error(&kendall),
                }),
                regret: None,
            });
        }
    }

    /// What was fitted to all networks of the table `other`, judged on this one.
    fn by_labels_of(&self, other: &str, fitted: &Fitted, settings: Settings) -> Vec<Line> {
        let Fitted { calibrated, exponent } = fitted;
        let scale = |network: &Trained| Some(calibrated.scale(network.known.features.as_ref()?));
        let stages = |network: &Trained| Some(network.known.chain.as_ref()?.stage_params(*exponent));
        let columns = [
            Column {
                name: format!("calibration by {other}"),
                values: self.networks.iter().map(scale).collect(),
            },
            Column {
                name: format!("stage-params {exponent:.2} by {other}"),
                values: self.networks.iter().map(stages).collect(),
            },
        ];
        let rows: Vec<usize> = (0..self.networks.len()).collect();
        columns.iter().filter_map(|column| self.line(ALL, column, &rows, &mut self.rng(settings))).collect()
    }

    /// Proxies that pass images through networks, on some of the networks.
    fn slow(&self, settings: Settings, lines: &mut Vec<Line>, progress: &mut dyn FnMut(Event<'_>)) {
        let mut rng = self.rng(settings);
        let Some((group, rows)) = families::sample(&self.networks, settings.sampled, &mut rng) else {
            return;
        };
        let of_all = self.columns.iter().filter(|column| scores::BESIDE.contains(&&*column.name));
        let quick: Vec<Line> =
            of_all.filter_map(|column| self.line(&group, column, &rows, &mut self.rng(settings))).collect();
        lines.extend(quick);
        for proxy in scores::SLOW {
            progress(Event::Running { table: &self.name, proxy });
            let column = sampled(proxy, &self.networks, &rows, settings.seed);
            lines.extend(self.line(&group, &column, &rows, &mut self.rng(settings)));
        }
    }
}

/// A calibration and the exponent of `stage-params`, both fitted to all networks of a table.
struct Fitted {
    calibrated: Calibrated,
    exponent: f64,
}

impl Fitted {
    /// Nothing where there are too few networks.
    fn of(table: &Ranked) -> Option<Fitted> {
        Some(Fitted { calibrated: fit::of_all(&table.networks)?, exponent: stage_exponent(&table.networks)? })
    }
}

/// The exponent of [`Chain::stage_params`] that ranks these networks best, of 0, 0.05, …, 1.
fn stage_exponent(networks: &[Trained]) -> Option<f64> {
    let chains: Vec<(&Chain, f64)> = networks
        .iter()
        .filter_map(|network| Some((network.known.chain.as_ref()?, network.accuracy)))
        .collect();
    let accuracies: Vec<f64> = chains.iter().map(|(_, accuracy)| *accuracy).collect();
    let ranked = (0..=20).filter_map(|step| {
        let exponent = f64::from(step) / 20.0;
        let scores: Vec<f64> = chains.iter().map(|(chain, _)| chain.stage_params(exponent)).collect();
        Some((exponent, stats::kendall(&scores, &accuracies)?))
    });
    ranked.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(exponent, _)| exponent)
}

impl Report {
    /// The group in which the default score ranks worst.
    pub fn worst(&self) -> Option<&Line> {
        let kendall = |line: &&Line| line.correlation.map_or(f64::INFINITY, |of| of.kendall);
        let whole = |line: &&Line| line.proxy == DEFAULT && line.networks >= LEAST_TO_DIVIDE / 4;
        let lines = self.lines.iter().filter(whole).filter(|line| line.correlation.is_some());
        lines.min_by(|a, b| kendall(a).total_cmp(&kendall(b)))
    }

    /// The lines as CSV; what is absent is an empty cell.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "table,group,proxy,networks,spearman,spearman_se,kendall,kendall_se,regret,regret_lower,regret_upper\n",
        );
        for line in &self.lines {
            let of = line.correlation;
            let regret = line.regret;
            let numbers = [
                of.map(|of| of.spearman),
                of.map(|of| of.spearman_se),
                of.map(|of| of.kendall),
                of.map(|of| of.kendall_se),
                regret.map(|regret| regret.points),
                regret.map(|regret| regret.lower),
                regret.map(|regret| regret.upper),
            ];
            let cells =
                numbers.map(|number| number.map_or_else(String::new, |number| format!("{number:.4}")));
            let quoted = [&line.table, &line.group, &line.proxy].map(|text| quoted(text));
            text += &format!("{},{},{}\n", quoted.join(","), line.networks, cells.join(","));
        }
        text
    }

    /// The drawing as the text of an SVG file.
    pub fn svg(&self) -> String {
        picture::draw(&self.lines)
    }

    /// The page, in Markdown.
    pub fn page(&self) -> String {
        page::write(self)
    }
}

/// A cell of a CSV file.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::table::KernelTable;

    fn table() -> AccuracyTable {
        let codes: Vec<String> = (0..120_u32)
            .map(|i| {
                let digit = |layer: u32| (i.wrapping_mul(2_654_435_761) >> (3 * layer + 4)) % 3;
                (0..8).map(|layer| digit(layer).to_string()).collect()
            })
            .collect();
        let mut table = KernelTable::empty(codes.len());
        table.set_column("net", codes.iter().map(|code| format!("nbm:{code}")));
        let sum = |code: &String| code.chars().filter_map(|c| c.to_digit(10)).sum::<u32>();
        table.set_column("accuracy", codes.iter().map(|code| (70 + sum(code)).to_string()));
        table.set_column("phone_ms", codes.iter().map(|code| (1 + sum(code) / 2).to_string()));
        AccuracyTable::of(table, None).unwrap()
    }

    #[test]
    fn a_table_is_ranked_in_all_its_groups() {
        let inputs = [Input { name: "small".into(), table: table() }];
        let settings = Settings { seed: 0, sampled: 0, draws: 2 };
        let report = run(&inputs, settings, &mut |_| {});
        let find = |group: &str, proxy: &str| {
            report.lines.iter().find(|line| line.group == group && line.proxy == proxy)
        };
        let layers = find(ALL, "layers").unwrap().correlation.unwrap();
        assert!(layers.kendall > 0.5 && (0.01..0.1).contains(&layers.kendall_se), "{layers:?}");
        for group in ["macs quartile 1", "params quartile 4", "phone_ms quartile 2"] {
            assert!(find(group, DEFAULT).is_some(), "{group}");
        }
        let regret = |proxy| find("budget phone_ms", proxy).unwrap().regret.unwrap();
        assert!(regret("layers").points < regret("random").points);
        // Ranks of parameters help the Zen-Score where accuracy grows with the layers.
        let searched = SEARCHED.map(|proxy| regret(proxy).points);
        assert!(
            searched[0] < regret("random").points && searched[1] < regret("random").points,
            "{searched:?}"
        );
        let calibrated = find("not drawn", "calibration, 50 networks");
        assert!(calibrated.is_none(), "fewer than a hundred networks are left to judge it");
        let worst = report.worst().unwrap();
        assert!(
            worst.correlation.unwrap().kendall <= find(ALL, DEFAULT).unwrap().correlation.unwrap().kendall
        );
        assert_eq!(report.csv().lines().count(), report.lines.len() + 1);
        assert!(report.svg().starts_with("<svg") && report.page().contains("zen (paper)"));
    }

    #[test]
    fn the_picture_shows_small_tables_only_where_there_are_no_others() {
        let line = |table: &str, networks| Line {
            table: table.into(),
            group: ALL.into(),
            proxy: DEFAULT.into(),
            networks,
            correlation: Some(Correlation { spearman: 0.5, spearman_se: 0.1, kendall: 0.4, kendall_se: 0.1 }),
            regret: None,
        };
        let both = picture::draw(&[line("of many", LEAST_TO_DIVIDE), line("of few", LEAST)]);
        assert!(both.contains("of many") && !both.contains("of few"));
        assert!(picture::draw(&[line("of few", LEAST)]).contains("of few"));
    }
}
