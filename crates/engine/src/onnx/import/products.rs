//! Matrix products in their many spellings: one description of operands and sizes for shapes and counting.

use super::operation::{Dims, Operation, Problem};

/// A matrix product: two operands, and how often which sizes are multiplied.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// Places of the operands among the operator's inputs.
    pub operands: [usize; 2],
    pub out: Dims,
    /// Multiply-accumulates for each element of the output.
    pub depth: usize,
}

/// Places of the two matrices, for the operators that are matrix products.
pub fn operands(kind: &str) -> Option<[usize; 2]> {
    match kind {
        "MatMul"
        | "Gemm"
        | "MatMulInteger"
        | "FusedMatMul"
        | "FusedGemm"
        | "TransposeMatMul"
        | "DynamicQuantizeMatMul"
        | "MatMulIntegerToFloat"
        | "GemmFastGelu" => Some([0, 1]),
        "QLinearMatMul" | "QGemm" => Some([0, 3]),
        _ => None,
    }
}

/// The product that the operator is.
pub fn of(op: &Operation) -> Result<Product, Problem> {
    let operands = operands(op.kind()).ok_or(Problem::NoRule)?;
    let (mut a, mut b) = (op.dims(operands[0])?.to_vec(), op.dims(operands[1])?.to_vec());
    let flags = ["transA", "transB", "transBatchA", "transBatchB"].map(|name| op.int(name, 0) == 1);
    if flags[2] || flags[3] {
        return Err(Problem::NoRule);
    }
    for (dims, flag) in [(&mut a, flags[0]), (&mut b, flags[1])] {
        let rank = dims.len();
        if flag && rank >= 2 {
            dims.swap(rank - 2, rank - 1);
        }
    }
    let gemm = op.kind().ends_with("emm") || op.kind() == "GemmFastGelu";
    if gemm && (a.len() != 2 || b.len() != 2) {
        return Err(op.wrong("operands that are no matrices"));
    }
    if a.is_empty() || b.is_empty() {
        return Err(op.wrong("a scalar operand"));
    }
    // Vectors become matrices of one row or column, which is taken out again.
    let (row, column) = (a.len() == 1, b.len() == 1);
    if row {
        a.insert(0, 1);
    }
    if column {
        b.push(1);
    }
    let ((a_batch, a_last), (b_batch, b_last)) = (a.split_at(a.len() - 2), b.split_at(b.len() - 2));
    if a_last[1] != b_last[0] {
        return Err(op.wrong(format!("{a:?} times {b:?}")));
    }
    let mut out = broadcast(a_batch, b_batch).ok_or_else(|| op.wrong(format!("{a:?} times {b:?}")))?;
    if !row {
        out.push(a_last[0]);
    }
    if !column {
        out.push(b_last[1]);
    }
    Ok(Product { operands, out, depth: a_last[1] })
}

/// The shape that two operands of an element-wise operation have together.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Dims> {
    let rank = a.len().max(b.len());
    let side = |dims: &[usize], at: usize| {
        let missing = rank - dims.len();
        if at < missing { 1 } else { dims[at - missing] }
    };
    (0..rank)
        .map(|at| match (side(a, at), side(b, at)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// The equation of an Einsum with the sizes of its letters.
#[derive(Clone, Debug, PartialEq)]
pub struct Einsum {
    pub operands: Vec<Vec<char>>,
    pub out: Vec<char>,
    sizes: Vec<(char, usize)>,
}

impl Einsum {
    /// Reads the equation; leading axes that an ellipsis stands for get letters of their own.
    pub fn of(op: &Operation) -> Result<Einsum, Problem> {
        let equation: String = op.text("equation").chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (&equation[..], None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != op.inputs.len() {
            return Err(op.wrong(format!("{equation:?} with {} operands", op.inputs.len())));
        }
        let mut sizes: Vec<(char, usize)> = Vec::new();
        let mut operands = Vec::new();
        let mut hidden_axes = 0;
        for (at, term) in terms.iter().enumerate() {
            let dims = op.dims(at)?;
            let named = term.chars().filter(|c| c.is_alphabetic()).count();
            let hidden = dims.len().checked_sub(named).ok_or_else(|| op.wrong(format!("{equation:?}")))?;
            hidden_axes = hidden_axes.max(hidden);
            let letters = spelt(term, hidden);
            if letters.len() != dims.len() {
                return Err(op.wrong(format!("{term:?} for {} axes", dims.len())));
            }
            for (&letter, &size) in letters.iter().zip(dims) {
                match sizes.iter_mut().find(|(known, _)| *known == letter) {
                    None => sizes.push((letter, size)),
                    Some((_, known)) if *known == size || size == 1 => {}
                    Some((_, known)) if *known == 1 => *known = size,
                    Some((_, known)) => return Err(op.wrong(format!("{letter} is {known} and {size}"))),
                }
            }
            operands.push(letters);
        }
        let out = match right {
            Some(right) => spelt(right, hidden_axes),
            None => {
                let count = |letter: char| operands.iter().flatten().filter(|&&c| c == letter).count();
                let mut once: Vec<char> = sizes
                    .iter()
                    .map(|(letter, _)| *letter)
                    .filter(|&c| c.is_numeric() || count(c) == 1)
                    .collect();
                once.sort_unstable();
                once
            }
        };
        Ok(Einsum { operands, out, sizes })
    }

    pub fn size(&self, letter: char) -> usize {
        self.sizes.iter().find(|(known, _)| *known == letter).map_or(1, |(_, size)| *size)
    }

    pub fn dims(&self) -> Dims {
        self.out.iter().map(|&letter| self.size(letter)).collect()
    }

    /// Sizes over which is summed, multiplied.
    pub fn depth(&self) -> usize {
        let summed = self.sizes.iter().filter(|(letter, _)| !self.out.contains(letter));
        summed.map(|(_, size)| *size).product()
    }
}

/// The letters of a term; of `hidden` axes behind an ellipsis, digits counted from the last one.
fn spelt(term: &str, hidden: usize) -> Vec<char> {
    let digits = (0..hidden).rev().filter_map(|at| char::from_digit(at as u32 % 10, 10));
    match term.split_once("...") {
        Some((before, after)) => before.chars().chain(digits).chain(after.chars()).collect(),
        None => term.chars().collect(),
    }
}
