def layers_with_weights(module):
    """Pairs (convolution or linear layer, batch norm that follows it) in running order; either may be None."""
    children = list(module.children())
    in_order = isinstance(module, nn.Sequential)
    taken = None
    for child, after in zip(children, children[1:] + [None]):
        if child is taken:
            continue
        if isinstance(child, (nn.Conv2d, nn.Linear)):
            follows = in_order and isinstance(child, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
            taken = after if follows else None
            yield child, taken
        elif isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            yield None, child
        else:
            yield from layers_with_weights(child)


@torch.no_grad()
def load_onnx(model, path):
    """Copies the weights of an ONNX file that edgezen wrote for this network.

    Batch norms are folded into the convolutions there: here they keep the bias and are otherwise neutral.
    """
    import onnx
    from onnx import numpy_helper

    nodes = {}
    for tensor in onnx.load(path).graph.initializer:
        node, _, part = tensor.name.partition(".")
        if part in ("weight", "bias", "scale", "shift"):
            nodes.setdefault(node, {})[part] = torch.from_numpy(numpy_helper.to_array(tensor).copy())
    layers = list(layers_with_weights(model))
    if len(layers) != len(nodes):
        raise ValueError(f"{path} has {len(nodes)} layers with weights, this network {len(layers)}")

    def copy(to, values):
        if to.numel() != values.numel():
            raise ValueError(f"{path}: {tuple(values.shape)} where {tuple(to.shape)} is expected")
        to.copy_(values.reshape(to.shape))

    for (layer, batch_norm), parts in zip(layers, nodes.values()):
        bias = parts.get("bias", parts.get("shift"))
        if layer is not None:
            copy(layer.weight, parts["weight"])
            if layer.bias is not None:
                layer.bias.zero_()
        if batch_norm is not None:
            batch_norm.reset_running_stats()
            scale = (1 + batch_norm.eps) ** 0.5
            copy(batch_norm.weight, scale * parts.get("scale", torch.ones_like(batch_norm.weight)))
            copy(batch_norm.bias, bias)
        elif bias is not None:
            copy(layer.bias, bias)
    return model
