//! The budgets of the command line: an option for each quantity of a network.

use clap::{Arg, ArgMatches, Command, Error, FromArgMatches};
use edgezen_core::search::Quantity;
use edgezen_core::search::budget::{Amounts, Scale};

/// The limits that were given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits(pub Amounts);

/// The quantities in the order of the options and of the names of run folders.
pub fn quantities() -> impl Iterator<Item = Quantity> {
    Quantity::starting_with(&[Quantity::Flops, Quantity::Params])
}

fn option(quantity: Quantity) -> Arg {
    let (bounded, example) = quantity.option();
    let help = match quantity {
        Quantity::Layers => {
            "Most layers [default: of the preset or the device, else of published networks at the budgets]"
                .to_owned()
        }
        _ => format!("Budget of {bounded}, as {example}"),
    };
    let value = if quantity.scale() == Scale::Bytes { "BYTES" } else { "N" };
    let name = quantity.name();
    Arg::new(name)
        .long(name)
        .value_name(value)
        .help(help)
        .value_parser(move |text: &str| quantity.parse(text))
}

impl clap::Args for Limits {
    fn augment_args(command: Command) -> Command {
        command.args(quantities().map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Limits::augment_args(command)
    }
}

impl FromArgMatches for Limits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Limits, Error> {
        let mut limits = Limits::default();
        limits.update_from_arg_matches(matches)?;
        Ok(limits)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for quantity in quantities() {
            if let Some(&limit) = matches.get_one::<f64>(quantity.name()) {
                self.0[quantity] = Some(limit);
            }
        }
        Ok(())
    }
}
