//! The files of an experiment, and what it prints of a table of numbers.

use crate::cli::force::{Force, NO_INPUTS};
use crate::cli::output;
use crate::cli::{Failure, Global};
use edgezen_lab::experiment::{Experiment, Row};
use edgezen_lab::files::Destination;
use serde::Serialize;
use std::path::PathBuf;

/// Where the files go.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// Folder of the csv and svg files [default: the current one]
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
}

impl Files {
    /// The places of `NAME.ENDING`. They are known to be free before hours are spent.
    pub fn places<const N: usize>(
        &self,
        name: &str,
        endings: [&str; N],
    ) -> Result<[Destination; N], Failure> {
        std::fs::create_dir_all(&self.out).map_err(|e| Failure::io(&self.out, &e))?;
        let place =
            |ending: &str| self.force.free_place(self.out.join(format!("{name}.{ending}")), NO_INPUTS);
        let mut places = Vec::with_capacity(N);
        for ending in endings {
            places.push(place(ending)?);
        }
        places.try_into().map_err(|_| Failure::runtime(format!("{name} has another number of files")))
    }
}

#[derive(Serialize)]
struct Report {
    experiment: &'static str,
    csv: PathBuf,
    svg: PathBuf,
    header: Vec<&'static str>,
    rows: Vec<Row>,
    /// What the numbers say, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    says: Vec<String>,
}

/// Writes an experiment that is a table of numbers with a drawing, and prints it.
pub fn table([csv, svg]: [Destination; 2], experiment: Experiment, global: Global) -> Result<(), Failure> {
    csv.write(experiment.csv().as_bytes())?;
    svg.write(experiment.svg().as_bytes())?;
    let (csv, svg) = (csv.path().to_owned(), svg.path().to_owned());
    let Experiment { name, header, rows, says, .. } = experiment;
    let report = Report { experiment: name, csv, svg, header, rows, says };
    global.output().result(&report, || {
        let number = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |x| format!("{x:.3}"));
        let cells: Vec<Vec<String>> = report
            .rows
            .iter()
            .map(|(label, values)| std::iter::once(label.clone()).chain(values.iter().map(number)).collect())
            .collect();
        let table = output::table(&report.header, &cells);
        let says: String = report.says.iter().map(|sentence| output::paragraph(sentence)).collect();
        format!("{table}\n{says}\n{}\n{}", report.csv.display(), report.svg.display())
    })
}
