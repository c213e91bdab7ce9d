//! The names that stand for networks, and what those networks cost.

use super::{AnyNetwork, NetworkError, Overrides, any};
use crate::spelling;
use edgezen_core::plainnet::published;
use edgezen_core::zoo::{CodeError, Encoded, Named, Space, known};
use serde::Serialize;

/// A network that is known by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedNetwork {
    pub name: String,
    /// Other spellings.
    pub aliases: Vec<String>,
    /// Where it was published.
    pub source: String,
    /// It has a structure string, so that scores, searches and exports as PyTorch modules take it.
    pub structure: bool,
    /// Side of the square images that it was made for.
    pub resolution: u32,
    /// Weights and biases, and two parameters for each channel of a batch normalisation.
    pub params: u64,
    /// Multiply-accumulates of one image of this resolution.
    pub macs: u64,
}

/// All names, the published structures first, with their costs.
///
/// # Errors
/// A network of the program that makes no sense.
pub fn all() -> Result<Vec<NamedNetwork>, NetworkError> {
    let published =
        published::names().map(|name| of_name(name, published::aliases(name), published::source(name)));
    let zoo = known::KNOWN
        .iter()
        .filter(|known| published::by_name(known.name).is_none())
        .map(|known| of_name(known.name, known.also, known.source));
    published.chain(zoo).collect()
}

/// The network called `name`, in any of its spellings.
///
/// # Errors
/// A name that is not known; texts of other kinds are none.
pub fn one(name: &str) -> Result<NamedNetwork, NetworkError> {
    if let Some(model) = published::by_name(name)
        && let Some(own) = model.name
    {
        return of_name(&own, published::aliases(&own), published::source(&own));
    }
    if let Some(known) = known::known_as(name) {
        return of_name(known.name, known.also, known.source);
    }
    match zoo(name, None) {
        Some(Ok(_)) => of_name(name, &[], "a width of a family of the zoo"),
        _ => Err(unknown(name)),
    }
}

fn of_name(name: &str, aliases: &[&str], source: &str) -> Result<NamedNetwork, NetworkError> {
    let network = any(name, Overrides::default())?;
    let cost = network.cost()?;
    Ok(NamedNetwork {
        name: name.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        source: source.to_owned(),
        structure: matches!(network, AnyNetwork::PlainNet(_)),
        resolution: network.input()?.h,
        params: cost.params,
        macs: cost.macs,
    })
}

/// The network of the zoo that is called `name`, in the spelling of the zoo or of torchvision, on images of `side`, or
/// of the side that it was made for. `None`: there is none. A resolution that makes no sense is an error.
pub(super) fn zoo(name: &str, side: Option<u32>) -> Option<Result<Encoded, NetworkError>> {
    let listed = known::known_as(name);
    let own = listed.map_or(name, |known| known.name);
    let usual = listed.map_or(224, |known| known.resolution);
    // Only the resolution can be wrong where the name is right.
    Named::new(own, usual).ok()?;
    Some(Named::new(own, side.unwrap_or(usual)).map(Encoded::Named).map_err(NetworkError::from))
}

/// The error of a text that begins as a code and is none, with the codes of the zoo that are similar to it.
pub(super) fn no_code(text: &str, error: CodeError) -> NetworkError {
    let (prefix, code) = text.split_once(':').unwrap_or((text, ""));
    let space = Space::ALL.into_iter().find(|space| space.name() == prefix);
    let (name, side) = code.rsplit_once('@').unwrap_or((code, ""));
    let published = published::names().filter(|name| Named::new(name, 224).is_ok());
    let zoo = known::KNOWN.iter().map(|known| known.name).chain(published);
    let near = if space == Some(Space::Named) { spelling::similar(name, zoo) } else { Vec::new() };
    let code = |name: String| {
        let usual = known::known_as(&name).map_or(224, |known| known.resolution);
        let side: u32 = side.parse().unwrap_or(usual);
        Named::new(&name, side).or_else(|_| Named::new(&name, usual)).map(|named| format!("zoo:{named}")).ok()
    };
    NetworkError::Code { error, space, near: near.into_iter().filter_map(code).collect() }
}

/// The error of a text that stands for nothing, with the names that are similar to it.
pub(super) fn unknown(text: &str) -> NetworkError {
    let published = published::names()
        .flat_map(|name| std::iter::once(name).chain(published::aliases(name).iter().copied()));
    let zoo =
        known::KNOWN.iter().flat_map(|known| std::iter::once(known.name).chain(known.also.iter().copied()));
    NetworkError::Unknown { text: text.to_owned(), near: spelling::similar(text, published.chain(zoo)) }
}
