//! State dicts in files of `torch.save`. Such a file says with pickle's instructions how Python builds its objects; here nothing
//! of Python runs: tensors and the dicts around them are followed, and every other object stays unknown.

use super::archive::{self, ArchiveError};
use crate::Tensor;
use crate::numbers::{self, Numbers};
use crate::safetensors::Tensors;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Why a file of `torch.save` gives no weights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("not a file of torch.save: {0}")]
    Damaged(&'static str),
    #[error("it holds no state dict: save model.state_dict()")]
    NoState,
    #[error("it holds no means over the steps (state_dict_ema or model_ema)")]
    NoMeans,
    #[error("tensor {0}: its values are cut off")]
    Cut(String),
}

use PickleError::{Cut, Damaged, NoMeans, NoState};

/// Where training scripts put the weights, and the means of the weights over the steps.
const WEIGHTS: [&str; 2] = ["state_dict", "model"];
const MEANS: [&str; 2] = ["state_dict_ema", "model_ema"];
/// Objects that contain each other more deeply are none of a state dict.
const DEEPEST: u32 = 64;
/// No tensor has more dimensions.
const MOST_DIMENSIONS: usize = 16;

/// What an object of Python is known to be.
#[derive(Clone, Debug)]
enum Value {
    Unknown,
    Integer(i64),
    Text(String),
    /// A class or a function.
    Global(String),
    /// With how deeply objects contain each other in it.
    Tuple(u32, Vec<Rc<Value>>),
    Dict(u32, Vec<(Rc<Value>, Rc<Value>)>),
    /// Numbers in a file: its name, and their type.
    Storage {
        key: String,
        numbers: Numbers,
    },
    Tensor(Rc<Strided>),
    Mark,
}

#[derive(Clone, Debug)]
struct Strided {
    key: String,
    numbers: Numbers,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

fn depth(value: &Value) -> u32 {
    match value {
        Value::Tuple(depth, _) | Value::Dict(depth, _) => *depth,
        _ => 0,
    }
}

/// The weights in a file of `torch.save`: of the whole file, or of its part for the weights; with `means`, of its part for the
/// means of the weights over the steps.
///
/// # Errors
/// What is wrong with the bytes; a file without weights.
pub fn state_dict(bytes: &[u8], means: bool) -> Result<Tensors, PickleError> {
    let files = archive::files(bytes)?;
    let program = files.get("data.pkl").ok_or(Damaged("it has no data.pkl"))?;
    if files.get("byteorder").is_some_and(|order| *order != b"little") {
        return Err(Damaged("its numbers are of a computer of another kind"));
    }
    let Value::Dict(_, whole) = &*Machine::default().run(program)? else { return Err(NoState) };
    let part = |names: [&str; 2]| {
        let mut entries = whole.iter().filter_map(|(key, value)| match (&**key, &**value) {
            (Value::Text(key), Value::Dict(_, entries)) if names.contains(&key.as_str()) => Some(entries),
            _ => None,
        });
        entries.next()
    };
    let entries = if means { part(MEANS).ok_or(NoMeans)? } else { part(WEIGHTS).unwrap_or(whole) };
    let mut tensors = BTreeMap::new();
    for (key, value) in entries {
        if let (Value::Text(name), Value::Tensor(tensor)) = (&**key, &**value) {
            let numbers = files.get(format!("data/{}", tensor.key).as_str()).copied();
            let data = numbers.and_then(|numbers| tensor.values(numbers)).ok_or_else(|| Cut(name.clone()))?;
            tensors.insert(name.clone(), Tensor { shape: tensor.shape.clone(), data });
        }
    }
    if tensors.is_empty() { Err(NoState) } else { Ok(Tensors { tensors, ..Tensors::default() }) }
}

impl Strided {
    /// The values one after another; `None`: there are fewer in `bytes`.
    fn values(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        let width = self.numbers.width();
        let count = self.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))?;
        // A stride of zero repeats numbers: no weights are stored like that.
        if count > bytes.len() / width {
            return None;
        }
        let all = numbers::read(bytes, self.numbers);
        let mut out = Vec::with_capacity(count);
        for number in 0..count {
            let (mut rest, mut at) = (number, self.offset);
            for (&n, &stride) in self.shape.iter().zip(&self.strides).rev() {
                at = at.checked_add((rest % n).checked_mul(stride)?)?;
                rest /= n;
            }
            out.push(*all.get(at)?);
        }
        Some(out)
    }
}

/// Follows the instructions of pickle.
#[derive(Default)]
struct Machine {
    stack: Vec<Rc<Value>>,
    memo: BTreeMap<usize, Rc<Value>>,
}

/// The instructions that are still to be followed.
struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged("its instructions are cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<usize, PickleError> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0_usize, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let end = self.0.iter().position(|&byte| byte == b'\n').ok_or(Damaged("a line is cut off"))?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }

    fn text(&mut self, count: usize) -> Result<Value, PickleError> {
        Ok(Value::Text(String::from_utf8_lossy(self.take(count)?).into_owned()))
    }

    /// An integer of so many bytes, of which the last one bears the sign.
    fn signed(&mut self, bytes: usize) -> Result<Value, PickleError> {
        let taken = self.take(bytes)?;
        if taken.len() > 8 {
            return Ok(Value::Unknown);
        }
        let filler = if taken.last().is_some_and(|byte| byte & 128 != 0) { 255 } else { 0 };
        let mut whole = [filler; 8];
        whole[..taken.len()].copy_from_slice(taken);
        Ok(Value::Integer(i64::from_le_bytes(whole)))
    }
}

impl Machine {
    fn push(&mut self, value: Value) {
        self.stack.push(Rc::new(value));
    }

    fn pop(&mut self) -> Result<Rc<Value>, PickleError> {
        self.stack.pop().ok_or(Damaged("its instructions take what is not there"))
    }

    /// What lies above the last mark, which is taken away.
    fn above_mark(&mut self) -> Result<Vec<Rc<Value>>, PickleError> {
        let mark = self.stack.iter().rposition(|value| matches!(**value, Value::Mark));
        let mark = mark.ok_or(Damaged("its instructions have no mark"))?;
        let above = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(above)
    }

    fn tuple(&mut self, values: Vec<Rc<Value>>) -> Result<(), PickleError> {
        let deepest = 1 + values.iter().map(|value| depth(value)).max().unwrap_or(0);
        if deepest > DEEPEST {
            return Err(Damaged("its objects contain each other too deeply"));
        }
        self.push(Value::Tuple(deepest, values));
        Ok(())
    }

    fn last(&mut self, count: usize) -> Result<Vec<Rc<Value>>, PickleError> {
        let from = self.stack.len().checked_sub(count).ok_or(Damaged("a tuple is not whole"))?;
        Ok(self.stack.split_off(from))
    }

    /// Puts pairs of keys and values into the dict on top.
    fn put(&mut self, values: Vec<Rc<Value>>) -> Result<(), PickleError> {
        let mut top = self.pop()?;
        if let Value::Dict(deepest, entries) = Rc::make_mut(&mut top) {
            for pair in values.chunks_exact(2) {
                *deepest = (*deepest).max(1 + depth(&pair[0]).max(depth(&pair[1])));
                entries.push((pair[0].clone(), pair[1].clone()));
            }
            if *deepest > DEEPEST {
                return Err(Damaged("its objects contain each other too deeply"));
            }
        }
        self.stack.push(top);
        Ok(())
    }

    fn get(&mut self, index: usize) -> Result<(), PickleError> {
        let value = self.memo.get(&index).ok_or(Damaged("its instructions refer to nothing"))?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn remember(&mut self, index: usize) -> Result<(), PickleError> {
        let top = self.stack.last().ok_or(Damaged("its instructions remember nothing"))?;
        self.memo.insert(index, top.clone());
        Ok(())
    }

    fn run(mut self, program: &[u8]) -> Result<Rc<Value>, PickleError> {
        let mut program = Program(program);
        loop {
            let instruction = program.number(1)? as u8;
            match instruction {
                b'.' => return self.pop(),
                // Protocol, and the length of what follows.
                0x80 => drop(program.take(1)?),
                0x95 => drop(program.take(8)?),
                b'(' => self.push(Value::Mark),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.above_mark()?),
                b'2' => {
                    let top = self.stack.last().ok_or(Damaged("there is nothing to repeat"))?.clone();
                    self.stack.push(top);
                }
                // None, true, false.
                b'N' | 0x88 | 0x89 => self.push(Value::Unknown),
                b'J' => {
                    let value = program.signed(4)?;
                    self.push(value);
                }
                b'K' => self.push(Value::Integer(i64::from(program.take(1)?[0]))),
                b'M' => self.push(Value::Integer(program.number(2)? as i64)),
                0x8a => {
                    let bytes = program.number(1)?;
                    let value = program.signed(bytes)?;
                    self.push(value);
                }
                0x8b => {
                    let bytes = program.number(4)?;
                    let value = program.signed(bytes)?;
                    self.push(value);
                }
                b'G' => {
                    program.take(8)?;
                    self.push(Value::Unknown);
                }
                // Texts, with the bytes of their lengths.
                b'X' | b'T' | 0x8c | b'U' | 0x8d => {
                    let bytes = match instruction {
                        b'X' | b'T' => 4,
                        0x8d => 8,
                        _ => 1,
                    };
                    let count = program.number(bytes)?;
                    let text = program.text(count)?;
                    self.push(text);
                }
                // Bytes.
                b'B' | b'C' | 0x8e | 0x96 => {
                    let bytes = match instruction {
                        b'B' => 4,
                        b'C' => 1,
                        _ => 8,
                    };
                    let count = program.number(bytes)?;
                    program.take(count)?;
                    self.push(Value::Unknown);
                }
                b')' => self.tuple(Vec::new())?,
                b't' => {
                    let values = self.above_mark()?;
                    self.tuple(values)?;
                }
                0x85..=0x87 => {
                    let values = self.last(usize::from(instruction - 0x84))?;
                    self.tuple(values)?;
                }
                // Lists and sets hold no weights.
                b']' | 0x8f => self.push(Value::Unknown),
                b'a' => drop(self.pop()?),
                b'e' | 0x90 => drop(self.above_mark()?),
                0x91 => {
                    self.above_mark()?;
                    self.push(Value::Unknown);
                }
                b'}' => self.push(Value::Dict(1, Vec::new())),
                b's' => {
                    let values = self.last(2)?;
                    self.put(values)?;
                }
                b'u' => {
                    let values = self.above_mark()?;
                    self.put(values)?;
                }
                b'h' => {
                    let index = program.number(1)?;
                    self.get(index)?;
                }
                b'j' => {
                    let index = program.number(4)?;
                    self.get(index)?;
                }
                b'q' => {
                    let index = program.number(1)?;
                    self.remember(index)?;
                }
                b'r' => {
                    let index = program.number(4)?;
                    self.remember(index)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'c' => {
                    let (module, name) = (program.line()?, program.line()?);
                    let name = [module, b".", name].concat();
                    self.push(Value::Global(String::from_utf8_lossy(&name).into_owned()));
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(module), Value::Text(name)) = (&*module, &*name) else {
                        return Err(Damaged("a class in it has no name"));
                    };
                    self.push(Value::Global(format!("{module}.{name}")));
                }
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.stack.push(called(&function, &arguments));
                }
                0x92 => {
                    self.last(3)?;
                    self.push(Value::Unknown);
                }
                // The state of an object, which stays as it is.
                b'b' => drop(self.pop()?),
                b'Q' => {
                    let id = self.pop()?;
                    self.push(storage(&id));
                }
                _ => return Err(Damaged("it has instructions that torch.save does not write")),
            }
        }
    }
}

/// What a function gives, as far as it is known.
fn called(function: &Value, arguments: &Value) -> Rc<Value> {
    let (Value::Global(function), Value::Tuple(_, arguments)) = (function, arguments) else {
        return Rc::new(Value::Unknown);
    };
    match (function.as_str(), arguments.as_slice()) {
        ("collections.OrderedDict", _) => Rc::new(Value::Dict(1, Vec::new())),
        ("torch._utils._rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
            let tensor = strided(storage, offset, shape, strides);
            Rc::new(tensor.map_or(Value::Unknown, |tensor| Value::Tensor(Rc::new(tensor))))
        }
        ("torch._utils._rebuild_parameter", [tensor, ..]) => tensor.clone(),
        _ => Rc::new(Value::Unknown),
    }
}

fn strided(storage: &Value, offset: &Value, shape: &Value, strides: &Value) -> Option<Strided> {
    let Value::Storage { key, numbers } = storage else { return None };
    let Value::Integer(offset) = offset else { return None };
    let integers = |value: &Value| -> Option<Vec<usize>> {
        let Value::Tuple(_, values) = value else { return None };
        let integer = |value: &Rc<Value>| match **value {
            Value::Integer(number) => usize::try_from(number).ok(),
            _ => None,
        };
        values.iter().map(integer).collect()
    };
    let (shape, strides) = (integers(shape)?, integers(strides)?);
    if shape.len() != strides.len() || shape.len() > MOST_DIMENSIONS {
        return None;
    }
    let offset = usize::try_from(*offset).ok()?;
    Some(Strided { key: key.clone(), numbers: *numbers, offset, shape, strides })
}

/// The numbers that an identity from outside of pickle stands for: ('storage', type, file, device, count).
fn storage(id: &Value) -> Value {
    let Value::Tuple(_, parts) = id else { return Value::Unknown };
    let [_, kind, key, ..] = parts.as_slice() else { return Value::Unknown };
    let (Value::Global(kind), Value::Text(key)) = (&**kind, &**key) else { return Value::Unknown };
    let numbers = match kind.as_str() {
        "torch.FloatStorage" => Numbers::Single,
        "torch.HalfStorage" => Numbers::Half,
        "torch.BFloat16Storage" => Numbers::Brain,
        "torch.DoubleStorage" => Numbers::Double,
        // Integers are no weights.
        _ => return Value::Unknown,
    };
    Value::Storage { key: key.clone(), numbers }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/checkpoint.pth")).unwrap()
    }

    #[test]
    fn the_state_dict_of_a_checkpoint_is_found() {
        let state = state_dict(&checkpoint(), false).unwrap().tensors;
        let names: Vec<&str> = state.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight", "2.bias", "2.weight"]
        );
        assert_eq!(
            (&state["0.weight"].shape[..], state["1.running_var"].data.clone()),
            (&[4, 3, 3, 3][..], vec![1.0; 4])
        );
        // Of half precision.
        assert_eq!(state["2.weight"].shape, [2, 4]);
        assert!(state["2.weight"].data.iter().all(|value| value.abs() <= 0.5 && *value != 0.0));
        assert_eq!(state_dict(&checkpoint(), true), Err(NoMeans));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = checkpoint();
        for cut in (0..whole.len()).step_by(7) {
            assert!(state_dict(&whole[..cut], false).is_err(), "cut at {cut}");
        }
        assert!(
            state_dict(b"PK\x03\x04 and nothing of an archive", false)
                .unwrap_err()
                .to_string()
                .contains("cut off")
        );
    }

    #[test]
    fn views_are_read_by_their_strides_and_objects_are_not_followed_without_end() {
        let strided = Strided {
            key: "0".into(),
            numbers: Numbers::Single,
            offset: 1,
            shape: vec![2, 2],
            strides: vec![1, 2],
        };
        let bytes: Vec<u8> = (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect();
        assert_eq!(strided.values(&bytes), Some(vec![1.0, 3.0, 2.0, 4.0]));
        assert_eq!(strided.values(&bytes[..16]), None);
        let deep = [vec![b')'], vec![0x85; 100], vec![b'.']].concat();
        assert!(Machine::default().run(&deep).unwrap_err().to_string().contains("too deeply"));
        assert_eq!(Machine::default().run(b"(t").err(), Some(Damaged("its instructions are cut off")));
        assert!(Machine::default().run(b"c__main__\nEvil\n)R.").is_ok());
    }
}
