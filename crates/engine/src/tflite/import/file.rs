//! The contents of a file as plain data: its first subgraph, checked for references that lead nowhere.

use crate::tflite::TfliteError;
use crate::tflite::flatbuffer::decode::{Reader, Table};
use crate::tflite::schema::{self, buffer, model, operator, operator_code, subgraph, tensor};

/// Longest side and most elements of a tensor that is taken for one of a network rather than damage.
const LONGEST: i32 = 1 << 24;
const LARGEST: usize = 1 << 40;

/// The first subgraph of a file; the others are bodies of loops and branches.
pub struct File<'r, 'f> {
    pub tensors: Vec<Tensor<'f>>,
    pub operators: Vec<Operator<'r, 'f>>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

/// A map or a constant.
pub struct Tensor<'f> {
    pub name: &'f str,
    pub dims: Vec<usize>,
    /// Some side besides the number of images is left open.
    pub open: bool,
    pub element: i8,
    /// No operator computes it.
    pub constant: bool,
    /// The elements of a constant, where the file holds them.
    pub data: Option<&'f [u8]>,
}

/// One step. Operands that are left out are absent.
pub struct Operator<'r, 'f> {
    pub name: String,
    pub inputs: Vec<Option<usize>>,
    pub outputs: Vec<usize>,
    pub options: Option<Table<'r, 'f>>,
}

impl<'r, 'f> File<'r, 'f> {
    /// Reads a file.
    ///
    /// # Errors
    /// Damage; another version of the format; operators that read what nothing computes.
    pub fn of(reader: &'r Reader<'f>) -> Result<File<'r, 'f>, TfliteError> {
        let root = reader.root()?;
        let version = root.u32(model::VERSION, 0)?;
        if version != schema::VERSION {
            let reason = format!("version {version} of the format; {} is read", schema::VERSION);
            return Err(TfliteError::Format(reason));
        }
        let codes = root.tables(model::OPERATOR_CODES)?;
        let codes: Vec<String> = codes.iter().map(operator_name).collect::<Result<_, _>>()?;
        let mut buffers = Vec::new();
        for table in root.tables(model::BUFFERS)? {
            buffers.push(content(reader, &table)?);
        }
        let graphs = root.tables(model::SUBGRAPHS)?;
        let graph = graphs.first().ok_or_else(|| TfliteError::Invalid("there is no graph in it".into()))?;
        let mut tensors = Vec::new();
        for table in graph.tables(subgraph::TENSORS)? {
            tensors.push(self::tensor(&table, &buffers)?);
        }
        let mut operators = Vec::new();
        for table in graph.tables(subgraph::OPERATORS)? {
            operators.push(self::operator(&table, &codes, tensors.len())?);
        }
        let place = |index: &i32| known(*index, tensors.len());
        let inputs = graph.i32s(subgraph::INPUTS)?.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let outputs = graph.i32s(subgraph::OUTPUTS)?.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let mut file = File { tensors, operators, inputs, outputs };
        file.check()?;
        Ok(file)
    }

    /// Checks that every operand is there when it is read, and finds the constants that are computed of constants.
    fn check(&mut self) -> Result<(), TfliteError> {
        let invalid =
            |what: &str, tensor: &Tensor| Err(TfliteError::Invalid(format!("{what} {:?}", tensor.name)));
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Err(TfliteError::Invalid("it has no input or no output".into()));
        }
        let mut there: Vec<bool> = self.tensors.iter().map(|tensor| tensor.constant).collect();
        for &input in &self.inputs {
            there[input] = true;
            self.tensors[input].constant = false;
            let sides = &self.tensors[input].dims;
            if sides.contains(&0) {
                return invalid("an empty input", &self.tensors[input]);
            }
        }
        for step in &self.operators {
            for &operand in step.inputs.iter().flatten() {
                if !there[operand] {
                    return invalid("nothing computes", &self.tensors[operand]);
                }
            }
            let operands = || step.inputs.iter().flatten();
            let folded =
                operands().next().is_some() && operands().all(|&operand| self.tensors[operand].constant);
            for &output in &step.outputs {
                if there[output] {
                    return invalid("two operators compute", &self.tensors[output]);
                }
                there[output] = true;
                self.tensors[output].constant = folded;
            }
        }
        match self.outputs.iter().find(|&&output| !there[output]) {
            Some(&output) => invalid("nothing computes the output", &self.tensors[output]),
            None => Ok(()),
        }
    }
}

/// An index of a tensor, checked.
fn known(index: i32, tensors: usize) -> Result<usize, TfliteError> {
    let place = usize::try_from(index).ok().filter(|&place| place < tensors);
    place.ok_or_else(|| TfliteError::Invalid(format!("tensor {index} of {tensors}")))
}

fn operator_name(code: &Table) -> Result<String, TfliteError> {
    // Newer writers put numbers above 127 into the second field alone.
    let number = i32::from(code.i8(operator_code::DEPRECATED, 0)?).max(code.i32(operator_code::NUMBER, 0)?);
    let name = usize::try_from(number).ok().and_then(|number| schema::OPERATORS.get(number));
    Ok(match name {
        Some(&"CUSTOM") => {
            format!("CUSTOM {}", code.text(operator_code::CUSTOM)?.unwrap_or("without a name"))
        }
        Some(name) => (*name).to_owned(),
        None => format!("operator {number}"),
    })
}

/// The bytes of a buffer; nothing where there are none.
fn content<'f>(reader: &Reader<'f>, table: &Table<'_, 'f>) -> Result<Option<&'f [u8]>, TfliteError> {
    let (offset, size) = (table.u64(buffer::OFFSET, 0)?, table.u64(buffer::SIZE, 0)?);
    if offset > 1 && size > 1 {
        return Ok(Some(reader.raw(offset, size)?));
    }
    Ok(table.bytes(buffer::DATA)?.filter(|bytes| !bytes.is_empty()))
}

fn tensor<'f>(table: &Table<'_, 'f>, buffers: &[Option<&'f [u8]>]) -> Result<Tensor<'f>, TfliteError> {
    let name = table.text(tensor::NAME)?.unwrap_or("");
    let sides = table.i32s(tensor::SHAPE)?;
    let signature = table.i32s(tensor::SIGNATURE)?;
    let wrong = |reason: &str| TfliteError::Invalid(format!("tensor {name:?} of {sides:?}: {reason}"));
    let mut dims = Vec::with_capacity(sides.len());
    for &side in &sides {
        // An open side is one place long until somebody fixes it.
        let side = if side == -1 { 1 } else { side };
        if !(0..=LONGEST).contains(&side) {
            return Err(wrong("no such side"));
        }
        dims.push(side as usize);
    }
    let elements = dims.iter().try_fold(1_usize, |product, &side| product.checked_mul(side));
    if elements.is_none_or(|elements| elements > LARGEST) {
        return Err(wrong("too large"));
    }
    let open = sides.iter().skip(1).chain(signature.iter().skip(1)).any(|&side| side == -1);
    let index = table.u32(tensor::BUFFER, 0)? as usize;
    let Some(&data) = buffers.get(index) else { return Err(wrong("its buffer is missing")) };
    let element = table.i8(tensor::TYPE, 0)?;
    let variable = table.flag(tensor::VARIABLE, false)?;
    Ok(Tensor { name, dims, open, element, constant: data.is_some() || variable, data })
}

fn operator<'r, 'f>(
    table: &Table<'r, 'f>,
    codes: &[String],
    tensors: usize,
) -> Result<Operator<'r, 'f>, TfliteError> {
    let code = table.u32(operator::CODE, 0)? as usize;
    let name = codes.get(code).ok_or_else(|| TfliteError::Invalid(format!("operator {code} has no code")))?;
    let operand = |&index: &i32| if index == -1 { Ok(None) } else { known(index, tensors).map(Some) };
    let inputs = table.i32s(operator::INPUTS)?.iter().map(operand).collect::<Result<_, _>>()?;
    let outputs = table.i32s(operator::OUTPUTS)?;
    let outputs = outputs.into_iter().map(|index| known(index, tensors)).collect::<Result<_, _>>()?;
    Ok(Operator { name: name.clone(), inputs, outputs, options: table.table(operator::OPTIONS)? })
}
