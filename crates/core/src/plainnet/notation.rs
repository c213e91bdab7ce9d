//! Structure strings such as `SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)…`. The grammar stands in
//! `docs/plainnet.md`, section 1.2.
//!
//! [`parse`] accepts what the reference accepts, and the two forms it drops by mistake: names inside
//! unnamed containers, and `Sequential(…)`. Printing (`Display`) gives the canonical form: no blanks,
//! no names except those of the `Multi…Block`s. Parsing says nothing about whether the network makes
//! sense; see [`super::shape::validate`].

use super::block::{Block, Join, Layer, SuperBlock, SuperKind};
use super::cost;
use super::{Network, Variant};
use std::fmt;

/// Containers may be nested this deep; the reference's own strings need three levels.
const MAX_DEPTH: usize = 64;

/// Where and why a structure string could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("structure string, character {}: {reason} (near {near:?})", position + 1)]
pub struct ParseError {
    /// Byte offset into the string.
    pub position: usize,
    pub reason: String,
    near: String,
}

/// What to do with parameters beyond those a block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// As the reference does.
    Ignore,
    Reject,
}

/// Reads a structure string as the reference does, surplus parameters included.
pub fn parse(text: &str) -> Result<Network, ParseError> {
    parse_with(text, Surplus::Ignore)
}

/// Reads a structure string.
pub fn parse_with(text: &str, surplus: Surplus) -> Result<Network, ParseError> {
    Parser { text, at: 0, surplus, depth: 0, spaced: false }.network()
}

/// Reads a structure string as a person writes it: white space and line breaks may stand between blocks and around the
/// parameters, where the reference allows none.
///
/// # Errors
/// As [`parse`].
pub fn parse_spaced(text: &str) -> Result<Network, ParseError> {
    Parser { text, at: 0, surplus: Surplus::Ignore, depth: 0, spaced: true }.network()
}

/// The structure in a file: its first line, trimmed (docs/plainnet.md, section 1.3).
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim()
}

/// The structure in a file that may break it over several lines: the first line that is not empty, and the lines that go
/// on with it. A line goes on with the one before if a parenthesis is still open, or if it begins with a block that does
/// not read an image. So a list of networks, one a line, gives its first, and remarks below a structure are left out.
pub fn first_structure(text: &str) -> &str {
    let start = text.len() - text.trim_start().len();
    let mut end = start;
    let mut open = 0_i64;
    for line in text[start..].split_inclusive('\n') {
        if end > start && open == 0 && !goes_on(line) {
            break;
        }
        open += line.matches('(').count() as i64 - line.matches(')').count() as i64;
        end += line.len();
    }
    text[start..end].trim()
}

/// Whether a line begins with a block that reads something other than an image.
fn goes_on(line: &str) -> bool {
    let line = line.trim_start();
    let Some((class, rest)) = line.split_once('(') else { return false };
    let is_block =
        matches!(class, "ResBlock" | "ResBlockProj" | "MultiSumBlock" | "MultiCatBlock" | "Sequential")
            || leaf_arity(class).is_some();
    let first = rest.split([',', ')']).next().unwrap_or_default();
    is_block && first.trim() != "3"
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    surplus: Surplus,
    depth: usize,
    /// Whether white space may stand between blocks.
    spaced: bool,
}

impl<'a> Parser<'a> {
    fn network(mut self) -> Result<Network, ParseError> {
        let blocks = self.blocks()?;
        if self.at < self.text.len() {
            return Err(self.error("expected the name of a block"));
        }
        Ok(Network { blocks })
    }

    /// Goes past white space, where it may stand.
    fn skip_blanks(&mut self) {
        if self.spaced {
            self.at = self.text.len() - self.rest().trim_start().len();
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, reason: impl Into<String>) -> ParseError {
        let near = self.rest().chars().take(24).collect();
        ParseError { position: self.at, reason: reason.into(), near }
    }

    fn expect(&mut self, c: char) -> Result<(), ParseError> {
        if self.rest().starts_with(c) {
            self.at += c.len_utf8();
            return Ok(());
        }
        Err(self.error(format!("expected {c:?}")))
    }

    /// Reads blocks up to the first character that does not begin one.
    fn blocks(&mut self) -> Result<Vec<Block>, ParseError> {
        let mut blocks = Vec::new();
        self.skip_blanks();
        while self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            blocks.extend(self.block()?);
            self.skip_blanks();
        }
        Ok(blocks)
    }

    fn block(&mut self) -> Result<Option<Block>, ParseError> {
        let start = self.at;
        let end =
            self.rest().find('(').ok_or_else(|| self.error("expected '(' after the name of a block"))?;
        let class = if self.spaced { self.rest()[..end].trim_end() } else { &self.rest()[..end] };
        self.at += end + 1;
        let name = self.name();
        let block = match class {
            "ResBlock" | "ResBlockProj" => self.residual(class == "ResBlockProj")?,
            "MultiSumBlock" => Some(self.branches(name, Join::Sum)?),
            "MultiCatBlock" => Some(self.branches(name, Join::Concat)?),
            "Sequential" => Some(Block::Sequential(self.nested()?)),
            _ => match leaf_arity(class) {
                Some(arity) => {
                    let params = self.integers(class, arity)?;
                    leaf(class, &params)
                }
                None => {
                    self.at = start;
                    return Err(self.error(format!("unknown block {class:?}")));
                }
            },
        };
        self.expect(')')?;
        Ok(block)
    }

    /// `name|` if there is one.
    fn name(&mut self) -> Option<&'a str> {
        let end = self.rest().find(['|', '(', ')', ',', ';'])?;
        if !self.rest()[end..].starts_with('|') {
            return None;
        }
        let name = &self.rest()[..end];
        self.at += end + 1;
        Some(name)
    }

    /// Reads comma-separated integers up to the closing parenthesis, at least `arity` of them.
    fn integers(&mut self, class: &str, arity: usize) -> Result<Vec<i32>, ParseError> {
        let end = self.rest().find(['(', ')', ';']).unwrap_or(self.rest().len());
        let list = &self.rest()[..end];
        let mut values = Vec::with_capacity(arity);
        let mut count = 0;
        for field in list.split(',') {
            if count < arity {
                values.push(self.integer(field)?);
            } else if self.surplus == Surplus::Reject {
                return Err(self.error(format!("{class} has {arity} parameters, and this is one more")));
            }
            count += 1;
            self.at += field.len() + 1;
        }
        self.at -= 1;
        if count < arity {
            return Err(self.error(format!("{class} needs {arity} parameters, found {count}")));
        }
        Ok(values)
    }

    fn integer(&self, field: &str) -> Result<i32, ParseError> {
        let field = field.trim();
        field.parse().map_err(|_| self.error(format!("expected an integer, found {field:?}")))
    }

    /// The blocks inside a container.
    fn nested(&mut self) -> Result<Vec<Block>, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("more than {MAX_DEPTH} containers inside one another")));
        }
        self.depth += 1;
        let blocks = self.blocks();
        self.depth -= 1;
        blocks
    }

    /// `[in,[stride,]] network`; an empty one yields no block.
    fn residual(&mut self, always_project: bool) -> Result<Option<Block>, ParseError> {
        let mut given = [None, None];
        for slot in &mut given {
            let Some(end) = self.rest().find([',', '(', ')']) else { break };
            if !self.rest()[end..].starts_with(',') {
                break;
            }
            *slot = Some(self.integer(&self.rest()[..end])?);
            self.at += end + 1;
        }
        let body = self.nested()?;
        let Some(first) = body.first() else { return Ok(None) };
        let in_c = given[0].unwrap_or_else(|| first.in_c());
        let stride = match given[1] {
            Some(stride) => stride,
            None => self.inferred_stride(&body)?,
        };
        Ok(Some(Block::Residual { in_c, stride, body, always_project }))
    }

    /// The stride of a unit that does not state it: 1024 divided by the resolution that its body makes of 1024.
    fn inferred_stride(&self, body: &[Block]) -> Result<i32, ParseError> {
        let failed =
            || self.error("the stride of the unit cannot be inferred; write it: ResBlock(in,stride,…)");
        let inside = cost::official(body, 1024, Variant::BUILT).map_err(|_| failed())?.resolution;
        let stride = 1024_i64.checked_div(inside).ok_or_else(failed)?;
        i32::try_from(stride).map_err(|_| failed())
    }

    /// `network { ";" network }`.
    fn branches(&mut self, name: Option<&str>, join: Join) -> Result<Block, ParseError> {
        let mut branches = Vec::new();
        loop {
            let mut blocks = self.nested()?;
            branches.push(match blocks.len() {
                0 => return Err(self.error("a branch holds at least one block")),
                1 => blocks.remove(0),
                _ => Block::Sequential(blocks),
            });
            if !self.rest().starts_with(';') {
                break;
            }
            self.at += 1;
        }
        let name = name.map_or_else(|| automatic_name(&branches), str::to_owned);
        Ok(Block::Branches { name, join, branches })
    }
}

/// `uuid` and 32 hex digits, the same for the same content (FNV-1a over the printed branches).
fn automatic_name(branches: &[Block]) -> String {
    let printed: String = branches.iter().map(|b| format!("{b};")).collect();
    let hash = printed.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("uuid{hash:032x}")
}

/// Number of integers a block without inner blocks takes.
fn leaf_arity(class: &str) -> Option<usize> {
    if let Some(kind) = super_kind(class) {
        return Some(if kind.is_conv() { 4 } else { 5 });
    }
    match class {
        "ConvKX" => Some(4),
        "ConvDW" | "MaxPool" | "Linear" => Some(3),
        "AdaptiveAvgPool" => Some(2),
        "BN" | "RELU" | "SE" | "Swish" | "Flatten" => Some(1),
        _ => grouped(class).map(|_| 4),
    }
}

/// The block of class `class` with its `leaf_arity` integers.
fn leaf(class: &str, p: &[i32]) -> Option<Block> {
    if let Some(kind) = super_kind(class) {
        let (bottleneck, sublayers) = if kind.is_conv() { (0, p[3]) } else { (p[3], p[4]) };
        return Some(Block::Super(SuperBlock {
            kind,
            in_c: p[0],
            out_c: p[1],
            stride: p[2],
            bottleneck,
            sublayers,
        }));
    }
    let channels = p[0];
    Some(Block::Layer(match class {
        "ConvKX" => Layer::Conv { in_c: p[0], out_c: p[1], kernel: p[2], stride: p[3], groups: 1 },
        "ConvDW" => Layer::DwConv { channels, kernel: p[1], stride: p[2] },
        "BN" => Layer::Bn { channels },
        "RELU" => Layer::Relu { channels },
        "SE" => Layer::Se { channels },
        "Swish" => Layer::Swish { channels },
        "MaxPool" => Layer::MaxPool { channels, kernel: p[1], stride: p[2] },
        "AdaptiveAvgPool" => Layer::AdaptiveAvgPool { channels, size: p[1] },
        "Flatten" => Layer::Flatten { channels },
        "Linear" => Layer::Linear { in_c: p[0], out_c: p[1], bias: p[2] != 0 },
        _ => Layer::Conv { in_c: p[0], out_c: p[1], kernel: p[2], stride: p[3], groups: grouped(class)? },
    }))
}

/// `ConvKXG2` … `ConvKXG32`.
fn grouped(class: &str) -> Option<i32> {
    match class.strip_prefix("ConvKXG")? {
        "2" => Some(2),
        "4" => Some(4),
        "8" => Some(8),
        "16" => Some(16),
        "32" => Some(32),
        _ => None,
    }
}

/// The family that a class name stands for.
pub fn super_kind(class: &str) -> Option<SuperKind> {
    let size =
        |text: &str, allowed: &[u8]| text.parse().ok().filter(|k| allowed.contains(k) && text.len() == 1);
    if let Some(rest) = class.strip_prefix("SuperConvK") {
        let kernel = size(rest.strip_suffix("BNRELU")?, &[1, 3, 5, 7])?;
        return Some(SuperKind::Conv { kernel });
    }
    if let Some(rest) = class.strip_prefix("SuperResIDWE") {
        let (expansion, kernel) = rest.split_once('K')?;
        return Some(SuperKind::Inverted {
            expansion: size(expansion, &[1, 2, 4, 6])?,
            kernel: size(kernel, &[3, 5, 7])?,
        });
    }
    let rest = class.strip_prefix("SuperResK")?;
    if let Some(inner) = rest.strip_prefix("1K").and_then(|r| r.strip_suffix("K1")) {
        return Some(SuperKind::Bottleneck { kernel: size(inner, &[3, 5, 7])? });
    }
    let (first, second) = rest.split_once('K')?;
    let kernel = size(first, &[3, 5, 7])?;
    (first == second).then_some(SuperKind::Residual { kernel })
}

impl fmt::Display for SuperKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            SuperKind::Conv { kernel } => write!(f, "SuperConvK{kernel}BNRELU"),
            SuperKind::Residual { kernel } => write!(f, "SuperResK{kernel}K{kernel}"),
            SuperKind::Bottleneck { kernel } => write!(f, "SuperResK1K{kernel}K1"),
            SuperKind::Inverted { expansion, kernel } => write!(f, "SuperResIDWE{expansion}K{kernel}"),
        }
    }
}

impl fmt::Display for SuperBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SuperBlock { kind, in_c, out_c, stride, bottleneck, sublayers } = self;
        if kind.is_conv() {
            write!(f, "{kind}({in_c},{out_c},{stride},{sublayers})")
        } else {
            write!(f, "{kind}({in_c},{out_c},{stride},{bottleneck},{sublayers})")
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Layer::Conv { in_c, out_c, kernel, stride, groups: 1 } => {
                write!(f, "ConvKX({in_c},{out_c},{kernel},{stride})")
            }
            Layer::Conv { in_c, out_c, kernel, stride, groups } => {
                write!(f, "ConvKXG{groups}({in_c},{out_c},{kernel},{stride})")
            }
            Layer::DwConv { channels, kernel, stride } => write!(f, "ConvDW({channels},{kernel},{stride})"),
            Layer::Bn { channels } => write!(f, "BN({channels})"),
            Layer::Relu { channels } => write!(f, "RELU({channels})"),
            Layer::Swish { channels } => write!(f, "Swish({channels})"),
            Layer::Se { channels } => write!(f, "SE({channels})"),
            Layer::MaxPool { channels, kernel, stride } => write!(f, "MaxPool({channels},{kernel},{stride})"),
            // The reference prints the channels divided by the square of the side, by mistake
            // (docs/plainnet.md, section 1.3). This prints the same.
            Layer::AdaptiveAvgPool { channels, size } => {
                let printed = size.checked_mul(size).and_then(|area| channels.checked_div(area));
                write!(f, "AdaptiveAvgPool({},{size})", printed.unwrap_or(channels))
            }
            Layer::Flatten { channels } => write!(f, "Flatten({channels})"),
            Layer::Linear { in_c, out_c, bias } => write!(f, "Linear({in_c},{out_c},{})", u8::from(bias)),
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Block::Super(block) => block.fmt(f),
            Block::Layer(layer) => layer.fmt(f),
            Block::Residual { in_c, stride, body, always_project } => {
                let proj = if *always_project { "Proj" } else { "" };
                write!(f, "ResBlock{proj}({in_c},{stride},")?;
                body.iter().try_for_each(|b| b.fmt(f))?;
                f.write_str(")")
            }
            Block::Branches { name, join, branches } => {
                let class = match join {
                    Join::Sum => "MultiSumBlock",
                    Join::Concat => "MultiCatBlock",
                };
                write!(f, "{class}({name}|")?;
                for (i, branch) in branches.iter().enumerate() {
                    if i > 0 {
                        f.write_str(";")?;
                    }
                    branch.fmt(f)?;
                }
                f.write_str(")")
            }
            Block::Sequential(blocks) => {
                f.write_str("Sequential(")?;
                blocks.iter().try_for_each(|b| b.fmt(f))?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Network {
    /// The canonical structure string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.blocks.iter().try_for_each(|block| block.fmt(f))
    }
}
