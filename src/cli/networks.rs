//! `edgezen networks [list|show NAME]`: the names that stand for networks.

use super::examples;
use super::output;
use super::{Failure, Global};
use edgezen_core::units::{Macs, Params};
use edgezen_lab::catalogue::networks::names;
use edgezen_lab::catalogue::networks::{NamedNetwork, NetworkError};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All names, with parameters and multiply-accumulates [default]
    #[command(after_help = examples::NETWORKS_LIST)]
    List,
    /// One network
    #[command(after_help = examples::NETWORKS_SHOW)]
    Show {
        /// A name in any of its spellings
        name: String,
    },
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List) {
        Action::List => {
            let all = names::all()?;
            global.output().result(&all, || list(&all))
        }
        Action::Show { name } => {
            let named = names::one(&name).map_err(|error| not_a_name(&name, error))?;
            global.output().result(&named, || show(&named))
        }
    }
}

/// What stands for a network without being a name is shown by another command.
fn not_a_name(text: &str, error: NetworkError) -> Failure {
    let is_other = text.contains(['(', ':', '/', '.']) && !text.contains(char::is_whitespace);
    match error {
        NetworkError::Unknown { near, .. } if near.is_empty() && is_other => {
            Failure::usage(format!("{text:?} is no name of a network"))
                .remedy(format!("edgezen info {text} shows networks of every kind"))
        }
        other => other.into(),
    }
}

fn list(all: &[NamedNetwork]) -> String {
    let cells = |named: &NamedNetwork| {
        vec![
            named.name.clone(),
            named.resolution.to_string(),
            Params(named.params as f64).to_string(),
            Macs(named.macs as f64).to_string(),
            if named.structure { "yes" } else { "-" }.to_owned(),
            if named.aliases.is_empty() { "-".to_owned() } else { named.aliases.join(" ") },
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(cells).collect();
    output::table(&["network", "side", "params", "MACs", "structure", "also"], &rows)
        + "\nstructure: it has a structure string, so that score, search --init, validate and export as PyTorch take it\n"
}

fn show(named: &NamedNetwork) -> String {
    let NamedNetwork { name, aliases, source, structure, resolution, params, macs } = named;
    let mut out = format!("{name}\n");
    let mut line = |title: &str, value: String| out += &format!("{title:<12}{value}\n");
    if !aliases.is_empty() {
        line("also", aliases.join(", "));
    }
    line("source", source.clone());
    line("image", format!("3×{resolution}×{resolution}"));
    line("parameters", Params(*params as f64).to_string());
    line("MACs", Macs(*macs as f64).to_string());
    line("structure", if *structure { "yes" } else { "none: a graph alone" }.to_owned());
    out
}
