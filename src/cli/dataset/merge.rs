//! `edgezen dataset merge`: several datasets of one identity as one.

use super::super::failure::Failure;
use super::super::force::Force;
use edgezen_lab::dataset;
use edgezen_lab::dataset::Dataset;
use edgezen_lab::files::Destination;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of datasets of one identity; where they hold the same configuration, the last one counts
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Folder of the new dataset
    #[arg(short, long, alias = "out", value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    force: Force,
}

/// Merges; gives the new folder.
pub fn run(args: &Args) -> Result<PathBuf, Failure> {
    let dirs: Vec<PathBuf> = args.dirs.iter().map(|dir| dataset::find(dir)).collect();
    let inputs: Vec<PathBuf> = dirs.iter().flat_map(|dir| dataset::files_of(dir)).collect();
    for file in dataset::files_of(&args.output) {
        Destination::own(file, args.force.force, &inputs)?;
    }
    let mut merged: Option<Dataset> = None;
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for dir in &dirs {
        let other = Dataset::read(dir)?;
        let Some(merged) = &mut merged else {
            let named = other.samples.iter().enumerate();
            places = named.map(|(i, sample)| (format!("{:?}", sample.subject), i)).collect();
            merged = Some(other);
            continue;
        };
        if merged.identity != other.identity {
            return Err(Failure::usage(format!(
                "{} is of {}, the datasets before it of {}: {}; measurements of different identity never mix",
                dir.display(),
                other.identity,
                merged.identity,
                other.identity.contrast(&merged.identity)
            ))
            .remedy("a dataset for each identity"));
        }
        let (ours, theirs) = (&mut merged.provenance, other.provenance);
        if ours.source != theirs.source {
            ours.source = format!("{}; {}", ours.source, theirs.source);
        }
        if ours.licence != theirs.licence {
            ours.licence = format!("{} AND {}", ours.licence, theirs.licence);
        }
        ours.created = ours.created.clone().max(theirs.created);
        ours.notes.extend(theirs.notes);
        ours.notes.dedup();
        merged.environment.merge(other.environment);
        for sample in other.samples {
            match places.get(&format!("{:?}", sample.subject)) {
                Some(&at) => merged.samples[at] = sample,
                None => {
                    places.insert(format!("{:?}", sample.subject), merged.samples.len());
                    merged.samples.push(sample);
                }
            }
        }
    }
    let Some(merged) = merged else { return Err(Failure::usage("nothing to merge")) };
    dataset::write_whole(&args.output, &merged, args.force.force)?;
    Ok(args.output.clone())
}
