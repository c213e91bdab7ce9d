//! The file as a plain list of operators: functions are written out, constant branches are taken, what is
//! constant is folded, and what nobody reads is left out.

use super::operation::{Operation, Problem, subgraph};
use super::value::{self, Value};
use super::{Size, fold, shapes};
use crate::onnx::{OnnxError, check};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{
    self, AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto,
};

/// Operators, with functions written out, above which a file is taken for damaged.
const MAX_STEPS: usize = 300_000;
/// Elements that are computed in all before constants are no longer followed.
const MAX_FOLDED: usize = 1 << 24;
/// Axes of a tensor.
const MAX_RANK: usize = 32;
/// Functions and branches inside each other.
const MAX_DEPTH: usize = 64;

/// One operator that runs for each image; operands and results are places in [`Network::values`].
#[derive(Debug)]
pub struct Step<'a> {
    pub node: Cow<'a, NodeProto>,
    pub inputs: Vec<Option<usize>>,
    pub outputs: Vec<Option<usize>>,
    /// Whether the operator has a shape function here.
    pub known: bool,
}

/// The operators that run for each image, in order.
#[derive(Debug, Default)]
pub struct Network<'a> {
    pub values: Vec<Value>,
    pub steps: Vec<Step<'a>>,
    /// The inputs that differ from image to image.
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    /// Images that the shapes are for.
    pub batch: usize,
}

impl<'a> Network<'a> {
    /// Reads the model; `side` fills in heights and widths that the file leaves open.
    pub fn of(model: &'a ModelProto, side: Option<Size>) -> Result<Network<'a>, OnnxError> {
        let Some(graph) = &model.graph else { return Err(OnnxError::Format("it holds no graph".into())) };
        let mut walker = Walker {
            functions: model.functions.iter().map(|function| (name_of(function), function)).collect(),
            network: Network { batch: 1, ..Network::default() },
            scopes: Vec::new(),
            symbols: FxHashMap::default(),
            declared: FxHashMap::default(),
            depth: 0,
            steps: 0,
            folded: 0,
        };
        walker.scopes.push(Scope::default());
        walker.constants(graph);
        walker.inputs(graph, side)?;
        for info in graph.value_info.iter().chain(&graph.output) {
            walker.declared.insert(&info.name, info);
        }
        walker.nodes(&graph.node)?;
        for output in &graph.output {
            let place = walker.find(&output.name).flatten().ok_or_else(|| {
                OnnxError::Invalid(format!("nothing produces the output {:?}", output.name))
            })?;
            walker.network.outputs.push(place);
        }
        let mut network = walker.network;
        if network.outputs.is_empty()
            && let Some(step) = network.steps.last()
        {
            network.outputs = step.outputs.iter().copied().flatten().collect();
        }
        network.drop_dead();
        Ok(network)
    }

    /// Leaves out the steps whose results nobody reads.
    fn drop_dead(&mut self) {
        let mut read = vec![false; self.values.len()];
        self.outputs.iter().for_each(|&place| read[place] = true);
        let mut alive = vec![false; self.steps.len()];
        for (step, alive) in self.steps.iter().zip(&mut alive).rev() {
            *alive = step.outputs.iter().flatten().any(|&place| read[place]);
            if *alive {
                step.inputs.iter().flatten().for_each(|&place| read[place] = true);
            }
        }
        let mut alive = alive.into_iter();
        self.steps.retain(|_| alive.next().unwrap_or(true));
    }

    /// The operands of a step.
    pub fn operands(&self, step: &Step) -> Vec<Option<&Value>> {
        step.inputs.iter().map(|place| place.map(|place| &self.values[place])).collect()
    }
}

fn name_of(function: &FunctionProto) -> (&str, &str) {
    (function.domain.as_deref().unwrap_or(""), function.name.as_deref().unwrap_or(""))
}

/// Names that are visible together.
#[derive(Default)]
struct Scope<'a> {
    /// Nothing where the caller of a function left an operand out.
    places: FxHashMap<Cow<'a, str>, Option<usize>>,
    /// Attributes that the caller of a function gave; only functions have them.
    attributes: Option<FxHashMap<&'a str, Cow<'a, AttributeProto>>>,
    /// Names outside are visible, too: branches, but not functions.
    open: bool,
}

struct Walker<'a> {
    functions: FxHashMap<(&'a str, &'a str), &'a FunctionProto>,
    network: Network<'a>,
    scopes: Vec<Scope<'a>>,
    /// Sizes that the file names, as far as the inputs tell them.
    symbols: FxHashMap<&'a str, usize>,
    /// What the file says of its values: only asked where nothing better is known.
    declared: FxHashMap<&'a str, &'a ValueInfoProto>,
    depth: usize,
    steps: usize,
    /// Elements of constants computed so far.
    folded: usize,
}

impl<'a> Walker<'a> {
    /// The place of `name`; nothing inside where it is left out.
    fn find(&self, name: &str) -> Option<Option<usize>> {
        for scope in self.scopes.iter().rev() {
            if let Some(&place) = scope.places.get(name) {
                return Some(place);
            }
            if !scope.open {
                return None;
            }
        }
        None
    }

    fn name(&mut self, name: impl Into<Cow<'a, str>>, place: usize) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.places.insert(name.into(), Some(place));
        }
    }

    fn add(&mut self, value: Value) -> usize {
        self.network.values.push(value);
        self.network.values.len() - 1
    }

    fn constants(&mut self, graph: &'a GraphProto) {
        for tensor in &graph.initializer {
            let place = self.add(value::of_tensor(tensor));
            self.name(&tensor.name[..], place);
        }
        for sparse in &graph.sparse_initializer {
            let Some(values) = &sparse.values else { continue };
            let dims = sparse.dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
            let place = self.add(Value::constant(dims, value::is_whole(values.data_type), None));
            self.name(&values.name[..], place);
        }
    }

    fn inputs(&mut self, graph: &'a GraphProto, side: Option<Size>) -> Result<(), OnnxError> {
        let mut first = true;
        for info in &graph.input {
            if self.find(&info.name).is_some() {
                continue;
            }
            let Some(shape) = tensor(info).and_then(|tensor| tensor.shape.as_ref()) else {
                return Err(OnnxError::Invalid(format!("input {:?} has no shape", info.name)));
            };
            check::dims(info)?;
            let open = shape.dim.iter().map(|dim| match &dim.value {
                // Older exporters write 0 or −1 for "open".
                Some(Dim::DimValue(n)) if *n > 0 => Open::Fixed(*n as usize),
                Some(Dim::DimParam(name)) if !name.is_empty() => Open::Named(name),
                _ => Open::Unnamed,
            });
            let open: Vec<Open> = open.collect();
            let dims = self.resolve(&info.name, &open, side)?;
            if first && dims.len() >= 2 {
                self.network.batch = if dims.len() == 3 && is_image(&dims) { 1 } else { dims[0].max(1) };
                first = false;
            }
            let whole = tensor(info).is_some_and(|tensor| value::is_whole(tensor.elem_type));
            let place = self.add(Value { dims: Ok(dims), whole, constant: false, data: None });
            self.network.inputs.push(place);
            self.name(&info.name[..], place);
        }
        if self.network.inputs.is_empty() {
            return Err(OnnxError::Invalid("the graph has no inputs".into()));
        }
        Ok(())
    }

    /// The shape of an input: one image where the batch is open, `side` where height and width are.
    fn resolve(
        &mut self,
        name: &str,
        open: &[Open<'a>],
        side: Option<Size>,
    ) -> Result<Vec<usize>, OnnxError> {
        let rank = open.len();
        let is_channels = |at: usize| matches!(open.get(at), Some(Open::Fixed(1..=4)));
        // Places of height and width.
        let sides = match rank {
            4 if is_channels(3) && !is_channels(1) => Some([1, 2]),
            4 => Some([2, 3]),
            3 if is_channels(2) && !is_channels(0) => Some([0, 1]),
            3 if is_channels(0) => Some([1, 2]),
            _ => None,
        };
        let mut dims = Vec::with_capacity(rank);
        for (at, size) in open.iter().enumerate() {
            let known = match size {
                Open::Fixed(n) => Some(*n),
                Open::Named(name) => self.symbols.get(name).copied(),
                Open::Unnamed => None,
            };
            let along = sides.and_then(|sides| sides.iter().position(|&place| place == at));
            if let (Some(fixed), Some(along), Some(side)) = (known, along, side)
                && fixed != [side.h, side.w][along]
            {
                let message = format!("input {name:?} has a fixed side of {fixed}, not {side}");
                return Err(OnnxError::Resolution(message));
            }
            let size = match (known, along, side) {
                (Some(known), ..) => known,
                (None, Some(along), Some(side)) => [side.h, side.w][along],
                (None, Some(_), None) => {
                    let [h, w] = sides.unwrap_or_default().map(|place| match open.get(place) {
                        Some(Open::Fixed(side)) => side.to_string(),
                        _ => "N".to_owned(),
                    });
                    let message =
                        format!("input {name:?} leaves height or width open; give --resolution {h}x{w}");
                    return Err(OnnxError::Resolution(message));
                }
                // Batches, and scalars beside the image.
                (None, None, _) if at == 0 => 1,
                (None, None, _) => {
                    let message = format!(
                        "input {name:?} leaves the size of axis {at} open, which is no side of an image"
                    );
                    return Err(OnnxError::Unknown(message));
                }
            };
            if let Open::Named(name) = open[at] {
                self.symbols.insert(name, size);
            }
            dims.push(size);
        }
        if value::elements(&dims).is_none_or(|n| n > 1 << 30) {
            return Err(OnnxError::Invalid(format!("input {name:?} is too large")));
        }
        Ok(dims)
    }

    fn nodes(&mut self, nodes: &'a [NodeProto]) -> Result<(), OnnxError> {
        nodes.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<(), OnnxError> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(OnnxError::Invalid(format!("more than {MAX_STEPS} operators")));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            let place = if name.is_empty() { None } else { self.operand(node, name)? };
            inputs.push(place);
        }
        if let Some(function) = self.functions.get(&(&node.domain[..], &node.op_type[..])).copied() {
            return self.call(node, function, &inputs);
        }
        let taken = self.bound(node);
        match &node.op_type[..] {
            "Constant" => {
                let value = constant(&taken);
                let place = self.add(value);
                self.outputs(node, vec![Some(place)]);
                Ok(())
            }
            "If" if self.condition(&inputs).is_some() => {
                let name = if self.condition(&inputs) == Some(true) { "then_branch" } else { "else_branch" };
                match subgraph(node, name) {
                    Some(branch) => self.branch(node, branch),
                    None => Err(OnnxError::Invalid(format!("If {:?} has no {name}", node.name))),
                }
            }
            _ => self.step(node, taken, inputs),
        }
    }

    fn operand(&self, node: &NodeProto, name: &str) -> Result<Option<usize>, OnnxError> {
        self.find(name).ok_or_else(|| {
            OnnxError::Invalid(format!(
                "{} {:?} reads {name:?}, which nothing has produced yet",
                node.op_type, node.name
            ))
        })
    }

    /// The node with the attributes that it takes over from the caller of its function.
    fn bound(&self, node: &'a NodeProto) -> Cow<'a, NodeProto> {
        if node.attribute.iter().all(|attribute| attribute.ref_attr_name.is_empty()) {
            return Cow::Borrowed(node);
        }
        let given = self.scopes.iter().rev().find_map(|scope| scope.attributes.as_ref());
        let mut bound = node.clone();
        bound.attribute = Vec::new();
        for attribute in &node.attribute {
            if attribute.ref_attr_name.is_empty() {
                bound.attribute.push(attribute.clone());
            } else if let Some(value) = given.and_then(|given| given.get(&attribute.ref_attr_name[..])) {
                bound
                    .attribute
                    .push(AttributeProto { name: attribute.name.clone(), ..value.clone().into_owned() });
            }
        }
        Cow::Owned(bound)
    }

    fn condition(&self, inputs: &[Option<usize>]) -> Option<bool> {
        let place = inputs.first().copied().flatten()?;
        self.network.values[place].scalar().map(|value| value != 0.0)
    }

    /// Names the results of `node`.
    fn outputs(&mut self, node: &'a NodeProto, places: Vec<Option<usize>>) {
        for (name, place) in node.output.iter().zip(places) {
            if let Some(place) = place
                && !name.is_empty()
            {
                self.name(&name[..], place);
            }
        }
    }

    fn deeper(&mut self, scope: Scope<'a>) -> Result<(), OnnxError> {
        self.depth += 1;
        self.scopes.push(scope);
        if self.depth > MAX_DEPTH {
            return Err(OnnxError::Invalid(format!("more than {MAX_DEPTH} functions inside each other")));
        }
        Ok(())
    }

    fn branch(&mut self, node: &'a NodeProto, branch: &'a GraphProto) -> Result<(), OnnxError> {
        self.deeper(Scope { open: true, ..Scope::default() })?;
        self.constants(branch);
        self.nodes(&branch.node)?;
        let places: Result<Vec<Option<usize>>, OnnxError> =
            branch.output.iter().map(|output| self.operand(node, &output.name)).collect();
        self.scopes.pop();
        self.depth -= 1;
        self.outputs(node, places?);
        Ok(())
    }

    fn call(
        &mut self,
        node: &'a NodeProto,
        function: &'a FunctionProto,
        inputs: &[Option<usize>],
    ) -> Result<(), OnnxError> {
        let attributes = match self.bound(node) {
            Cow::Borrowed(node) => node
                .attribute
                .iter()
                .map(|attribute| (&attribute.name[..], Cow::Borrowed(attribute)))
                .collect(),
            Cow::Owned(bound) => {
                let by_name = |attribute: AttributeProto| {
                    let named = node.attribute.iter().find(|known| known.name == attribute.name)?;
                    Some((&named.name[..], Cow::Owned(attribute)))
                };
                bound.attribute.into_iter().filter_map(by_name).collect()
            }
        };
        let mut scope = Scope { attributes: Some(attributes), ..Scope::default() };
        for (at, name) in function.input.iter().enumerate() {
            scope.places.insert(Cow::Borrowed(&name[..]), inputs.get(at).copied().flatten());
        }
        self.deeper(scope)?;
        self.nodes(&function.node)?;
        let places: Result<Vec<Option<usize>>, OnnxError> =
            function.output.iter().map(|name| self.operand(node, name)).collect();
        self.scopes.pop();
        self.depth -= 1;
        self.outputs(node, places?);
        Ok(())
    }

    /// An operator that is neither a call nor a branch: its shapes, and its elements if it is constant.
    fn step(
        &mut self,
        raw: &'a NodeProto,
        node: Cow<'a, NodeProto>,
        inputs: Vec<Option<usize>>,
    ) -> Result<(), OnnxError> {
        let (results, known) = {
            let values = &self.network.values;
            let operands: Vec<Option<&Value>> =
                inputs.iter().map(|place| place.map(|place| &values[place])).collect();
            let op = Operation { node: &node, inputs: &operands };
            self.results(&op)?
        };
        let constant = results.iter().all(|value| value.constant);
        self.folded += results.iter().map(|value| value.data.as_ref().map_or(1, Vec::len)).sum::<usize>();
        let places: Vec<usize> = results.into_iter().map(|value| self.add(value)).collect();
        let outputs = raw
            .output
            .iter()
            .zip(&places)
            .map(|(name, &place)| (!name.is_empty()).then_some(place))
            .collect();
        self.outputs(raw, places.into_iter().map(Some).collect());
        if !constant {
            self.network.steps.push(Step { node, inputs, outputs, known });
        }
        Ok(())
    }

    fn results(&self, op: &Operation) -> Result<(Vec<Value>, bool), OnnxError> {
        let count = op.node.output.len();
        // The size of a map is known although its elements are not.
        let sizes = matches!(op.kind(), "Shape" | "Size");
        let constant = sizes || op.inputs.iter().flatten().all(|value| value.constant);
        let whole = match op.kind() {
            "Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin" | "Not" | "And" | "Or" | "Xor" | "Equal"
            | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "IsNaN" | "IsInf" => true,
            "Cast" => value::is_whole(op.int("to", 1) as i32),
            "CastLike" => op.input(1).is_some_and(|value| value.whole),
            "ConstantOfShape" => {
                let tensor = op.attribute("value").and_then(|attribute| attribute.t.as_ref());
                tensor.is_some_and(|tensor| value::is_whole(tensor.data_type))
            }
            "Where" => op.input(1).is_some_and(|value| value.whole),
            _ => op.inputs.first().copied().flatten().is_some_and(|value| value.whole),
        };
        let deep =
            op.inputs.iter().flatten().any(|value| value.dims().is_some_and(|dims| dims.len() > MAX_RANK));
        let problem = match if deep { Err(Problem::NoRule) } else { shapes::infer(op) } {
            Ok(shapes) => {
                if let Some(shape) = shapes.iter().find(|shape| value::elements(shape).is_none()) {
                    let message =
                        format!("{} {:?} gives {shape:?}, which is too large", op.kind(), op.node.name);
                    return Err(OnnxError::Invalid(message));
                }
                let follow = constant && self.folded < MAX_FOLDED;
                let data = if follow { fold::outputs(op, &shapes) } else { vec![None; shapes.len()] };
                let mut values: Vec<Value> = shapes
                    .into_iter()
                    .zip(data)
                    .map(|(dims, data)| Value {
                        // What holds no elements takes no time.
                        constant: constant || dims.contains(&0),
                        ..Value::constant(dims, whole, data)
                    })
                    .take(count)
                    .collect();
                values.resize(count, Value::unknown(op.kind()));
                return Ok((values, true));
            }
            Err(problem) => problem,
        };
        match problem {
            Problem::Wrong(what) => Err(OnnxError::Invalid(what)),
            Problem::Data(cause) => {
                let mut value = Value::unknown(&cause);
                value.constant = constant;
                Ok((vec![value; count], true))
            }
            Problem::NoRule => {
                let cause = op.inputs.iter().flatten().find_map(|value| value.dims.as_ref().err());
                let name = full_name(op.node);
                let cause = cause.map_or(name.as_str(), |cause| cause);
                let of = |name: &String| match self.shape_declared(name) {
                    Some(dims) => Value { constant, ..Value::constant(dims, false, None) },
                    None => Value { constant, ..Value::unknown(cause) },
                };
                Ok((op.node.output.iter().map(of).collect(), false))
            }
        }
    }

    /// The shape that the file itself gives for a value, if no size in it is open.
    fn shape_declared(&self, name: &str) -> Option<Vec<usize>> {
        // Inside a function the name may mean something else.
        if self.scopes.iter().any(|scope| scope.attributes.is_some()) {
            return None;
        }
        let shape = tensor(self.declared.get(name)?)?.shape.as_ref()?;
        let size = |dim: &pb::tensor_shape_proto::Dimension| match &dim.value {
            Some(Dim::DimValue(n)) if *n > 0 => usize::try_from(*n).ok(),
            Some(Dim::DimParam(name)) => self.symbols.get(&name[..]).copied(),
            _ => None,
        };
        let dims: Vec<usize> = shape.dim.iter().map(size).collect::<Option<_>>()?;
        value::elements(&dims).map(|_| dims)
    }
}

/// An operator's name, with its domain if it is not ONNX's own.
pub fn full_name(node: &NodeProto) -> String {
    match &node.domain[..] {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}

/// A size that an input declares.
#[derive(Clone, Copy)]
enum Open<'a> {
    Fixed(usize),
    Named(&'a str),
    Unnamed,
}

/// Three axes that are one image without a batch.
fn is_image(dims: &[usize]) -> bool {
    matches!(dims, [1 | 3 | 4, _, _] | [_, _, 1 | 3 | 4])
}

fn tensor(info: &ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    match info.r#type.as_ref()?.value.as_ref()? {
        pb::type_proto::Value::TensorType(tensor) => Some(tensor),
    }
}

/// The value of a Constant operator, in any of the forms that it may have.
fn constant(node: &NodeProto) -> Value {
    let Some(attribute) = node.attribute.first() else { return Value::unknown("Constant") };
    match &attribute.name[..] {
        "value" => attribute.t.as_ref().map_or_else(|| Value::unknown("Constant"), value::of_tensor),
        "value_float" => Value::constant(vec![], false, Some(vec![f64::from(attribute.f)])),
        "value_int" => Value::constant(vec![], true, Some(vec![attribute.i as f64])),
        "value_floats" => {
            let data: Vec<f64> = attribute.floats.iter().map(|&x| f64::from(x)).collect();
            Value::constant(vec![data.len()], false, Some(data))
        }
        "value_ints" => {
            let data: Vec<f64> = attribute.ints.iter().map(|&n| n as f64).collect();
            Value::constant(vec![data.len()], true, Some(data))
        }
        "sparse_value" => {
            let dims = attribute.sparse_tensor.as_ref().map(|sparse| sparse.dims.clone()).unwrap_or_default();
            let dims = dims.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
            Value::constant(dims, false, None)
        }
        // Strings.
        "value_string" => Value::constant(vec![], true, None),
        "value_strings" => Value::constant(vec![attribute.strings.len()], true, None),
        _ => Value::unknown("Constant"),
    }
}
